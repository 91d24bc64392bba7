// Exporters whose requests leave from a thread of their own: what arrives, and what is counted, is as if they left from this one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { OtlpExporter, OtlpLogs, OtlpMetricsExporter, type OtlpOptions } from "@clew/exporter";
import { type RawMessage, rawCodec, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import { createLogger } from "@clew/log";
import { MeterProvider } from "@clew/metrics";
import { retryInfo, ServiceError, service } from "@clew/rpc";
import { BatchProcessor, createResource, TracerProvider } from "@clew/trace";
import { decodeSpans, encodePartialSuccess } from "@clew/trace/otel";
import { GrpcServer } from "@clew/transport/grpc";
import { until } from "../../http2/test/until.ts";
import { freePort } from "../../transport/test/free-ports.ts";
import { cleanUps, sink } from "./clean-up.ts";
import { makeSpans } from "./make-spans.ts";
import { type RawRequest, startRawSink } from "./raw-sink.ts";

// Every thread that a test starts, in order.
const workers: Worker[] = [];
const keep = (worker: Worker): void => void workers.push(worker);
before(() => process.on("worker", keep));
after(() => process.off("worker", keep));

function exporterTo(endpoint: string, options: OtlpOptions = {}): OtlpExporter {
  const retry = { initialMs: 5, maxMs: 20, limitMs: 60_000 };
  const exporter = new OtlpExporter({ endpoint, env: {}, retry, thread: "worker", ...options });
  cleanUps.push(() => exporter.shutdown());
  return exporter;
}

const spanIdsOf = (requests: readonly RawRequest[]): string[] =>
  requests.flatMap(({ body }) => decodeSpans(body).map(({ spanId }) => spanId));

for (const compression of ["gzip", "none"] as const) {
  test(`what arrives over HTTP, and what is counted, is what the main thread sends: ${compression}`, async () => {
    const collector = await sink();
    const spans = makeSpans(1300);
    const options = { compression, headers: { "x-key": "secret" } };
    const here = exporterTo(collector.endpoint, { ...options, thread: "main" });
    const there = exporterTo(collector.endpoint, options);
    assert.deepEqual(await there.export(spans), await here.export(spans));
    const [one, other] = collector.requests;
    assert.deepEqual(other!.body, one!.body);
    assert.deepEqual({ ...other!.headers, connection: "" }, { ...one!.headers, connection: "" });
    assert.equal(other!.headers["x-key"], "secret");
    assert.deepEqual(there.stats(), here.stats());
    assert.equal(there.stats().exported, 1300);
  });
}

test("JSON", async () => {
  const collector = await sink();
  const exporter = exporterTo(collector.endpoint, { protocol: "http/json" });
  await exporter.export(makeSpans(2));
  assert.equal(collector.requests[0]!.headers["content-type"], "application/json");
  assert.match(collector.requests[0]!.body.toString(), /"name":"span 1"/);
});

test("one thread for all requests of an exporter, over one connection, that is gone after its shutdown", async () => {
  const started = workers.length;
  const collector = await sink();
  const exporter = exporterTo(collector.endpoint);
  assert.equal(workers.length, started, "none before the first request");
  for (let count = 0; count < 3; count++) await exporter.export(makeSpans());
  assert.equal(workers.length, started + 1);
  await exporter.shutdown();
  assert.equal(workers.at(-1)!.threadId, -1);
  const result = await exporter.export(makeSpans());
  assert.deepEqual([result.outcome, workers.length], ["failed", started + 1]);
});

for (const compression of ["gzip", "none"] as const) {
  test(`over gRPC, RetryInfo and refusals included: ${compression}`, async () => {
    const seen: string[] = [];
    const answers = [
      () => {
        throw new ServiceError(429, "BUSY", "later", { details: [retryInfo(1)] });
      },
      () => new Uint8Array(0),
      () => encodePartialSuccess({ rejectedSpans: 1, message: "too old" }),
      () => {
        throw new ServiceError(401, "NO_KEY", "who are you");
      },
    ];
    const traces = service(TraceService, {
      export(request) {
        const spans = decodeSpans((request as unknown as RawMessage).bytes);
        seen.push(`${spans.length} ${spans[0]?.name}`);
        return toRawMessage(TraceService.method.export.output, answers[seen.length - 1]!());
      },
    });
    const server = new GrpcServer({
      address: "127.0.0.1:0",
      services: [traces],
      codecs: [rawCodec],
      health: false,
      reflection: false,
    });
    await server.start();
    cleanUps.push(() => server.stop(AbortSignal.abort()));
    const exporter = exporterTo(server.endpoint().href, { compression });
    assert.deepEqual(await exporter.export(makeSpans(600)), { outcome: "exported", rejectedSpans: 0 });
    assert.deepEqual(await exporter.export(makeSpans(2)), { outcome: "exported", rejectedSpans: 1 });
    const { outcome, error } = await exporter.export(makeSpans(3));
    assert.equal(outcome, "failed");
    assert.match(error?.message ?? "", /UNAUTHENTICATED: who are you/);
    assert.deepEqual(seen, ["600 span 0", "600 span 0", "2 span 0", "3 span 0"]);
    const { requests, retries, exported, rejected, failed } = exporter.stats();
    assert.deepEqual([requests, retries, exported, rejected, failed], [4, 1, 601, 1, 3]);
  });
}

test("Retry-After is waited for, and one beyond the bound hands the spans back with the time", async () => {
  const arrivedAtMs: number[] = [];
  const wait = ["1", undefined, "3600"];
  const collector = await sink((response, index) => {
    arrivedAtMs.push(performance.now());
    const after = wait[index];
    response.writeHead(after === undefined ? 200 : 503, after === undefined ? {} : { "retry-after": after }).end();
  });
  const exporter = exporterTo(collector.endpoint);
  assert.equal((await exporter.export(makeSpans())).outcome, "exported");
  // Without the header it would be 5 ms.
  assert.ok(arrivedAtMs[1]! - arrivedAtMs[0]! >= 900, `${arrivedAtMs}`);
  const { outcome, retryAfterMs } = await exporter.export(makeSpans());
  assert.deepEqual([outcome, retryAfterMs], ["unavailable", 3_600_000]);
  assert.deepEqual([exporter.stats().requests, exporter.stats().retries], [3, 1]);
});

test("a refusal is final, with the collector's reason", async () => {
  const collector = await sink((response) => void response.writeHead(401).end("no key"));
  const exporter = exporterTo(collector.endpoint);
  const { outcome, error } = await exporter.export(makeSpans());
  assert.deepEqual([outcome, error?.message], ["failed", "the collector answers 401: no key"]);
  assert.deepEqual([exporter.stats().failed, exporter.stats().requests], [2, 1]);
});

test("a collector that goes away and comes back: the log hears both here, and the spans arrive", async () => {
  const lines: string[] = [];
  const logger = createLogger({ destination: { write: (line) => void lines.push(line) } });
  const gone = await startRawSink(undefined, await freePort());
  const exporter = exporterTo(gone.endpoint, { logger });
  assert.equal((await exporter.export(makeSpans())).outcome, "exported");
  await gone.stop();
  const exporting = exporter.export(makeSpans());
  await until(() => exporter.stats().retries >= 2);
  assert.match(exporter.stats().lastError ?? "", /ECONNREFUSED|ECONNRESET|hang up/);
  const back = await sink(undefined, gone.port);
  assert.equal((await exporting).outcome, "exported");
  assert.equal(back.requests.length, 1);
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
    ["spans cannot be exported, trying again", "spans are exported again"],
  );
});

