// A ping that comes too early is a strike; the one after the last that is allowed ends the connection.
const allowedStrikes = 2;
// Without calls, and unless it is allowed, this is as often as a connection may be pinged.
const idleIntervalMs = 2 * 60 * 60 * 1000;
// A PING frame, as we send it in answer to one.
const answerBytes = 17;

export interface PingPolicyOptions {
  /** The least time from one ping to the next. */
  readonly minIntervalMs: number;
  /** Whether connections without calls may be pinged that often as well. */
  readonly withoutCalls: boolean;
}

/**
 * Which pings of a client are too many, as gRPC's servers have it: a client may ping once in a while to see that we live, and
 * as often as it likes in answer to what we send, to measure the path.
 */
export class PingPolicy {
  readonly #options: PingPolicyOptions;
  #strikes = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  #answers = 0;
  #sentBytes = 0;

  constructor(options: PingPolicyOptions) {
    this.#options = options;
  }

  /** Counts a ping that came at `now`, when there were `openStreams` and `bytesWritten` to the socket. Whether it is one too many. */
  isTooMany(now: number, openStreams: number, bytesWritten: number): boolean {
    // What was written beside the answers to pings.
    const sentBytes = bytesWritten - this.#answers * answerBytes;
    this.#answers++;
    if (sentBytes > this.#sentBytes) {
      this.#sentBytes = sentBytes;
      this.#strikes = 0;
    }
    const isIdle = openStreams === 0 && !this.#options.withoutCalls;
    const isEarly = now - this.#lastAt < (isIdle ? idleIntervalMs : this.#options.minIntervalMs);
    this.#lastAt = now;
    return isEarly && ++this.#strikes > allowedStrikes;
  }
}
