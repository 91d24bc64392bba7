import type { ServiceError } from "@clew/rpc";

/** How many messages may wait before their sender does, as it would for a window of flow control. */
const highWaterCount = 16;

/** Messages on their way from one end of a call to the other, as bytes. One writer, one reader. */
export class MessagePipe {
  readonly #waiting: Uint8Array[] = [];
  #hasEnded = false;
  #isDiscarding = false;
  /** What the messages end with: thrown after the last one. */
  #endError: ServiceError | undefined;
  /** Thrown at once, whatever waits. */
  #failure: ServiceError | undefined;
  #wakeReader: () => void = nothing;
  #wakeWriter: () => void = nothing;

  /** Whether what is written still goes anywhere. */
  get isOpen(): boolean {
    return !this.#hasEnded && !this.#isDiscarding;
  }

  /** Resolves when the next message may follow. */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.isOpen) return;
    this.#waiting.push(bytes);
    this.#wakeReader();
    if (this.#waiting.length < highWaterCount) return;
    await new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
    });
  }

  /** No more will come; after the messages that wait, reading throws `error` if there is one. */
  end(error?: ServiceError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#endError = error;
    this.#wakeReader();
  }

  /** Ends reading at once; what waits is dropped. The first failure stays. */
  fail(error: ServiceError): void {
    this.#failure ??= error;
    this.discard();
    this.#wakeReader();
  }

  /** Nobody will read any more: what waits and what still comes is dropped. */
  discard(): void {
    this.#isDiscarding = true;
    this.#waiting.length = 0;
    this.#wakeWriter();
  }

  /** The next message, or undefined after the last. */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const bytes = this.#waiting.shift();
      if (bytes !== undefined) {
        this.#wakeWriter();
        return bytes;
      }
      if (this.#hasEnded) {
        if (this.#endError !== undefined) throw this.#endError;
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }
}

function nothing(): void {}
