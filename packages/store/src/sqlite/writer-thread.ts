import type { RawBatch } from "@clew/trace/otel";
import type { IngestResult } from "../contract.ts";
import { serve } from "./thread.ts";
import { Writer, type WriterOptions } from "./writer.ts";

interface Waiting {
  readonly batch: RawBatch;
  readonly nowMs: number;
  readonly resolve: (result: IngestResult) => void;
  readonly reject: (error: unknown) => void;
}

// What waits is written together up to this size: one commit costs the same for one span as for thousands, and larger
// chunks compress better, but opening a span opens its whole chunk.
const groupBytes = 1024 * 1024;
const tailEveryMs = 200;

let writer: Writer;
let waiting: Waiting[] = [];
let isScheduled = false;
let hasListener = false;
let tailTimer: NodeJS.Timeout | undefined;

const notice = serve({
  open(options: WriterOptions) {
    writer = new Writer(options);
  },
  ingest(batch: RawBatch, nowMs: number) {
    const { promise, resolve, reject } = Promise.withResolvers<IngestResult>();
    waiting.push({ batch, nowMs, resolve, reject });
    if (!isScheduled) {
      isScheduled = true;
      // Behind all messages that are here already.
      setImmediate(writeWaiting);
    }
    return promise;
  },
  retain: (nowMs: number) => writer.retain(nowMs),
  stats: () => writer.stats(),
  tail(isOn: boolean) {
    hasListener = isOn;
  },
  // A promise, so that its answer goes out behind those of what is written here.
  async close() {
    writeWaiting();
    clearTimeout(tailTimer);
    writer.close();
  },
});

function writeWaiting(): void {
  isScheduled = false;
  while (waiting.length > 0) {
    const group: Waiting[] = [];
    let bytes = 0;
    for (const one of waiting) {
      if (group.length > 0 && bytes + one.batch.request.length > groupBytes) break;
      group.push(one);
      bytes += one.batch.request.length;
    }
    waiting = waiting.slice(group.length);
    writeGroup(group);
  }
  if (!hasListener) writer.dropChanged();
  else tailTimer ??= setTimeout(sendTail, tailEveryMs);
}

function writeGroup(group: Waiting[]): void {
  try {
    const results = writer.write(
      group.map((one) => one.batch),
      group.at(-1)!.nowMs,
    );
    group.forEach((one, index) => {
      one.resolve(results[index]!);
    });
  } catch (error) {
    for (const one of group) one.reject(error);
  }
}

function sendTail(): void {
  tailTimer = undefined;
  const summaries = writer.takeChanged();
  if (summaries.length > 0) notice(summaries);
}
