// What the Collector, or what stands behind it, does not take; its death; and what our collector does not take from it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Collector, type CollectorOptions } from "@clew/collector";
import type { OtlpProtocol, OtlpThread } from "@clew/exporter";
import { retryInfo, ServiceError } from "@clew/rpc";
import { until } from "../../packages/http2/test/until.ts";
import { type App, startApp } from "./app.ts";
import {
  type Config,
  type Judge,
  type OtelCollector,
  otlpReceiver,
  passing,
  startOtelCollector,
  takePorts,
} from "./otel-collector.ts";
import { type GrpcSink, startGrpcSink } from "./sinks.ts";
import { type Case, type Ports, protocols } from "./ways.ts";

export function refusalCases(judge: Judge): Case[] {
  const cases: Case[] = [];
  for (const protocol of protocols) {
    const isGrpc = protocol === "grpc";
    const add = (name: string, run: (chain: Chain) => Promise<void>): void =>
      void cases.push({
        name: `${name}, ${protocol}`,
        run: () => alone(judge, async (judge) => run(await startChain(judge))),
      });

    add("what is unavailable for a moment is sent again", async ({ sink, ports }) => {
      refuseFirst(sink, 3, () => new ServiceError(503, "", "come back"));
      const app = startApp(ports, protocol);
      app.make(20);
      await until(app.isDone);
      assert.deepEqual(outcomeOf(app), { exported: 20, failed: 0, dropped: 0, requests: 4, retries: 3 });
      assert.deepEqual(arrived(sink), sortedIds(app));
      await app.shutdown();
    });
    for (const code of [503, 429]) {
      add(`a ${code} that says when is sent again then`, async ({ sink, ports }) => {
        refuseFirst(sink, 1, () => new ServiceError(code, "", "come back", { details: [retryInfo(1000)] }));
        const app = startApp(ports, protocol);
        app.make(20);
        await until(app.isDone);
        assert.deepEqual(outcomeOf(app), { exported: 20, failed: 0, dropped: 0, requests: 2, retries: 1 });
        const [first, second] = sink.atMs as [number, number];
        // A timer may be early by the part of a millisecond that its clock rounds away.
        assert.ok(second - first >= 990, `sent again after ${second - first} ms`);
        await app.shutdown();
      });
    }
    add("a 429 that does not say when: over gRPC it is final, over HTTP sent again", async ({ sink, ports }) => {
      refuseFirst(sink, 1, () => new ServiceError(429, "", "no more"));
      const app = startApp(ports, protocol);
      app.make(20);
      await until(app.isDone);
      const taken = { exported: 20, failed: 0, dropped: 0, requests: 2, retries: 1 };
      const lost = { exported: 0, failed: 20, dropped: 0, requests: 1, retries: 0 };
      assert.deepEqual(outcomeOf(app), isGrpc ? lost : taken);
      await app.shutdown();
    });
    for (const code of [400, 500]) {
      add(`a ${code} is final and counted, with its reason`, async ({ sink, ports }) => {
        refuseFirst(sink, 1, () => new ServiceError(code, "", "not like this"));
        const app = startApp(ports, protocol);
        app.make(20);
        await until(app.isDone);
        assert.deepEqual(outcomeOf(app), { exported: 0, failed: 20, dropped: 0, requests: 1, retries: 0 });
        assert.match(app.sent().lastError ?? "", /not like this/);
        app.make(20);
        await until(app.isDone);
        assert.deepEqual([app.sent().exported, app.sent().failed], [20, 20]);
        await app.shutdown();
      });
    }
    add("a span that is too large for it costs itself", async ({ sink, ports }) => {
      const app = startApp(ports, protocol, { batchSize: 1 });
      app.make(1);
      app.make(1, { large: "x".repeat(5 * 1024 * 1024) });
      app.make(1);
      await until(app.isDone);
      assert.deepEqual([app.sent().exported, app.sent().failed], [2, 1], app.sent().lastError);
      assert.deepEqual(arrived(sink), [app.spanIds[0]!, app.spanIds[2]!].sort());
      await app.shutdown();
    });
    cases.push(
      {
        name: `its queue is full for a while, ${protocol}`,
        run: () => alone(judge, (judge) => fillQueue(judge, protocol)),
      },
      {
        name: `its memory limiter refuses, then it has more memory, ${protocol}`,
        run: () => alone(judge, (judge) => limit(judge, protocol)),
      },
      {
        name: `it is killed at work and started again, ${protocol}`,
        run: () => alone(judge, (judge) => kill(judge, protocol, "main")),
      },
      {
        name: `it is killed while a thread of ours sends, and started again, ${protocol}`,
        run: () => alone(judge, (judge) => kill(judge, protocol, "worker")),
      },
      {
        name: `it is dead for longer than there is space, ${protocol}`,
        run: () => alone(judge, (judge) => overflow(judge, protocol)),
      },
      { name: `with TLS on both sides, ${protocol}`, run: () => alone(judge, (judge) => overTls(judge, protocol)) },
    );
  }
  for (const way of Object.keys(waysToOurs) as (keyof typeof waysToOurs)[]) {
    cases.push(
      {
        name: `our collector is stopped and started again, ${way}`,
        run: () => alone(judge, (judge) => restartOurs(judge, way)),
      },
      { name: `our collector has too much waiting, ${way}`, run: () => alone(judge, (judge) => fillOurs(judge, way)) },
      {
        name: `our collector says which spans it did not take, ${way}`,
        run: () => alone(judge, (judge) => rejectInPart(judge, way)),
      },
    );
  }
  return cases;
}