test("a thread that dies under way costs no span: they are sent again, and each is counted once", async () => {
  let held: ServerResponse | undefined;
  const collector = await sink((response, index) => {
    if (index === 1) held = response;
    else response.end();
  });
  const exporter = exporterTo(collector.endpoint);
  const processor = new BatchProcessor(exporter, { env: {}, batchSize: 512, delayMs: 5 });
  const provider = new TracerProvider({ resource: createResource({ service: "user", env: {} }), processor });
  const tracer = provider.getTracer("test");
  const make = (count: number): void => {
    for (let index = 0; index < count; index++) tracer.startSpan("work").end();
  };
  make(700);
  await until(() => held !== undefined);
  await workers.at(-1)!.terminate();
  make(10);
  await until(() => processor.stats().exported === 710);
  await processor.shutdown();
  const { started, exported, rejected, dropped, failed, waiting } = processor.stats();
  assert.deepEqual([started, exported, rejected, dropped, failed, waiting], [710, 710, 0, 0, 0, 0]);
  // Of the request that was under way nobody can know whether it was taken.
  const arrived = spanIdsOf(collector.requests);
  const twice = decodeSpans(collector.requests[1]!.body).length;
  assert.deepEqual([new Set(arrived).size, arrived.length], [710, 710 + twice]);
  assert.equal(exporter.stats().retries, 1);
});

test("a thread that dies while nothing is under way is not missed", async () => {
  const collector = await sink();
  const exporter = exporterTo(collector.endpoint);
  await exporter.export(makeSpans());
  await workers.at(-1)!.terminate();
  assert.equal((await exporter.export(makeSpans())).outcome, "exported");
  assert.deepEqual([collector.requests.length, exporter.stats().retries], [2, 0]);
});

