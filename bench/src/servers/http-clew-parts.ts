// One server whose requests are traced in turns: not at all, then ever more of what tracing does. A block of requests is one way, the
// next block the next way, in one process, so that all of them meet the same code, the same memory and the same moods of the machine.
// Asked "parts", it answers with what a request cost in each block, once there are enough.
import { type Handler, type Middleware, tracing } from "clew";
import {
  alwaysOff,
  alwaysOn,
  BatchProcessor,
  type EncodingExporter,
  OtlpExporter,
  type Sampler,
  type SpanData,
  type SpanProcessor,
  TracerProvider,
} from "clew/trace";
import { type Part, requestsPerBlock } from "../parts.ts";
import { serveWebGreeter } from "./serve-web-greeter.ts";
import { startSink } from "./sink.ts";

const { endpoint } = await startSink(false);
const { createBatch } = new OtlpExporter({ endpoint });

const nowhere: SpanProcessor = {
  onlyEncodes: true,
  onStart() {},
  onEnd() {},
  async forceFlush() {},
  async shutdown() {},
};

/** Takes whatever it is given. */
const everywhere: EncodingExporter = {
  createBatch,
  export: async () => ({ outcome: "exported" }),
  async shutdown() {},
};

let batch = createBatch!();
function encode(span: SpanData): void {
  batch.add(span);
  if (batch.length < 512) return;
  batch.release();
  batch = createBatch!();
}

function traced(processor: SpanProcessor, sampler: Sampler = alwaysOn): Middleware {
  return tracing({ tracerProvider: new TracerProvider({ processor, sampler }) });
}

const untraced: Middleware = (next) => next;
const ways: readonly (readonly [name: string, middleware: Middleware])[] = [
  ["not traced", untraced],
  ["not sampled", traced(nowhere, alwaysOff)],
  ["recorded", traced(nowhere)],
  ["recorded, encoded", traced({ ...nowhere, onEnd: encode })],
  ["recorded, encoded, queued", traced(new BatchProcessor(everywhere))],
  ["and sent over HTTP", traced(new BatchProcessor(new OtlpExporter({ endpoint })))],
  ["and sent over HTTP from a worker", traced(new BatchProcessor(new OtlpExporter({ endpoint, thread: "worker" })))],
];

const parts: readonly Part[] = ways.map(([name]) => ({ name, costs: [] }));
let turn = 0;
let requests = 0;
let before = process.cpuUsage();

function count(): void {
  requests++;
  if (requests < requestsPerBlock) return;
  const { user, system } = process.cpuUsage(before);
  parts[turn]!.costs.push((user + system) / requestsPerBlock);
  turn = (turn + 1) % ways.length;
  requests = 0;
  before = process.cpuUsage();
}

const takingTurns: Middleware = (next) => {
  const handlers: readonly Handler[] = ways.map(([, middleware]) => middleware(next));
  return (call) => {
    count();
    return handlers[turn]!(call);
  };
};

process.on("message", () => process.send!(parts));
await serveWebGreeter(takingTurns);