/** Runs a case, and stops what it started. */
async function alone(judge: Judge, run: (judge: Judge) => Promise<void>): Promise<void> {
  const closers: Judge["closers"] = [];
  try {
    await run({ ...judge, closers });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** The Collector, and a sink behind it that says what becomes of a request. */
interface Chain {
  readonly ports: Ports;
  readonly sink: GrpcSink;
  readonly collector: OtelCollector;
  /** Starts it where it was. */
  start(pipeline?: Pipeline): Promise<OtelCollector>;
}

interface Pipeline {
  readonly exporter?: Config;
  readonly processors?: Config;
  readonly receiver?: Config;
}

async function startChain(judge: Judge, pipeline: Pipeline = {}): Promise<Chain> {
  const sink = await startGrpcSink(judge.closers);
  const [http, grpc] = (await takePorts(2)) as [number, number];
  const start = ({ exporter = passing, processors = {}, receiver = {} }: Pipeline = {}): Promise<OtelCollector> => {
    const settings = { endpoint: sink.address, tls: { insecure: true }, ...exporter };
    return startOtelCollector(judge, toConfig({ http, grpc }, { otlp: settings }, processors, receiver), [http, grpc]);
  };
  return { ports: { http, grpc }, sink, start, collector: await start(pipeline) };
}

function toConfig({ http, grpc }: Ports, exporters: Config, processors: Config = {}, receiver: Config = {}): Config {
  const limits = { http: { max_request_body_size: 4 * 1024 * 1024 }, grpc: {} };
  const { protocols: each } = otlpReceiver(http, grpc, receiver) as { protocols: Record<"http" | "grpc", Config> };
  return {
    receivers: { otlp: { protocols: { http: { ...each.http, ...limits.http }, grpc: each.grpc } } },
    processors,
    exporters,
    service: {
      pipelines: {
        traces: { receivers: ["otlp"], processors: Object.keys(processors), exporters: Object.keys(exporters) },
      },
    },
  };
}

function refuseFirst(sink: GrpcSink, count: number, toError: () => ServiceError): void {
  let left = count;
  sink.answer = () => {
    if (left-- > 0) throw toError();
  };
}

function outcomeOf(app: App): Record<string, number> {
  const { exported, failed, requests, retries } = app.sent();
  return { exported, failed, dropped: app.batch().dropped, requests, retries };
}

/** Ids of the spans that came, each once: what was under way when somebody died may come twice. */
function arrived({ spans }: GrpcSink): string[] {
  return [...new Set(spans.map(({ spanId }) => spanId))].sort();
}

function sortedIds({ spanIds }: App): string[] {
  return [...spanIds].sort();
}

async function fillQueue(judge: Judge, protocol: OtlpProtocol): Promise<void> {
  const queue = {
    sending_queue: { enabled: true, queue_size: 1, num_consumers: 1 },
    retry_on_failure: { enabled: true, initial_interval: "20ms", max_interval: "50ms", max_elapsed_time: "0s" },
  };
  const { sink, ports } = await startChain(judge, { exporter: queue });
  refuseFirst(sink, Number.POSITIVE_INFINITY, () => new ServiceError(503, "", "come back"));
  const app = startApp(ports, protocol);
  app.make(200);
  await until(() => /queue is full/.test(app.sent().lastError ?? ""));
  sink.answer = () => {};
  await until(() => app.isDone() && arrived(sink).length === 200);
  const { exported, failed, dropped, retries } = outcomeOf(app);
  assert.deepEqual({ exported, failed, dropped }, { exported: 200, failed: 0, dropped: 0 });
  assert.ok(retries! > 0);
  assert.deepEqual(arrived(sink), sortedIds(app));
  await app.shutdown();
}

async function limit(judge: Judge, protocol: OtlpProtocol): Promise<void> {
  const limiter = { memory_limiter: { check_interval: "20ms", limit_mib: 1, spike_limit_mib: 0 } };
  const { sink, ports, collector, start } = await startChain(judge, { processors: limiter });
  const app = startApp(ports, protocol);
  await until(() => {
    app.make(1);
    return /high memory usage/.test(app.sent().lastError ?? "");
  });
  await collector.kill();
  await start();
  await until(app.isDone);
  const { exported, failed, dropped } = outcomeOf(app);
  assert.deepEqual({ exported, failed, dropped }, { exported: app.spanIds.length, failed: 0, dropped: 0 });
  assert.deepEqual(arrived(sink), sortedIds(app));
  await app.shutdown();
}

async function kill(judge: Judge, protocol: OtlpProtocol, thread: OtlpThread): Promise<void> {
  const { sink, ports, collector, start } = await startChain(judge);
  const app = startApp(ports, protocol, {}, { thread });
  app.make(200);
  await until(() => sink.spans.length > 0);
  // What is under way now reaches the sink, and nobody hears of it.
  app.make(200);
  await collector.kill();
  app.make(200);
  await until(() => app.sent().lastError !== undefined);
  await start();
  app.make(200);
  await until(app.isDone);
  const { exported, failed, dropped } = outcomeOf(app);
  assert.deepEqual({ exported, failed, dropped }, { exported: 800, failed: 0, dropped: 0 });
  assert.deepEqual(arrived(sink), sortedIds(app));
  await app.shutdown();
}

async function overflow(judge: Judge, protocol: OtlpProtocol): Promise<void> {
  const { sink, ports, collector, start } = await startChain(judge);
  await collector.kill();
  const app = startApp(ports, protocol, { capacity: 64, batchSize: 16 });
  app.make(500);
  await until(() => app.sent().lastError !== undefined);
  app.make(500);
  await start();
  await until(app.isDone);
  app.make(10);
  await until(app.isDone);
  const { exported, failed, dropped } = outcomeOf(app);
  assert.ok(dropped! > 0 && exported! >= 10 + 56, `${exported} exported`);
  assert.deepEqual([exported! + dropped!, failed], [1010, 0]);
  assert.equal(arrived(sink).length, exported);
  await app.shutdown();
}

async function overTls(judge: Judge, protocol: OtlpProtocol): Promise<void> {
  const at = (name: string): string => join(judge.folder, `${protocol.replace("/", "-")}-${name}`);
  for (const name of ["server", "client"]) makeCertificate(at(name), name);
  const tls = {
    cert_file: at("server.crt"),
    key_file: at("server.key"),
    client_ca_file: at("client.crt"),
  };
  const { sink, ports } = await startChain(judge, { receiver: { tls } });
  const endpoint = `https://localhost:${protocol === "grpc" ? ports.grpc : ports.http}`;
  const read = (name: string): string => readFileSync(at(name), "utf8");
  const ca = read("server.crt");
  const stranger = startApp(ports, protocol, { shutdownTimeoutMs: 0 }, { endpoint, tls: { ca } });
  stranger.make(1);
  await until(() => stranger.sent().lastError !== undefined);
  assert.deepEqual([stranger.sent().exported, sink.spans.length], [0, 0]);
  await stranger.shutdown();
  const known = { ca, cert: read("client.crt"), key: read("client.key") };
  const app = startApp(ports, protocol, {}, { endpoint, tls: known });
  app.make(50);
  await until(app.isDone);
  assert.equal(app.sent().exported, 50, app.sent().lastError);
  assert.deepEqual(arrived(sink), sortedIds(app));
  await app.shutdown();
}

function makeCertificate(path: string, name: string): void {
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", `${path}.key`, "-out", `${path}.crt`];
  execFileSync("openssl", ["req", "-x509", ...key, ...files, "-days", "2", ...subject], { stdio: "ignore" });
}

const retrying = {
  // More of them would find the store of one request full at the same time, second after second.
  sending_queue: { enabled: true, num_consumers: 3 },
  retry_on_failure: { enabled: true, initial_interval: "50ms", max_interval: "200ms", max_elapsed_time: "0s" },
};

/** How the Collector sends to our collector. */
const waysToOurs = {
  "http/protobuf": (to: Ports) => ({ otlphttp: { endpoint: `http://127.0.0.1:${to.http}`, ...retrying } }),
  "http/json": (to: Ports) => ({
    otlphttp: { endpoint: `http://127.0.0.1:${to.http}`, encoding: "json", ...retrying },
  }),
  grpc: (to: Ports) => ({ otlp: { endpoint: `127.0.0.1:${to.grpc}`, tls: { insecure: true }, ...retrying } }),
} as const;

type WayToOurs = keyof typeof waysToOurs;

/** The Collector, and ours behind it. */
interface ChainToOurs {
  readonly ports: Ports;
  readonly collector: OtelCollector;
  readonly ours: Collector;
  /** Starts ours where it was. */
  start(): Promise<Collector>;
}

async function startChainToOurs(judge: Judge, way: WayToOurs, options: CollectorOptions = {}): Promise<ChainToOurs> {
  const [http, grpc, toHttp, toGrpc] = (await takePorts(4)) as [number, number, number, number];
  const at = (port: number): string => `127.0.0.1:${port}`;
  const data = join(judge.folder, `ours-${toHttp}.db`);
  const start = async (): Promise<Collector> => {
    const ours = new Collector({
      address: at(0),
      otlpAddress: at(toHttp),
      otlpGrpcAddress: at(toGrpc),
      data,
      ...options,
    });
    await ours.start();
    judge.closers.push(() => ours.stop(AbortSignal.timeout(100)));
    return ours;
  };
  const ours = await start();
  const config = toConfig({ http, grpc }, waysToOurs[way]({ http: toHttp, grpc: toGrpc }));
  return { ports: { http, grpc }, collector: await startOtelCollector(judge, config, [http, grpc]), ours, start };
}

async function spansIn(ours: Collector): Promise<number> {
  const response = await fetch(new URL("/api/ui/stats", ours.endpoint()));
  return ((await response.json()) as { spans: number }).spans;
}

async function restartOurs(judge: Judge, way: WayToOurs): Promise<void> {
  const { ports, ours, collector, start } = await startChainToOurs(judge, way);
  const app = startApp(ports, "http/protobuf");
  app.make(100);
  await until(async () => (await spansIn(ours)) === 100);
  await ours.stop(AbortSignal.timeout(5000));
  app.make(300);
  await until(() => app.isDone() && /Will retry/.test(collector.log()));
  const again = await start();
  await until(async () => (await spansIn(again)) === 400);
  assert.equal(app.sent().exported, 400);
  await app.shutdown();
}

async function fillOurs(judge: Judge, way: WayToOurs): Promise<void> {
  // One request waits at a time.
  const { ports, ours, collector } = await startChainToOurs(judge, way, { maxWaitingBytes: 1 });
  const app = startApp(ports, "http/protobuf", { capacity: 100_000, batchSize: 50 });
  await until(() => {
    app.make(200);
    return ours.stats().otlp.refusedRequests > 0;
  });
  await until(() => /HTTP Status Code 503|too many spans waiting/.test(collector.log()));
  await until(async () => app.isDone() && (await spansIn(ours)) === app.spanIds.length);
  assert.equal(app.sent().exported, app.spanIds.length);
  assert.doesNotMatch(collector.log(), /Dropping data/);
  await app.shutdown();
}

async function rejectInPart(judge: Judge, way: WayToOurs): Promise<void> {
  const { ports, ours, collector } = await startChainToOurs(judge, way);
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const times = { startTimeUnixNano: "1795344538248526000", endTimeUnixNano: "1795344538248527000" };
  const spans = ["00f067aa0ba902b7", "", "00f067aa0ba902b9"].map((spanId) => ({
    traceId,
    spanId,
    name: "a",
    ...times,
  }));
  const response = await fetch(`http://127.0.0.1:${ports.http}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
  });
  assert.equal(response.status, 200, await response.text());
  await until(() => /Partial success response/.test(collector.log()));
  const line = collector
    .log()
    .split("\n")
    .find((text) => text.includes("Partial success"))!;
  assert.equal((JSON.parse(line) as { dropped_spans: number }).dropped_spans, 1);
  await until(async () => (await spansIn(ours)) === 2);
  assert.deepEqual([ours.stats().otlp.spans, ours.stats().otlp.rejected], [2, 1]);
}
