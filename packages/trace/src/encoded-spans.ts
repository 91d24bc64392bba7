import type { Waiting } from "./batch-queue.ts";
import type { SpanData } from "./span-data.ts";
import type { EncodedBatch } from "./span-exporter.ts";

/**
 * Spans that wait as bytes. Each is written when it comes in, while it is in the processor's caches, and its record dies with its
 * request: nothing is left of it that the garbage collector would have to move.
 *
 *     [ 2048 spans ][ 2048 spans ][ 37 spans, and those to come ]
 *         oldest                         #open
 */
export class EncodedSpans implements Waiting<SpanData, EncodedBatch> {
  readonly #createBatch: () => EncodedBatch;
  readonly #batchSize: number;
  readonly #batchBytes: number;
  readonly #batches: EncodedBatch[] = [];
  /** The last of the batches, while it takes more. */
  #open: EncodedBatch | undefined;

  constructor(createBatch: () => EncodedBatch, batchSize: number, batchBytes: number) {
    this.#createBatch = createBatch;
    this.#batchSize = batchSize;
    this.#batchBytes = batchBytes;
  }

  push(span: SpanData): void {
    const open = this.#open ?? this.#begin(this.#createBatch());
    open.add(span);
    const { length, byteLength } = open;
    // Also full when another span of average size would not fit: then hardly any span has to move to the next batch.
    if (length >= this.#batchSize || byteLength + byteLength / length > this.#batchBytes) this.#close(open);
  }

  hasBatch(): boolean {
    return this.#batches.length > (this.#open === undefined ? 0 : 1);
  }

  peek(): EncodedBatch {
    const [oldest] = this.#batches;
    if (oldest === this.#open) this.#open = undefined;
    return oldest!;
  }

  remove(count: number): void {
    for (let left = count; left > 0; ) left -= this.#batches.shift()!.length;
    if (this.#batches.length === 0) this.#open = undefined;
  }

  #begin(batch: EncodedBatch): EncodedBatch {
    this.#batches.push(batch);
    this.#open = batch;
    return batch;
  }

  #close(batch: EncodedBatch): void {
    this.#open = undefined;
    // How long a span is, is known when it has been written.
    if (batch.byteLength <= this.#batchBytes || batch.length === 1) return;
    const rest = this.#begin(batch.splitLast());
    if (rest.byteLength >= this.#batchBytes) this.#close(rest);
  }
}
