import { ProtocolError } from "./errors.ts";
import type { Sender } from "./sender.ts";

const lookMs = 1000;
// Between two looks. The slowest of honest peers never grows its windows of 64 KiB, and is as far away as the Earth allows: it
// gives one back four times in a second.
const leastTakenBytes = 4 * 64 * 1024;

export interface PendingWatchInit {
  readonly sender: Sender;
  readonly now: () => number;
  readonly onFault: (error: ProtocolError) => void;
}

/**
 * Looks, while more waits for the peer than may, whether the peer takes it; its timer runs only then. Who asks for much and
 * takes it as fast as it can loses nothing.
 */
export class PendingWatch {
  readonly #init: PendingWatchInit;
  #timer: NodeJS.Timeout | undefined;
  #takenBytes = 0;
  #lookedAt = 0;
  #isStopped = false;

  constructor(init: PendingWatchInit) {
    this.#init = init;
  }

  /** More waits than may. */
  watch(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#note();
    this.#timer = setInterval(() => this.#look(), lookMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  #note(): void {
    this.#takenBytes = this.#init.sender.takenBytes;
    this.#lookedAt = this.#init.now();
  }

  #look(): void {
    const { sender, now, onFault } = this.#init;
    if (!sender.hasTooMuchPending) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    // A process that was busy with other things, or asleep, gave the peer nothing to take: that is no fault of the peer's.
    const isLate = now() - this.#lookedAt >= 2 * lookMs;
    if (!isLate && sender.takenBytes - this.#takenBytes < leastTakenBytes)
      onFault(new ProtocolError("TOO_MUCH_PENDING"));
    else this.#note();
  }
}
