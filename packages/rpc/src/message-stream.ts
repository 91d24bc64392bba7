import type { DescMessage, Message } from "@bufbuild/protobuf";
import { runHolder } from "@clew/context";
import type { Call } from "./call.ts";
import { messageMaker } from "./codec/message-maker.ts";
import type { ServiceError } from "./service-error.ts";

/** Converts each object of a stream to a message of the type. */
export async function* toMessages(desc: DescMessage, inits: AsyncIterable<object>): AsyncIterable<Message> {
  const maker = messageMaker(desc);
  for await (const init of inits) yield maker.from(init);
}

/**
 * The reply of a streaming method, for one reader. It yields the objects of the user's stream as messages until that stream
 * ends. If the call is cancelled, it rejects with the reason at once, even while the user's code waits for something.
 * Middleware that needs to know the end adds a listener and does not wrap the stream: a layer of promises around every
 * message costs as much as the message.
 */
export class MessageStream implements AsyncIterableIterator<Message> {
  readonly #desc: DescMessage;
  readonly #call: Call;
  readonly #source: AsyncIterator<object>;
  readonly #release: () => void;
  #listeners: ((error?: unknown) => void)[] = [];
  #rejectNext: ((reason: unknown) => void) | undefined;
  #isOver = false;
  #error: unknown;

  constructor(desc: DescMessage, call: Call, source: AsyncIterable<object>) {
    this.#desc = desc;
    this.#call = call;
    this.#source = source[Symbol.asyncIterator]();
    this.#release = call.onCancel((reason) => runHolder(call, () => this.#cancel(reason)));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Calls `listener` once when the stream is over, with the error if it failed; at once if the stream is over already.
   */
  onEnd(listener: (error?: unknown) => void): void {
    if (this.#isOver) listener(this.#error);
    else this.#listeners.push(listener);
  }

  next(): Promise<IteratorResult<Message>> {
    return new Promise((resolve, reject) => {
      if (this.#call.cancelled !== undefined) {
        reject(this.#call.cancelled);
        return;
      }
      this.#rejectNext = reject;
      const fail = (error: unknown): void => {
        this.#end(error);
        reject(error);
      };
      this.#source.next().then((result) => {
        if (result.done) {
          this.#end();
          resolve({ done: true, value: undefined });
          return;
        }
        try {
          resolve({ done: false, value: messageMaker(this.#desc).from(result.value) });
        } catch (error) {
          fail(error);
        }
      }, fail);
    });
  }

  async return(): Promise<IteratorResult<Message>> {
    const isCancelled = this.#call.cancelled !== undefined;
    this.#end();
    const ended = this.#source.return?.();
    // If the user's code waits for something else, its stream would end only when that comes.
    if (isCancelled) void ended?.catch(() => {});
    else await ended;
    return { done: true, value: undefined };
  }

  // A call is often cancelled by a socket or a timer, outside of its context. A listener may write a log line of this
  // call, which needs the call's ids.
  #cancel(reason: ServiceError): void {
    this.#end(reason);
    this.#rejectNext?.(reason);
  }

  #end(error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#release();
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(error);
  }
}
