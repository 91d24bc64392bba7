import { Context, run } from "@clew/context";
import { suppressTracing } from "./suppress-tracing.ts";

/** The outcome of a batch. */
export interface BatchResult {
  /**
   * "exported": the destination took it. "failed": it refused it, or never will take it; it must not be sent again.
   * "unavailable": the destination could not be asked, and the same batch may be handed over again.
   */
  readonly outcome: "exported" | "failed" | "unavailable";
  /** The number of exported items that the destination refused individually. Default: 0. */
  readonly rejected?: number;
  /** With "unavailable": the delay that the destination asked for, in milliseconds. Default: the queue decides. */
  readonly retryAfterMs?: number;
}

/** The storage of a {@link BatchQueue}: items enter one by one, and leave as batches. */
export interface Waiting<T, B> {
  /** Adds an item at the end. There is always space: the queue counts. */
  push(item: T): void;
  /** Whether a whole batch is inside, which is `batchSize` items or what else makes one. */
  hasBatch(batchSize: number): boolean;
  /** The oldest items, at most `batchSize`; they stay inside. */
  peek(batchSize: number): B;
  /** Removes the oldest items: the batch that {@link peek} returned, or everything. */
  remove(count: number): void;
}

export interface BatchQueueSettings {
  /** The maximum number of waiting items. */
  readonly capacity: number;
  /** Items in one export; when so many wait, they are exported. */
  readonly batchSize: number;
  /** How long an item waits for a batch to fill, and the delay before an unavailable destination is tried again. */
  readonly delayMs: number;
  /** How long one export may take before it counts as failed. */
  readonly exportTimeoutMs: number;
  /** How long {@link BatchQueue.shutdown} may take; the remaining items are then dropped. */
  readonly shutdownTimeoutMs: number;
}

/** Where batches go. */
export interface BatchDestination<B> {
  export(batch: B): Promise<BatchResult>;
  shutdown(): Promise<void>;
}

/** Counts of the items so far, by outcome. All pushed items = exported + rejected + dropped + failed + waiting. */
export interface BatchQueueStats {
  readonly exported: number;
  readonly rejected: number;
  readonly dropped: number;
  /** The dropped items that arrived after the shutdown or remained at its end; the other dropped ones found no space. */
  readonly late: number;
  readonly failed: number;
  /** The failed items whose export took too long. */
  readonly timedOut: number;
  readonly waiting: number;
  /** The waiting items that are being exported. */
  readonly exporting: number;
  /** The maximum number of waiting items. */
  readonly capacity: number;
}

/**
 * Collects items (ended spans, log lines) and exports them in batches: when enough items wait, or when the first one has waited long
 * enough. A batch stays in the queue until its outcome is known, so a temporarily unavailable destination costs only space. When the
 * space is full, new items are dropped and counted.
 *
 *     idle ──first span──▶ timed ──batch full──▶ soon ──▶ exporting ──▶ idle | timed | soon
 *                            └────delayMs──────────────────▲  │
 *                                                  paused ◀───┘ unavailable
 *
 * It does not slow down the app: `push` only stores. Its timers do not keep the process alive.
 */
export class BatchQueue<T, B extends { readonly length: number } = readonly T[]> {
  readonly #waiting: Waiting<T, B>;
  readonly #destination: BatchDestination<B>;
  readonly #settings: BatchQueueSettings;

  #phase: "idle" | "timed" | "soon" | "exporting" | "paused" | "stopped" = "idle";
  #timer: NodeJS.Timeout | undefined;
  #exporting: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;

  #exported = 0;
  #rejected = 0;
  #failed = 0;
  #late = 0;
  #timedOut = 0;
  #size = 0;
  #underWay = 0;
  #refused = 0;

  constructor(waiting: Waiting<T, B>, destination: BatchDestination<B>, settings: BatchQueueSettings) {
    this.#waiting = waiting;
    this.#destination = destination;
    this.#settings = settings;
  }

