import { isNodeFailure, type Outcome } from "../outcome.ts";

/** The time in which the weight of a sample falls to 1/e, in milliseconds. */
const tauMs = 600;
/** Added to every latency, in nanoseconds, so that the few milliseconds to another zone do not decide. */
const zoneBiasNs = 5e6;
/** The success value of a node without failures. */
const fullSuccess = 1000;
/** How long a computed weight is used, in milliseconds. */
const cacheMs = 5;
/** How many open calls are tracked. */
const maxTracked = 200;
const nsPerMs = 1e6;

/**
 * What is known about one node from the calls that were sent to it: moving averages, in which old samples lose weight with
 * time:
 *
 *     w       = exp(-(time since the last call ended) / 600 ms); 0 for the first call
 *     lag     = lag * w + latency * (1 - w)
 *     success = success * w + (1000 or 0) * (1 - w)
 *     load    = sqrt(max(lag, age of the calls on their way) + 5 ms in ns) * (calls on their way + 1)
 *     weight  = success * 10_000 / load
 *
 * These are the formulas and constants of Kratos. The age of the open calls counts when more than half of them are older than
 * the lag: a node that hangs is recognized before its first call has ended.
 */
export class EwmaLoad {
  #lagNs: number | undefined;
  #success = fullSuccess;
  #endedAt = 0;
  #pickedAt: number;
  readonly #underway: Set<{ readonly startedAt: number }> = new Set();
  #weight = 0;
  #weighedAt = Number.NEGATIVE_INFINITY;

  constructor(now: number) {
    this.#pickedAt = now;
  }

  /** The average latency in nanoseconds; undefined until a call has ended. */
  get lagNs(): number | undefined {
    return this.#lagNs;
  }

  /** When the node was last picked, or when it was added. */
  get pickedAt(): number {
    return this.#pickedAt;
  }

  /** Returns the weight of the node; higher is better. `assumedLagNs` is used as the latency of a node that has none yet. */
  weight(now: number, assumedLagNs: number): number {
    if (now - this.#weighedAt > cacheMs) {
      this.#weight = (this.#success * 10_000) / this.#load(now, this.#lagNs ?? assumedLagNs);
      this.#weighedAt = now;
    }
    return this.#weight;
  }

  /** Records that the node was picked for a call. Returns a function to call at its end. */
  begin(now: number): (now: number, outcome: Outcome) => void {
    this.#pickedAt = now;
    const call = { startedAt: now };
    this.#underway.add(call);
    return (endedAt, outcome) => {
      if (this.#underway.delete(call)) this.#end(now, endedAt, outcome);
    };
  }

  #end(startedAt: number, now: number, outcome: Outcome): void {
    const fade = this.#lagNs === undefined ? 0 : Math.exp(-Math.max(0, now - this.#endedAt) / tauMs);
    this.#endedAt = now;
    this.#lagNs = (this.#lagNs ?? 0) * fade + Math.max(0, now - startedAt) * nsPerMs * (1 - fade);
    this.#success = this.#success * fade + (isNodeFailure(outcome) ? 0 : fullSuccess) * (1 - fade);
  }

  #load(now: number, lagNs: number): number {
    const expectedNs = Math.max(lagNs, this.#ageNs(now, lagNs));
    return Math.sqrt(expectedNs + zoneBiasNs) * (this.#underway.size + 1);
  }

  #ageNs(now: number, lagNs: number): number {
    let tracked = 0;
    let slow = 0;
    let totalNs = 0;
    for (const { startedAt } of this.#underway) {
      if (++tracked > maxTracked) break;
      const ageNs = (now - startedAt) * nsPerMs;
      if (ageNs <= lagNs) continue;
      slow++;
      totalNs += ageNs;
    }
    return slow > Math.min(tracked, maxTracked) / 2 ? totalNs / slow : 0;
  }
}
