import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { test } from "node:test";
import { OtlpExporter, type OtlpOptions } from "@clew/exporter";
import type { Logger } from "@clew/log";
import { encodePartialSuccess } from "@clew/trace/otel";
import { until } from "../../http2/test/until.ts";
import { freePort } from "../../transport/test/free-ports.ts";
import { cleanUps } from "./clean-up.ts";
import { makeSpans } from "./make-spans.ts";
import { type Answer, type Sink, startSink } from "./sink.ts";

async function sink(answer?: Answer, port?: number): Promise<Sink> {
  const started = await startSink(answer, port);
  cleanUps.push(() => started.stop());
  return started;
}

function exporterTo(endpoint: string, options: OtlpOptions = {}): OtlpExporter {
  const retry = { initialMs: 5, maxMs: 20, limitMs: 60_000 };
  const exporter = new OtlpExporter({ endpoint, env: {}, retry, ...options });
  cleanUps.push(() => exporter.shutdown());
  return exporter;
}

/** A logger that keeps its lines. */
function keepLines(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const line =
    (level: string) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void =>
      void lines.push(`${level} ${message} ${fields?.reason ?? ""}`.trim());
  const logger: Logger = {
    level: "info",
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    with: () => logger,
  };
  return { logger, lines };
}

/** Answers with this status and these headers, then with 200. */
function onceThenGood(status: number, headers: Record<string, string> = {}, body = ""): Answer {
  return (response, index) => void (index === 0 ? response.writeHead(status, headers).end(body) : response.end());
}

test("spans arrive at /v1/traces as compressed protobuf", async () => {
  const collector = await sink();
  const exporter = exporterTo(collector.endpoint, { headers: { "x-key": "secret" }, compression: "gzip" });
  const spans = makeSpans(100);
  assert.deepEqual(await exporter.export(spans), { outcome: "exported", rejectedSpans: 0 });
  const [request] = collector.requests;
  assert.deepEqual([request!.method, request!.path], ["POST", "/v1/traces"]);
  assert.equal(request!.headers["content-type"], "application/x-protobuf");
  assert.equal(request!.headers["content-encoding"], "gzip");
  assert.equal(request!.headers["content-length"], `${request!.size}`);
  assert.equal(request!.headers["x-key"], "secret");
  assert.match(request!.headers["user-agent"] ?? "", /^clew/);
  assert.ok(request!.size < 100 * 60, `${request!.size} bytes`);
  assert.deepEqual(
    request!.spans.map((span) => span.spanId),
    spans.map((span) => span.spanId),
  );
  assert.deepEqual(exporter.stats(), {
    requests: 1,
    retries: 0,
    sentBytes: request!.size,
    exported: 100,
    rejected: 0,
    failed: 0,
    lastError: undefined,
  });
});

test("compression can be turned off, and a base path stays", async () => {
  const collector = await sink();
  await exporterTo(`${collector.endpoint}/base/`, { compression: "none" }).export(makeSpans());
  assert.equal(collector.requests[0]!.headers["content-encoding"], undefined);
  assert.equal(collector.requests[0]!.path, "/base/v1/traces");
});

for (const protocol of ["http/protobuf", "http/json"] as const) {
  test(`a large batch is encoded in turns, and comes as one, by ${protocol}`, async () => {
    const collector = await sink();
    const spans = makeSpans(1300);
    assert.equal((await exporterTo(collector.endpoint, { protocol }).export(spans)).outcome, "exported");
    assert.equal(collector.requests.length, 1);
    assert.deepEqual(
      collector.requests[0]!.spans.map(({ spanId, service }) => [spanId, service]),
      spans.map(({ spanId }) => [spanId, "user"]),
    );
  });
}

test("requests share one connection", async () => {
  const collector = await sink();
  const exporter = exporterTo(collector.endpoint);
  for (let count = 0; count < 3; count++) await exporter.export(makeSpans());
  assert.equal(collector.requests.length, 3);
  assert.equal(collector.connections(), 1);
});

for (const status of [429, 502, 503, 504]) {
  test(`after ${status} the same spans are sent again`, async () => {
    const collector = await sink(onceThenGood(status));
    const exporter = exporterTo(collector.endpoint);
    assert.equal((await exporter.export(makeSpans())).outcome, "exported");
    const [first, second] = collector.requests;
    assert.deepEqual(second!.spans, first!.spans);
    assert.deepEqual([exporter.stats().requests, exporter.stats().retries], [2, 1]);
  });
}