test("a shutdown cuts off what hangs", async () => {
  const collector = await sink(() => {});
  const exporter = exporterTo(collector.endpoint);
  const exporting = exporter.export(makeSpans());
  await until(() => collector.requests.length === 1);
  await exporter.shutdown();
  assert.equal((await exporting).outcome, "failed");
  assert.equal(workers.at(-1)!.threadId, -1);
});

test("metrics and log lines", async () => {
  const collector = await sink();
  const options = { endpoint: collector.endpoint, env: {}, thread: "worker" } as const;
  const metrics = new OtlpMetricsExporter(options);
  const provider = new MeterProvider({ env: {} });
  provider.getMeter("lib").createCounter("calls").add(1);
  assert.equal(await metrics.export(await provider.collect()), true);
  await metrics.shutdown();
  const logs = new OtlpLogs(options);
  createLogger({ also: [logs.write], destination: { write() {} } }).info("hello");
  await logs.shutdown();
  assert.deepEqual(
    collector.requests.map(({ path, body }) => [path, body.includes("calls"), body.includes("hello")]),
    [
      ["/v1/metrics", true, false],
      ["/v1/logs", false, true],
    ],
  );
  assert.equal(logs.stats().exported, 1);
});

test("what is no thread is told when the exporter is made", () => {
  assert.throws(() => new OtlpExporter({ env: {}, thread: "both" as "main" }), {
    code: "CLEW_EXPORTER_OPTION",
    message: 'option thread is "both"; it must be "main" or "worker"',
  });
});

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
}

/** Runs a program that traces with a worker; when it says "ready" it is sent the signal. */
async function runProgram(
  rest: string,
  endpoint: string,
  { signal, args = [], env = {} }: { signal?: NodeJS.Signals; args?: string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<End> {
  const program = `
    import { startTracing } from "@clew/exporter";
    import { withSpan } from "@clew/trace";
    const batch = { delayMs: 60_000, shutdownTimeoutMs: 60_000 };
    const tracing = startTracing({ service: "script", endpoint: "${endpoint}", env: {}, batch, thread: "worker" });
    ${rest}
    console.log("ready");
  `;
  const child = spawn(process.execPath, [...args, "--input-type=module", "-e", program], {
    cwd: import.meta.dirname,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  if (signal !== undefined) child.stdout.once("data", () => child.kill(signal));
  const [stdout, [code, endedBy]] = await Promise.all([text(child.stdout), once(child, "close")]);
  return { code, signal: endedBy, stdout };
}

const namesOf = (requests: readonly RawRequest[]): string[] =>
  requests.flatMap(({ body }) => decodeSpans(body).map(({ name }) => name));

test("a process that runs out of work sends first, and is not kept alive", async () => {
  const collector = await sink();
  const early = `withSpan("one", () => {}); await tracing.flush(); withSpan("two", () => {});`;
  const counts = `process.on("exit", () => {
    const { started, exported } = tracing.stats();
    console.log(started, exported);
  });`;
  assert.deepEqual(await runProgram(early + counts, collector.endpoint), {
    code: 0,
    signal: null,
    stdout: "ready\n2 2\n",
  });
  assert.deepEqual(namesOf(collector.requests), ["one", "two"]);
});

test("SIGTERM: the spans go out, and the process ends by the signal", async () => {
  const collector = await sink();
  const rest = `withSpan("work", () => {}); setInterval(() => {}, 1000);`;
  const { signal } = await runProgram(rest, collector.endpoint, { signal: "SIGTERM" });
  assert.equal(signal, "SIGTERM");
  assert.deepEqual(namesOf(collector.requests), ["work"]);
});

test("what a process preloads is not loaded by the thread", async () => {
  const folder = mkdtempSync(join(tmpdir(), "clew-worker-"));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  const preload = join(folder, "preload.mjs");
  const tells = `import { isMainThread } from "node:worker_threads"; console.log(isMainThread ? "main" : "worker");`;
  writeFileSync(preload, tells);
  const collector = await sink();
  const rest = `withSpan("work", () => {}); await tracing.shutdown();`;
  for (const given of [{ args: ["--import", preload] }, { env: { NODE_OPTIONS: `--import ${preload}` } }]) {
    const { stdout } = await runProgram(rest, collector.endpoint, given);
    assert.equal(stdout, "main\nready\n");
  }
  assert.deepEqual(namesOf(collector.requests), ["work", "work"]);
});
