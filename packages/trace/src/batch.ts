import { Context, run } from "@clew/context";
import { type Span, SpanStatusCode } from "@opentelemetry/api";
import { RingBuffer } from "./ring-buffer.ts";
import type { SpanData } from "./span-data.ts";
import type { ExportResult, SpanExporter } from "./span-exporter.ts";
import type { SpanProcessor } from "./span-processor.ts";
import { suppressTracing } from "./suppress-tracing.ts";

export interface BatchOptions {
  /** Spans kept while they wait; 1 KB each, more or less. Default: OTEL_BSP_MAX_QUEUE_SIZE, or 8_192. */
  capacity?: number;
  /** Spans exported at once; as soon as so many wait, they go. Default: OTEL_BSP_MAX_EXPORT_BATCH_SIZE, or 512. */
  batchSize?: number;
  /** How long a span waits for others to go with, and how long an unavailable destination is left alone. Default: OTEL_BSP_SCHEDULE_DELAY, or 1_000. */
  delayMs?: number;
  /** How long one export may take before it counts as failed. Default: OTEL_BSP_EXPORT_TIMEOUT, or 60_000. */
  exportTimeoutMs?: number;
  /** How long {@link BatchProcessor.shutdown} may take; what is left then is dropped. Default: 2_000, for a stop must end soon. */
  shutdownTimeoutMs?: number;
  /** Spans at least this long are kept first when space runs out, as those with an error are. Default: 1_000. */
  slowMs?: number;
  /** Where the OTEL_ variables are read. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

type BatchSettings = Readonly<Required<Omit<BatchOptions, "env">>>;

export function resolveBatchOptions(options: BatchOptions = {}): BatchSettings {
  const env = options.env ?? process.env;
  const capacity = options.capacity ?? countFrom(env.OTEL_BSP_MAX_QUEUE_SIZE) ?? 8192;
  return {
    capacity,
    batchSize: Math.min(capacity, options.batchSize ?? countFrom(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE) ?? 512),
    delayMs: options.delayMs ?? countFrom(env.OTEL_BSP_SCHEDULE_DELAY) ?? 1000,
    exportTimeoutMs: options.exportTimeoutMs ?? countFrom(env.OTEL_BSP_EXPORT_TIMEOUT) ?? 60_000,
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 2000,
    slowMs: options.slowMs ?? 1000,
  };
}

/** What became of the spans so far. started = exported + rejected + dropped + failed + waiting + those still alive. */
export interface BatchStats {
  /** Sampled spans that were started. */
  readonly started: number;
  /** Spans that the destination has. */
  readonly exported: number;
  /** Spans that the destination refused one by one. */
  readonly rejected: number;
  /** Spans that found no space, or came or were left after the shutdown. */
  readonly dropped: number;
  /** Spans of batches that could not be exported and were given up. */
  readonly failed: number;
  /** Spans that wait, those being exported among them. */
  readonly waiting: number;
}

/**
 * Collects ended spans in a ring of fixed size and hands them to an exporter, a batch at a time: when enough wait, or when the
 * first has waited long enough. A batch stays in the ring until its fate is known, so a destination that is away for a while
 * costs nothing but space; when there is no more, new spans are dropped and counted.
 *
 *     idle ──first span──▶ timed ──batch full──▶ soon ──▶ exporting ──▶ idle | timed | soon
 *                            └────delayMs──────────────────▲  │
 *                                                  paused ◀───┘ unavailable
 *
 * It never stands in the app's way: `onEnd` is a store into the ring. Its timers do not keep the process alive.
 */
export class BatchProcessor implements SpanProcessor {
  readonly #exporter: SpanExporter;
  readonly #settings: BatchSettings;
  readonly #ring: RingBuffer<SpanData>;
  // The last eighth is for errors and slow spans: the ones somebody will look for.
  readonly #ordinaryCapacity: number;
  readonly #slowUs: number;

  #phase: "idle" | "timed" | "soon" | "exporting" | "paused" | "stopped" = "idle";
  #timer: NodeJS.Timeout | undefined;
  #exporting: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;

  #started = 0;
  #exported = 0;
  #rejected = 0;
  #failed = 0;
  #late = 0;

