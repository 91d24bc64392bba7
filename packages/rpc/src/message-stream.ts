import type { DescMessage, Message } from "@bufbuild/protobuf";
import { runHolder } from "@clew/context";
import type { Call } from "./call.ts";
import { messageMaker } from "./codec/message-maker.ts";
import type { ServiceError } from "./service-error.ts";

/** Each object of a stream as a message of the type. */
export async function* toMessages(desc: DescMessage, inits: AsyncIterable<object>): AsyncIterable<Message> {
  const maker = messageMaker(desc);
  for await (const init of inits) yield maker.from(init);
}

/**
 * What a streaming method answers, for one reader: the objects of the user's stream as messages, until it ends or its call is
 * cancelled; then the reason, whatever the user's code waits for. Middleware that watches the end adds a listener and wraps
 * nothing: a layer of promises around every message costs as much as the message.
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

  /** Calls `listener` once when the stream is over, with the error if it failed; at once if it is. */
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
    // User code that waits for something else would only end with that.
    if (isCancelled) void ended?.catch(() => {});
    else await ended;
    return { done: true, value: undefined };
  }

  // Whoever cancels is often a socket or a timer: who watches the end writes a line of this call, with its ids.
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
