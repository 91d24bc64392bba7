import { Context, run } from "@clew/context";
import { RingBuffer } from "./ring-buffer.ts";
import { suppressTracing } from "./suppress-tracing.ts";

/** What became of a batch. */
export interface BatchResult {
  /**
   * "exported": the destination took it. "failed": it refused it, or never will take it; it must not be sent again.
   * "unavailable": the destination could not be asked, and the same batch may be handed over again.
   */
  readonly outcome: "exported" | "failed" | "unavailable";
  /** Of what was exported, how many the destination refused one by one. Default: 0. */
  readonly rejected?: number;
  /** With "unavailable": how long the destination asked to be left alone. Default: the queue decides. */
  readonly retryAfterMs?: number;
}

export interface BatchQueueSettings {
  /** Items kept while they wait. */
  readonly capacity: number;
  /** Items exported at once; as soon as so many wait, they go. */
  readonly batchSize: number;
  /** Bytes exported at once, where {@link BatchDestination.bytesOf} knows them; as soon as so many wait, they go. An item alone may be larger. */
  readonly batchBytes?: number;
  /** How long an item waits for others to go with, and how long an unavailable destination is left alone. */
  readonly delayMs: number;
  /** How long one export may take before it counts as failed. */
  readonly exportTimeoutMs: number;
  /** How long {@link BatchQueue.shutdown} may take; what is left then is dropped. */
  readonly shutdownTimeoutMs: number;
}

/** Where batches go. */
export interface BatchDestination<T> {
  export(items: readonly T[]): Promise<BatchResult>;
  shutdown(): Promise<void>;
  /** How long an item is as it will be sent. Default: nobody knows yet, and only the number of items counts. */
  bytesOf?(item: T): number;
}

/** What became of the items so far. All that were pushed = exported + rejected + dropped + failed + waiting. */
export interface BatchQueueStats {
  readonly exported: number;
  readonly rejected: number;
  readonly dropped: number;
  /** Of the dropped, those that came after the shutdown or were left then; the others found no space. */
  readonly late: number;
  readonly failed: number;
  /** Of the failed, those whose export took too long. */
  readonly timedOut: number;
  readonly waiting: number;
  /** Of the waiting, those that the destination was handed and has not decided about. */
  readonly exporting: number;
  /** How many may wait. */
  readonly capacity: number;
}

/**
 * Collects what ends (spans, log lines) in a ring of fixed size and hands it on, a batch at a time: when enough wait, or when the
 * first has waited long enough. A batch stays in the ring until its fate is known, so a destination that is away for a while
 * costs nothing but space; when there is no more, new items are dropped and counted.
 *
 *     idle ──first span──▶ timed ──batch full──▶ soon ──▶ exporting ──▶ idle | timed | soon
 *                            └────delayMs──────────────────▲  │
 *                                                  paused ◀───┘ unavailable
 *
 * It never stands in the app's way: `push` is a store into the ring. Its timers do not keep the process alive.
 */
export class BatchQueue<T> {
  readonly #destination: BatchDestination<T>;
  readonly #settings: BatchQueueSettings;
  readonly #ring: RingBuffer<T>;

  #phase: "idle" | "timed" | "soon" | "exporting" | "paused" | "stopped" = "idle";
  #timer: NodeJS.Timeout | undefined;
  #exporting: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;

  #exported = 0;
  #rejected = 0;
  #failed = 0;
  #late = 0;
  #timedOut = 0;
  #underWay = 0;
  // Of the items that wait, those being exported among them.
  #bytes = 0;

  constructor(destination: BatchDestination<T>, settings: BatchQueueSettings) {
    this.#destination = destination;
    this.#settings = settings;
    this.#ring = new RingBuffer(settings.capacity);
  }