  constructor(exporter: SpanExporter, options?: BatchOptions) {
    this.#exporter = exporter;
    this.#settings = resolveBatchOptions(options);
    this.#ring = new RingBuffer(this.#settings.capacity);
    this.#ordinaryCapacity = Math.ceil((this.#settings.capacity * 7) / 8);
    this.#slowUs = this.#settings.slowMs * 1000;
  }

  onStart(_span: Span): void {
    this.#started++;
  }

  onEnd(span: SpanData): void {
    if (this.#shutdown !== undefined) {
      this.#late++;
      return;
    }
    const isWanted = span.statusCode === SpanStatusCode.ERROR || span.endUs - span.startUs >= this.#slowUs;
    if (!this.#ring.push(span, isWanted ? this.#settings.capacity : this.#ordinaryCapacity)) return;
    const phase = this.#phase;
    if (phase === "idle" || (phase === "timed" && this.#ring.size >= this.#settings.batchSize)) this.#schedule();
  }

  stats(): BatchStats {
    return {
      started: this.#started,
      exported: this.#exported,
      rejected: this.#rejected,
      dropped: this.#ring.dropped + this.#late,
      failed: this.#failed,
      waiting: this.#ring.size,
    };
  }

  /** Resolves once the spans that wait now are exported or given up, or the destination turns out to be away. Never rejects. */
  async forceFlush(): Promise<void> {
    // The only timer that keeps the process alive, here and in shutdown: somebody waits for this.
    const alive = setInterval(nothing, 60_000);
    await this.#flush();
    clearInterval(alive);
  }

  /** Exports what waits, for at most `shutdownTimeoutMs`, drops the rest, and shuts the exporter down. Never rejects. */
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
    this.#ring.remove(this.#ring.size);
    try {
      await Promise.race([this.#exporter.shutdown(), timeIsUp]);
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
    else if (size < this.#settings.batchSize) this.#wait("timed", this.#settings.delayMs);
    else {
      this.#phase = "soon";
      // Not at once: the request whose span filled the batch is answered first.
      run(exportContext, () => setImmediate(() => this.#wake("soon", 0)).unref());
    }
  }

  #wait(phase: "timed" | "paused", delayMs: number): void {
    this.#phase = phase;
    // In a context of its own: the span that ends just now must not be held, nor be the parent of anything done here.
    this.#timer = run(exportContext, () => setTimeout(() => this.#wake(phase, this.#ring.size), delayMs));
    this.#timer.unref();
  }

  #wake(phase: "timed" | "paused" | "soon", count: number): void {
    // A flush may have come first.
    if (this.#phase === phase) void this.#start(count);
  }

  /** Exports full batches, and what is not one up to `count` spans in all. Never rejects. */
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
    const { batchSize, delayMs } = this.#settings;
    let left = count;
    while (this.#ring.size >= batchSize || (left > 0 && this.#ring.size > 0)) {
      const spans = this.#ring.peek(batchSize);
      const result = await this.#export(spans);
      if (this.#phase === "stopped") return undefined;
      if (result.outcome === "unavailable") return Math.max(delayMs, result.retryAfterMs ?? 0);
      this.#ring.remove(spans.length);
      left -= spans.length;
      if (result.outcome === "exported") {
        const rejected = Math.min(spans.length, result.rejectedSpans ?? 0);
        this.#exported += spans.length - rejected;
        this.#rejected += rejected;
      } else {
        this.#failed += spans.length;
      }
    }
    return undefined;
  }

  async #export(spans: readonly SpanData[]): Promise<ExportResult> {
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<ExportResult>((resolve) => {
      timer = setTimeout(resolve, this.#settings.exportTimeoutMs, { outcome: "failed" });
      timer.unref();
    });
    try {
      return await Promise.race([this.#exporter.export(spans), timeIsUp]);
    } catch {
      return { outcome: "failed" };
    } finally {
      clearTimeout(timer);
    }
  }
}

const exportContext = suppressTracing(Context.root);

function nothing(): void {}

function countFrom(text: string | undefined): number | undefined {
  const count = Number(text);
  return text !== undefined && Number.isInteger(count) && count > 0 ? count : undefined;
}