  /** Whether one more item may come; one that may not is counted. Not when `limit` wait already. Default of `limit`: the capacity. */
  admits(limit: number = this.#settings.capacity): boolean {
    if (this.#shutdown !== undefined) this.#late++;
    else if (this.#size < limit) return true;
    else this.#refused++;
    return false;
  }

  /** Adds one item if there is space for it. Returns whether it did. */
  push(item: T): boolean {
    if (!this.admits()) return false;
    this.#waiting.push(item);
    this.#size++;
    const phase = this.#phase;
    if (phase === "idle" || (phase === "timed" && this.#hasBatch())) this.#schedule();
    return true;
  }

  stats(): BatchQueueStats {
    return {
      exported: this.#exported,
      rejected: this.#rejected,
      dropped: this.#refused + this.#late,
      late: this.#late,
      failed: this.#failed,
      timedOut: this.#timedOut,
      waiting: this.#size,
      exporting: this.#underWay,
      capacity: this.#settings.capacity,
    };
  }

  /** Resolves when all waiting items are exported or given up, or the destination is found unavailable. Never rejects. */
  async forceFlush(): Promise<void> {
    // The only timer that keeps the process alive, here and in shutdown: somebody waits for this.
    const alive = setInterval(nothing, 60_000);
    await this.#flush();
    clearInterval(alive);
  }

  /** Exports waiting items for at most `shutdownTimeoutMs`, drops the rest, and shuts the destination down. Never rejects. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#stop();
    return this.#shutdown;
  }

  async #stop(): Promise<void> {
    let deadline: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<void>((resolve) => {
      deadline = setTimeout(resolve, this.#settings.shutdownTimeoutMs);
    });
    await Promise.race([this.#flush(), timeIsUp]);
    this.#phase = "stopped";
    clearTimeout(this.#timer);
    this.#late += this.#size;
    this.#underWay = 0;
    this.#remove(this.#size);
    try {
      await Promise.race([this.#destination.shutdown(), timeIsUp]);
    } catch {
      // Whatever it could not let go of, nothing of ours is in it.
    }
    clearTimeout(deadline);
  }

  async #flush(): Promise<void> {
    while (this.#exporting !== undefined) await this.#exporting;
    if (this.#size > 0 && this.#phase !== "stopped") await this.#start(this.#size);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#size === 0) this.#phase = "idle";
    else if (!this.#hasBatch()) this.#wait("timed", this.#settings.delayMs);
    else {
      this.#phase = "soon";
      // Not at once: the request whose item filled the batch is answered first.
      run(exportContext, () => setImmediate(() => this.#wake("soon", 0)).unref());
    }
  }

  #wait(phase: "timed" | "paused", delayMs: number): void {
    this.#phase = phase;
    // In a context of its own: the span that is active just now must not be held, nor be the parent of anything done here.
    this.#timer = run(exportContext, () => setTimeout(() => this.#wake(phase, this.#size), delayMs));
    this.#timer.unref();
  }

  #wake(phase: "timed" | "paused" | "soon", count: number): void {
    // A flush may have come first.
    if (this.#phase === phase) void this.#start(count);
  }

  /** Exports full batches, and what is not one up to `count` items in all. Never rejects. */
  #start(count: number): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#phase = "exporting";
    this.#exporting = run(exportContext, () => this.#exportBatches(count)).then((retryAfterMs) => {
      this.#exporting = undefined;
      if (this.#phase === "stopped") return;
      if (retryAfterMs === undefined) this.#schedule();
      else this.#wait("paused", retryAfterMs);
    });
    return this.#exporting;
  }

  /** Resolves to undefined on success, otherwise to the delay before the next attempt. */
  async #exportBatches(count: number): Promise<number | undefined> {
    let left = count;
    while (this.#hasBatch() || (left > 0 && this.#size > 0)) {
      const batch = this.#waiting.peek(this.#settings.batchSize);
      const { length } = batch;
      this.#underWay = length;
      const result = await this.#export(batch);
      if (this.#phase === "stopped") return undefined;
      this.#underWay = 0;
      if (result.outcome === "unavailable") return Math.max(this.#settings.delayMs, result.retryAfterMs ?? 0);
      this.#remove(length);
      left -= length;
      if (result.outcome === "exported") {
        const rejected = Math.min(length, result.rejected ?? 0);
        this.#exported += length - rejected;
        this.#rejected += rejected;
      } else {
        this.#failed += length;
        if (result === tookTooLong) this.#timedOut += length;
      }
    }
    return undefined;
  }

  #hasBatch(): boolean {
    return this.#waiting.hasBatch(this.#settings.batchSize);
  }

  #remove(count: number): void {
    this.#waiting.remove(count);
    this.#size -= count;
  }

  async #export(batch: B): Promise<BatchResult> {
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<BatchResult>((resolve) => {
      timer = setTimeout(resolve, this.#settings.exportTimeoutMs, tookTooLong);
      timer.unref();
    });
    try {
      return await Promise.race([this.#destination.export(batch), timeIsUp]);
    } catch {
      return { outcome: "failed" };
    } finally {
      clearTimeout(timer);
    }
  }
}

const tookTooLong: BatchResult = { outcome: "failed" };

const exportContext = suppressTracing(Context.root);

function nothing(): void {}
