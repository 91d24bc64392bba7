// What it costs to send 512 spans that are written already, from the main thread and from one of its own (`thread: "worker"`): CPU time
// of the main thread and of the whole process, the ways in turns. Median of the rounds.
//
//     node bench/src/sending.ts
import { readdirSync, readFileSync } from "node:fs";
import { alwaysOn, OtlpExporter, SpanKind, type SpanProcessor, TracerProvider } from "clew/trace";
import { median } from "./load.ts";
import { startSink } from "./servers/sink.ts";

const rounds = 9;
const batchesPerRound = 60;
const spansPerBatch = 512;

const method = Object.freeze({ "rpc.method": "bench.v1.WebGreeter/SayHello", "rpc.system.name": "http" });
const caller = Object.freeze({ "client.address": "10.0.0.5", "network.peer.port": 45_123, "url.scheme": "http" });

interface Way {
  readonly name: string;
  readonly exporter: OtlpExporter;
  readonly spans: ReturnType<NonNullable<OtlpExporter["createBatch"]>>;
  readonly mainMicros: number[];
  readonly allMicros: number[];
}

function createWay(compression: "none" | "gzip", thread: "main" | "worker"): Way {
  const exporter = new OtlpExporter({ endpoint: sink.endpoint, compression, thread });
  const spans = exporter.createBatch!();
  const processor: SpanProcessor = {
    onStart() {},
    onEnd: (span) => spans.add(span),
    async forceFlush() {},
    async shutdown() {},
  };
  const tracer = new TracerProvider({ processor, sampler: alwaysOn }).getTracer("bench");
  for (let made = 0; made < spansPerBatch; made++) {
    const span = tracer.startSpan("/bench.v1.WebGreeter/SayHello", { kind: SpanKind.SERVER, attributes: method });
    span.setAttributes(caller).setAttribute("url.path", `/helloworld/${made}`);
    span.setAttribute("http.response.status_code", 200).end();
  }
  return {
    name: `${compression === "gzip" ? "HTTP, gzip" : "HTTP"} | ${thread}`,
    exporter,
    spans,
    mainMicros: [],
    allMicros: [],
  };
}

/** CPU time of the main thread and of all that there are, in microseconds. */
function readThreads(): { main: number; all: number } {
  const read = (task: string): number =>
    Number(readFileSync(`/proc/self/task/${task}/schedstat`, "utf8").split(" ")[0]) / 1000;
  const all = readdirSync("/proc/self/task").reduce((sum, task) => sum + read(task), 0);
  return { main: read(String(process.pid)), all };
}

const sink = await startSink();
const ways = (["none", "gzip"] as const).flatMap((compression) =>
  (["main", "worker"] as const).map((thread) => createWay(compression, thread)),
);
for (let round = -1; round < rounds; round++) {
  for (const { exporter, spans, mainMicros, allMicros } of ways) {
    const before = readThreads();
    for (let batch = 0; batch < batchesPerRound; batch++) await exporter.export(spans);
    const after = readThreads();
    // The first round warms up.
    if (round === -1) continue;
    mainMicros.push((after.main - before.main) / batchesPerRound);
    allMicros.push((after.all - before.all) / batchesPerRound);
  }
}
console.log("| 512 spans over | sent from | us of the main thread | us of all threads |\n| --- | --- | ---: | ---: |");
for (const { name, mainMicros, allMicros } of ways) {
  console.log(`| ${name} | ${median(mainMicros).toFixed(0)} | ${median(allMicros).toFixed(0)} |`);
}
process.exit();
