import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

// How often in its time a reply is looked at.
const looks = 2;

/**
 * Ends connections whose peer does not take its reply: of what waits for it, not a byte within `timeoutMs`. Node has no such limit
 * while a reply is open. One that has nothing to send, such as a quiet stream of events, may take as long as it likes. A single timer
 * looks at all open replies, and runs while there are any.
 */
export class SlowReaders {
  readonly #open: Iterable<ServerResponse>;
  readonly #timeoutMs: number;
  readonly #timed: Set<Socket> = new Set();
  #timer: NodeJS.Timeout | undefined;

  constructor(open: Iterable<ServerResponse>, timeoutMs: number) {
    this.#open = open;
    this.#timeoutMs = timeoutMs;
  }

  /** There is an open reply. */
  watch(): void {
    this.#timer ??= setInterval(() => this.#look(), this.#timeoutMs / looks).unref();
  }

  #look(): void {
    for (const socket of this.#timed) {
      if (socket.writableLength > 0 && !socket.destroyed) continue;
      this.#timed.delete(socket);
      // Unless it is that of a kept connection by now.
      if (socket.timeout === this.#timeoutMs) socket.setTimeout(0);
    }
    let count = 0;
    for (const { socket } of this.#open) {
      count++;
      if (socket === null || socket.writableLength === 0 || this.#timed.has(socket)) continue;
      this.#timed.add(socket);
      // It begins anew with whatever the system takes of a write; node:http ends the connection at it.
      socket.setTimeout(this.#timeoutMs);
    }
    if (count > 0 || this.#timed.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
