// What a stream may send before others have their turn: a few milliseconds of work, and no more than a socket takes at once.
const messagesPerTurn = 256;
const bytesPerTurn = 64 * 1024;

/** Keeps a stream whose messages are all there already from keeping everybody else waiting. */
export class Turn {
  #messages = 0;
  #bytes = 0;

  /** Counts a message that was sent. Whether it was the last of this turn. */
  isOver(bytes: number): boolean {
    this.#bytes += bytes;
    return ++this.#messages >= messagesPerTurn || this.#bytes > bytesPerTurn;
  }

  /** Resolves in the next turn of the event loop. */
  next(): Promise<void> {
    this.#messages = 0;
    this.#bytes = 0;
    return new Promise((resolve) => setImmediate(resolve));
  }
}