test("Retry-After is waited for, in seconds and as a date", async () => {
  const inSeconds = (): string => "1";
  // A date has whole seconds: of these two at least one is left.
  const asDate = (): string => new Date(Date.now() + 2000).toUTCString();
  for (const retryAfter of [inSeconds, asDate]) {
    const collector = await sink((response, index) =>
      onceThenGood(503, { "retry-after": retryAfter() })(response, index),
    );
    assert.equal((await exporterTo(collector.endpoint).export(makeSpans())).outcome, "exported");
    const [first, second] = collector.requests;
    // Without the header it would be 5 ms.
    assert.ok(second!.atMs - first!.atMs >= 900, `${second!.atMs - first!.atMs}`);
  }
});

test("a Retry-After beyond the bound hands the spans back, with the time", async () => {
  const collector = await sink((response) => void response.writeHead(503, { "retry-after": "3600" }).end());
  const result = await exporterTo(collector.endpoint).export(makeSpans());
  assert.deepEqual([result.outcome, result.retryAfterMs], ["unavailable", 3_600_000]);
  assert.equal(collector.requests.length, 1);
});

for (const status of [400, 401, 404, 413, 500, 301]) {
  test(`${status} is final`, async () => {
    const { logger, lines } = keepLines();
    const body = Buffer.from([0x08, 3, 0x12, 7, ...Buffer.from("bad ids")]);
    const collector = await sink(
      (response) => void response.writeHead(status, { "content-type": "application/x-protobuf" }).end(body),
    );
    const exporter = exporterTo(collector.endpoint, { logger });
    const result = await exporter.export(makeSpans());
    assert.equal(result.outcome, "failed");
    assert.equal(result.error?.message, `the collector answers ${status}: bad ids`);
    assert.equal(collector.requests.length, 1);
    assert.deepEqual([exporter.stats().failed, exporter.stats().retries], [2, 0]);
    await exporter.export(makeSpans());
    assert.deepEqual(lines, [`error spans were refused and are lost the collector answers ${status}: bad ids`]);
  });
}

test("a partial success is counted and told, and never sent again", async () => {
  const { logger, lines } = keepLines();
  const collector = await sink(
    (response) => void response.end(encodePartialSuccess({ rejectedSpans: 1, message: "span 0 is from the future" })),
  );
  const exporter = exporterTo(collector.endpoint, { logger });
  assert.deepEqual(await exporter.export(makeSpans()), { outcome: "exported", rejectedSpans: 1 });
  assert.equal(collector.requests.length, 1);
  assert.deepEqual([exporter.stats().exported, exporter.stats().rejected], [1, 1]);
  assert.deepEqual(lines, ["warn the destination did not take all spans span 0 is from the future"]);
});

test("a collector that is not there yet is tried until it is", async () => {
  const { logger, lines } = keepLines();
  const gone = await startSink(undefined, await freePort());
  await gone.stop();
  const exporter = exporterTo(gone.endpoint, { logger });
  const exporting = exporter.export(makeSpans());
  await until(() => exporter.stats().retries >= 2, "two retries");
  assert.match(exporter.stats().lastError ?? "", /ECONNREFUSED/);
  const collector = await sink(undefined, gone.port);
  assert.equal((await exporting).outcome, "exported");
  assert.equal(collector.requests.length, 1);
  assert.equal(exporter.stats().lastError, undefined);
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /^warn spans cannot be exported, trying again .*ECONNREFUSED/);
  assert.equal(lines[1], "info spans are exported again");
});

test("a collector that stays away hands the spans back at the bound", async () => {
  const gone = await startSink(undefined, await freePort());
  await gone.stop();
  const exporter = exporterTo(gone.endpoint, { retry: { initialMs: 5, maxMs: 10, limitMs: 1000 } });
  const result = await exporter.export(makeSpans());
  assert.equal(result.outcome, "unavailable");
  assert.ok(exporter.stats().retries >= 2);
  assert.equal(exporter.stats().failed, 0);
});

test("a connection that breaks in the middle of a reply is tried again", async () => {
  const collector = await sink((response, index) => {
    if (index > 0) return void response.end();
    response.writeHead(200, { "content-length": "100" });
    response.write("half");
    setImmediate(() => response.destroy());
  });
  assert.equal((await exporterTo(collector.endpoint).export(makeSpans())).outcome, "exported");
  assert.equal(collector.requests.length, 2);
});

test("what answers no HTTP at all is tried again, not believed", async () => {
  const server = createServer((socket) => socket.end("SSH-2.0-OpenSSH_9.9\r\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUps.push(() => server.close());
  const exporter = exporterTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    retry: { initialMs: 5, maxMs: 5, limitMs: 20 },
  });
  assert.equal((await exporter.export(makeSpans())).outcome, "unavailable");
});