  /** Whether one more item may come; one that may not is counted. Not when `limit` wait already. Default of `limit`: the capacity. */
  admits(limit?: number): boolean {
    if (this.#shutdown === undefined) return this.#ring.admits(limit);
    this.#late++;
    return false;
  }

  /** Takes one item, unless there is no place for it; whether it did. */
  push(item: T): boolean {
    if (!this.admits()) return false;
    this.#ring.push(item);
    this.#bytes += this.#bytesOf(item);
    const phase = this.#phase;
    if (phase === "idle" || (phase === "timed" && this.#hasBatch())) this.#schedule();
    return true;
  }

  stats(): BatchQueueStats {
    return {
      exported: this.#exported,
      rejected: this.#rejected,
      dropped: this.#ring.dropped + this.#late,
      late: this.#late,
      failed: this.#failed,
      timedOut: this.#timedOut,
      waiting: this.#ring.size,
      exporting: this.#underWay,
      capacity: this.#ring.capacity,
    };
  }

  /** Resolves once what waits now is exported or given up, or the destination turns out to be away. Never rejects. */
  async forceFlush(): Promise<void> {
    // The only timer that keeps the process alive, here and in shutdown: somebody waits for this.
    const alive = setInterval(nothing, 60_000);
    await this.#flush();
    clearInterval(alive);
  }

  /** Exports what waits, for at most `shutdownTimeoutMs`, drops the rest, and shuts the destination down. Never rejects. */
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
    this.#late += this.#ring.size;
    this.#underWay = 0;
    this.#ring.remove(this.#ring.size);
    this.#bytes = 0;
    try {
      await Promise.race([this.#destination.shutdown(), timeIsUp]);
    } catch {
      // Whatever it could not let go of, nothing of ours is in it.
    }
    clearTimeout(deadline);
  }

  async #flush(): Promise<void> {
    while (this.#exporting !== undefined) await this.#exporting;
    if (this.#ring.size > 0 && this.#phase !== "stopped") await this.#start(this.#ring.size);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { size } = this.#ring;
    if (size === 0) this.#phase = "idle";
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
    this.#timer = run(exportContext, () => setTimeout(() => this.#wake(phase, this.#ring.size), delayMs));
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

  /** Undefined when it came through; otherwise how long to leave the destination alone. */
  async #exportBatches(count: number): Promise<number | undefined> {
    let left = count;
    while (this.#hasBatch() || (left > 0 && this.#ring.size > 0)) {
      const items = this.#nextBatch();
      this.#underWay = items.length;
      const result = await this.#export(items);
      if (this.#phase === "stopped") return undefined;
      this.#underWay = 0;
      if (result.outcome === "unavailable") return Math.max(this.#settings.delayMs, result.retryAfterMs ?? 0);
      this.#remove(items);
      left -= items.length;
      if (result.outcome === "exported") {
        const rejected = Math.min(items.length, result.rejected ?? 0);
        this.#exported += items.length - rejected;
        this.#rejected += rejected;
      } else {
        this.#failed += items.length;
        if (result === tookTooLong) this.#timedOut += items.length;
      }
    }
    return undefined;
  }

  #hasBatch(): boolean {
    return this.#ring.size >= this.#settings.batchSize || this.#bytes >= (this.#settings.batchBytes ?? Infinity);
  }

  #nextBatch(): T[] {
    const items = this.#ring.peek(this.#settings.batchSize);
    const { batchBytes } = this.#settings;
    if (batchBytes === undefined || this.#bytes <= batchBytes) return items;
    let bytes = 0;
    const beyond = items.findIndex((item) => {
      bytes += this.#bytesOf(item);
      return bytes > batchBytes;
    });
    return beyond === -1 ? items : items.slice(0, Math.max(1, beyond));
  }

  #remove(items: readonly T[]): void {
    this.#ring.remove(items.length);
    for (const item of items) this.#bytes -= this.#bytesOf(item);
  }

  #bytesOf(item: T): number {
    return this.#destination.bytesOf?.(item) ?? 0;
  }

  async #export(items: readonly T[]): Promise<BatchResult> {
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<BatchResult>((resolve) => {
      timer = setTimeout(resolve, this.#settings.exportTimeoutMs, tookTooLong);
      timer.unref();
    });
    try {
      return await Promise.race([this.#destination.export(items), timeIsUp]);
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
