import type { Message } from "@bufbuild/protobuf";
import { ServiceError } from "@clew/rpc";

// Once this much waits unread, the other end is held back.
const highWaterBytes = 64 * 1024;

/** What holds the other end back. */
export interface Flow {
  pause(): void;
  resume(): void;
}

interface Waiter {
  readonly resolve: (message: Message | undefined) => void;
  readonly reject: (error: ServiceError) => void;
}

/** The messages that the other end of a WebSocket sends, pulled one at a time. What is not pulled waits as frames. One reader at a time. */
export class Inbox {
  /** Set once the connection is there. */
  flow: Flow | undefined;
  readonly #decode: (frame: Buffer) => Message;
  readonly #frames: Buffer[] = [];
  #bytes = 0;
  #isPaused = false;
  #isDiscarding = false;
  #hasEnded = false;
  /** What the messages end with: thrown after the last one. */
  #endError: ServiceError | undefined;
  /** Thrown at once, whatever waits. */
  #failure: ServiceError | undefined;
  #waiter: Waiter | undefined;

  constructor(decode: (frame: Buffer) => Message) {
    this.#decode = decode;
  }

  /** Whether the sender is held back. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  push(frame: Buffer): void {
    if (this.#isDiscarding || this.#hasEnded) return;
    this.#frames.push(frame);
    this.#bytes += frame.length;
    if (this.#waiter !== undefined) this.#serve();
    else if (!this.#isPaused && this.#bytes > highWaterBytes) {
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
    this.#bytes -= frame.length;
    if (this.#bytes <= highWaterBytes) this.#resume();
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