test("an attempt without an answer ends at its timeout and is tried again", async () => {
  const collector = await sink((response, index) => void (index > 0 && response.end()));
  const exporter = exporterTo(collector.endpoint, { timeoutMs: 50 });
  assert.equal((await exporter.export(makeSpans())).outcome, "exported");
  assert.ok(exporter.stats().retries >= 1);
});

test("a reply larger than any has to be is not read to its end", async () => {
  const collector = await sink((response) => void response.end(Buffer.alloc(1_000_000)));
  assert.equal((await exporterTo(collector.endpoint).export(makeSpans())).outcome, "exported");
});

test("more exports at a time than allowed are handed back at once", async () => {
  const collector = await sink(() => {});
  const exporter = exporterTo(collector.endpoint, { maxConcurrentExports: 1, compression: "gzip" });
  const hanging = exporter.export(makeSpans());
  assert.equal((await exporter.export(makeSpans())).outcome, "unavailable");
  await exporter.shutdown();
  assert.equal((await hanging).outcome, "failed");
  assert.equal(exporter.stats().requests, 0, "the first had not left yet");
});

test("a shutdown cuts off what hangs and what waits, and nothing goes out any more", async () => {
  const hanging = await sink(() => {});
  const busy = await sink((response) => void response.writeHead(503, { "retry-after": "4" }).end());
  const one = exporterTo(hanging.endpoint);
  const two = exporterTo(busy.endpoint);
  const exports = [one.export(makeSpans()), two.export(makeSpans())];
  await until(() => hanging.requests.length === 1 && busy.requests.length === 1, "both requests");
  await one.shutdown();
  await two.shutdown();
  assert.deepEqual(
    (await Promise.all(exports)).map((result) => result.outcome),
    ["failed", "failed"],
  );
  assert.equal((await one.export(makeSpans())).outcome, "failed");
  assert.equal(hanging.requests.length, 1);
});

test("the environment says where and how; the code wins over it, and what is for traces over what is for all", async () => {
  const urlOf = (env: Record<string, string>, endpoint?: string): string =>
    new OtlpExporter({ env, ...(endpoint === undefined ? {} : { endpoint }) }).url.href;
  assert.equal(urlOf({}), "http://localhost:4318/v1/traces");
  const all = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://a:1/base" };
  assert.equal(urlOf(all), "http://a:1/base/v1/traces");
  const traces = { ...all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://b:2/own" };
  assert.equal(urlOf(traces), "https://b:2/own");
  assert.equal(urlOf(traces, "http://c:3"), "http://c:3/v1/traces");
  assert.equal(urlOf({}, "http://c:3/v1/traces"), "http://c:3/v1/traces");

  const collector = await sink();
  const exporter = new OtlpExporter({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "Api-Key=a%20b, other = 2,bad",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "none",
      OTEL_EXPORTER_OTLP_TIMEOUT: "5000",
    },
  });
  cleanUps.push(() => exporter.shutdown());
  await exporter.export(makeSpans());
  const { headers } = collector.requests[0]!;
  assert.deepEqual([headers["api-key"], headers.other, headers["content-encoding"]], ["a b", "2", undefined]);
});

test("to a collector on this machine spans go as they are, unless compression is asked for", async () => {
  const collector = await sink();
  const bare = exporterTo(collector.endpoint);
  await bare.export(makeSpans());
  const asked = exporterTo(collector.endpoint, { env: { OTEL_EXPORTER_OTLP_COMPRESSION: "gzip" } });
  await asked.export(makeSpans());
  const encodings = collector.requests.map(({ headers }) => headers["content-encoding"]);
  assert.deepEqual(encodings, [undefined, "gzip"]);
});

test("settings that cannot work are refused, and the message says what would", () => {
  for (const endpoint of ["localhost:4318", "ftp://a", "", "not a url"]) {
    assert.throws(() => new OtlpExporter({ endpoint }), {
      code: "CLEW_EXPORTER_ENDPOINT",
      message: /such as http:/,
    });
  }
  assert.throws(() => new OtlpExporter({ env: { OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" } }), {
    code: "CLEW_EXPORTER_COMPRESSION",
  });
  for (const timeoutMs of [0, -1, Number.NaN]) {
    assert.throws(() => new OtlpExporter({ timeoutMs }), { code: "CLEW_EXPORTER_TIMEOUT" });
  }
});
