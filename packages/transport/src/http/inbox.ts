import type { Message } from "@bufbuild/protobuf";
import { ServiceError } from "@clew/rpc";

// Once this much waits unread, the other end is held back.
const highWaterLength = 64 * 1024;
// What a frame counts beyond its length, or those without any would wait in any number.
const frameOverhead = 64;

/** What holds the other end back. */
export interface Flow {
  pause(): void;
  resume(): void;
}

interface Waiter {
  readonly resolve: (message: Message | undefined) => void;
  readonly reject: (error: ServiceError) => void;
}

/**
 * The messages of a stream that the other end sends, pulled one at a time. What is not pulled waits as it came: a text, or bytes.
 * One reader at a time.
 */
export class Inbox<F extends { readonly length: number }> implements AsyncIterator<Message> {
  /** Set once the connection is there. */
  flow: Flow | undefined;
  readonly #decode: (frame: F) => Message;
  readonly #frames: F[] = [];
  #length = 0;
  #isPaused = false;
  #isDiscarding = false;
  #hasEnded = false;
  /** What the messages end with: thrown after the last one. */
  #endError: ServiceError | undefined;
  /** Thrown at once, whatever waits. */
  #failure: ServiceError | undefined;
  #waiter: Waiter | undefined;

  constructor(decode: (frame: F) => Message) {
    this.#decode = decode;
  }

  /** Whether the sender is held back. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  push(frame: F): void {
    if (this.#isDiscarding || this.#hasEnded) return;
    this.#frames.push(frame);
    this.#length += frame.length + frameOverhead;
    if (this.#waiter !== undefined) this.#serve();
    else if (!this.#isPaused && this.#length > highWaterLength) {
      this.#isPaused = true;
      this.flow?.pause();
    }
  }

  /** No more will come; after the messages that wait, reading throws `error` if there is one. */
  end(error?: ServiceError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#endError = error;
    this.#serve();
  }

  /** Ends reading at once; what waits is dropped. The first failure stays. */
  fail(error: ServiceError): void {
    this.#failure ??= error;
    this.discard();
    this.#serve();
  }

  /** Nobody will read any more: what waits and what still comes is dropped. */
  discard(): void {
    this.#isDiscarding = true;
    this.#frames.length = 0;
    this.#resume();
  }

  /** The next message, or undefined after the last. */
  read(): Promise<Message | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#serve();
    });
  }

  async next(): Promise<IteratorResult<Message>> {
    const value = await this.read();
    return value === undefined ? { done: true, value: undefined } : { done: false, value };
  }

  async return(): Promise<IteratorResult<Message>> {
    this.discard();
    return { done: true, value: undefined };
  }

  #serve(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    const frame = this.#failure === undefined ? this.#frames.shift() : undefined;
    if (frame === undefined && this.#failure === undefined && !this.#hasEnded) {
      this.#resume();
      return;
    }
    this.#waiter = undefined;
    if (frame === undefined) {
      const error = this.#failure ?? this.#endError;
      if (error === undefined) waiter.resolve(undefined);
      else waiter.reject(error);
      return;
    }
    this.#length -= frame.length + frameOverhead;
    if (this.#length <= highWaterLength) this.#resume();
    try {
      waiter.resolve(this.#decode(frame));
    } catch (thrown) {
      this.#failure ??= ServiceError.from(thrown);
      this.discard();
      waiter.reject(this.#failure);
    }
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.flow?.resume();
  }
}
