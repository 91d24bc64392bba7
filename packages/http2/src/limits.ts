import { optionInvalid } from "./errors.ts";

/**
 * What one connection may cost. Every default is far above what honest peers need and far below what hurts; a peer that goes
 * over one loses its connection with ENHANCE_YOUR_CALM, unless another answer is named.
 */
export interface LimitOptions {
  /** Streams the peer may have open at a time; more are answered REFUSED_STREAM. Default: 1000. */
  maxConcurrentStreams?: number;
  /** The largest header list to accept, in bytes as RFC 9113 section 6.5.2 counts them; a larger one costs its stream. Default: 16_384. */
  maxHeaderListBytes?: number;
  /** Frames a header block may be cut into (CVE-2024-27316, "CONTINUATION flood"). Default: 32. */
  maxHeaderFrames?: number;
  /**
   * Streams that may be cut off early before it counts as an attack: resets by the peer before we answered anything
   * (CVE-2023-44487, "rapid reset") and resets it provokes by breaking the protocol (CVE-2025-8671, "MadeYouReset"). Each stream that ends well, and the passing
   * of time, give some back. Default: 1000 at once, 100 a second.
   */
  resetBurst?: number;
  resetsPerSecond?: number;
  /**
   * PING and SETTINGS frames, which ask for an answer (CVE-2019-9512, CVE-2019-9515). Each message or header block that we
   * send gives one back, since honest peers measure with pings what they receive. Default: 1000 at once, 100 a second.
   */
  controlBurst?: number;
  controlsPerSecond?: number;
  /**
   * Frames that carry nothing: empty DATA (CVE-2019-9518), PRIORITY, unknown types, WINDOW_UPDATE (also those that make us
   * send in tiny pieces, CVE-2019-9511). Frames with a payload, and data that we send whole, give some back.
   * Default: 10_000 at once, 1000 a second.
   */
  idleFrameBurst?: number;
  idleFramesPerSecond?: number;
  /**
   * Bytes of replies that may wait because the peer does not take them (CVE-2019-9517). While more wait, the peer has to take
   * 256 KiB of them in each second, or loses its connection. A client's requests may wait. Default: 64 MiB.
   */
  maxPendingBytes?: number;
  /**
   * Bytes of replies that may wait at all, also before it is seen whether the peer takes them. What comes on top in pieces of
   * over 64 KiB costs its stream; a reply that waits alone may be larger. Default: 1 GiB.
   */
  maxUnsentBytes?: number;
  /** Bytes that may be received and not yet used by paused streams before the whole connection is held back. Default: 16 MiB. */
  maxHeldBytes?: number;
  /**
   * Bytes of unfinished messages that streams may reserve, see {@link ServerStream.reserve}, before further ones wait; a larger
   * message comes in alone. The windows of a server's streams grow by no more than this either, all together. Default: 32 MiB.
   */
  maxUnfinishedBytes?: number;
  /**
   * How long the peer may leave everything lie that waits for it, in milliseconds (slow read, zero window),
   * and what others wait for unfinished. Default: 60_000.
   */
  stallTimeoutMs?: number;
  /** How long a new connection may take to say its preface and SETTINGS, in milliseconds. Default: 10_000. */
  prefaceTimeoutMs?: number;
}

export type Limits = Required<LimitOptions>;

const defaults: Limits = {
  maxConcurrentStreams: 1000,
  maxHeaderListBytes: 16_384,
  maxHeaderFrames: 32,
  resetBurst: 1000,
  resetsPerSecond: 100,
  controlBurst: 1000,
  controlsPerSecond: 100,
  idleFrameBurst: 10_000,
  idleFramesPerSecond: 1000,
  maxPendingBytes: 64 * 1024 * 1024,
  maxUnsentBytes: 1024 * 1024 * 1024,
  maxHeldBytes: 16 * 1024 * 1024,
  maxUnfinishedBytes: 32 * 1024 * 1024,
  stallTimeoutMs: 60_000,
  prefaceTimeoutMs: 10_000,
};

/** @throws TypeError CLEW_HTTP2_OPTION when a number makes no sense. */
export function resolveLimits(options: LimitOptions = {}): Limits {
  const limits: Limits = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Limits)[]) {
    const given = options[name];
    if (given === undefined) continue;
    if (!(given >= 0 && given <= 0x7fffffff)) throw optionInvalid(name, given, "a number from 0 to 2^31-1");
    limits[name] = given;
  }
  return limits;
}

/**
 * How much of something a peer may do: `burst` at once, and `perSecond` more as time passes. The clock is read only when the
 * burst is used up, so an honest peer's frame costs one decrement.
 */
export class Budget {
  readonly #burst: number;
  readonly #perMs: number;
  readonly #now: () => number;
  #left: number;
  #earnedUntil: number;

  constructor(burst: number, perSecond: number, now: () => number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#now = now;
    this.#left = burst;
    this.#earnedUntil = now();
  }

  /** Takes one; false when there is none. */
  spend(): boolean {
    if (this.#left <= 0) this.#earn();
    return --this.#left >= 0;
  }

  /** Gives one back. */
  refund(): void {
    if (this.#left < this.#burst) this.#left++;
  }

  #earn(): void {
    const now = this.#now();
    const earned = Math.floor((now - this.#earnedUntil) * this.#perMs);
    if (earned <= 0) return;
    this.#earnedUntil = now;
    this.#left = Math.min(this.#burst, Math.max(0, this.#left) + earned);
  }
}
