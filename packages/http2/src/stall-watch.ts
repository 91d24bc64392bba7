import type { Duplex } from "node:stream";
import type { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";

export interface StallWatchInit {
  readonly socket: Duplex;
  readonly sender: Sender;
  /** How long something may wait for the peer, in milliseconds. */
  readonly timeoutMs: number;
  /** The peer gives a stream no window; undefined when it may take its time. */
  readonly onStalledStream: ((stream: Stream) => void) | undefined;
  /** The peer takes no bytes at all. */
  readonly onStalledPeer: () => void;
}

/** Looks for what waits for the peer and does not move; its timer runs only while something waits. */
export class StallWatch {
  readonly #init: StallWatchInit;
  #timer: NodeJS.Timeout | undefined;
  // What the socket had not sent when it was last looked at; -1 for nothing.
  #unsentBytes = -1;
  #isStopped = false;

  constructor(init: StallWatchInit) {
    this.#init = init;
  }

  /** Something may wait from now on. */
  watch(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#unsentBytes = -1;
    this.#timer = setInterval(() => this.#look(), this.#init.timeoutMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  #look(): void {
    const { socket, sender, onStalledStream, onStalledPeer } = this.#init;
    const unsentBytes = socket.writableLength;
    if (sender.waiting.length === 0 && unsentBytes === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    // Not one write was taken since the last look: the peer does not read at all.
    if (unsentBytes > 0 && unsentBytes === this.#unsentBytes) {
      onStalledPeer();
      return;
    }
    this.#unsentBytes = unsentBytes > 0 ? unsentBytes : -1;
    if (onStalledStream === undefined) return;
    for (const stream of sender.findStalled()) onStalledStream(stream);
  }
}
