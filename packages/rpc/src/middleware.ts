import type { Message } from "@bufbuild/protobuf";
import type { Call } from "./call.ts";
import { MessageStream } from "./message-stream.ts";

/** What a handler answers: one message, or a stream of them, as the method has it. */
export type Reply = Message | AsyncIterable<Message>;

/** Answers a call. On a server the innermost one is the user's code, on a client the one that sends. */
export type Handler = (call: Call) => Promise<Reply>;

/** A function around a handler. The same type serves servers and clients, and all four kinds of call. */
export type Middleware = (next: Handler) => Handler;

/** Several middlewares as one; the first is the outermost. */
export function chain(...middleware: readonly Middleware[]): Middleware {
  return (next) => middleware.reduceRight((handler, one) => one(handler), next);
}

/** Whether a reply is a stream. */
export function isStream(reply: Reply): reply is AsyncIterable<Message> {
  return Symbol.asyncIterator in reply;
}

/**
 * Calls `onEnd` once when a reply is over: at once for a message, after the last one for a stream, with the error if it failed.
 * Returns the reply to pass on. A stream that its reader gives up ends without an error.
 */
export function watchReply(reply: Reply, onEnd: (error?: unknown) => void): Reply {
  if (!isStream(reply)) {
    onEnd();
    return reply;
  }
  if (reply instanceof MessageStream) {
    reply.onEnd(onEnd);
    return reply;
  }
  return { [Symbol.asyncIterator]: () => watchIterator(reply[Symbol.asyncIterator](), onEnd) };
}

function watchIterator(source: AsyncIterator<Message>, onEnd: (error?: unknown) => void): AsyncIterator<Message> {
  let ended = false;
  const end = (error?: unknown): void => {
    if (ended) return;
    ended = true;
    onEnd(error);
  };
  return {
    async next() {
      try {
        const result = await source.next();
        if (result.done) end();
        return result;
      } catch (error) {
        end(error);
        throw error;
      }
    },
    async return(value) {
      try {
        return (await source.return?.(value)) ?? { done: true, value };
      } finally {
        end();
      }
    },
  };
}
