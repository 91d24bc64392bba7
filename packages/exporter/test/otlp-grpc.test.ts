import assert from "node:assert/strict";
import { test } from "node:test";
import { OtlpExporter, type OtlpOptions } from "@clew/exporter";
import { type RawMessage, rawCodec, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import { badRequest, type Call, type ErrorDetail, retryInfo, ServiceError, service } from "@clew/rpc";
import { type DecodedSpan, decodeSpans, encodePartialSuccess } from "@clew/trace/otel";
import { GrpcServer } from "@clew/transport/grpc";
import { until } from "../../http2/test/until.ts";
import { freePort } from "../../transport/test/free-ports.ts";
import { cleanUps } from "./clean-up.ts";
import { makeSpans } from "./make-spans.ts";

interface GrpcSink {
  readonly endpoint: string;
  readonly port: number;
  readonly requests: { spans: readonly DecodedSpan[]; authorization: string | undefined }[];
  stop(): Promise<void>;
}

type Answer = (index: number, call: Call) => Uint8Array | Promise<Uint8Array>;

const nothingMore = new Uint8Array(0);

async function startSink(answer: Answer = () => nothingMore, port = 0): Promise<GrpcSink> {
  const requests: GrpcSink["requests"] = [];
  const traces = service(TraceService, {
    async export(request, call) {
      const spans = decodeSpans((request as unknown as RawMessage).bytes);
      requests.push({ spans, authorization: call.metadata.get("authorization") });
      const reply = await answer(requests.length - 1, call);
      return toRawMessage(TraceService.method.export.output, reply);
    },
  });
  const address = `127.0.0.1:${port}`;
  const server = new GrpcServer({
    address,
    services: [traces],
    codecs: [rawCodec],
    health: false,
    reflection: false,
    timeoutMs: 0,
  });
  await server.start();
  const stop = (): Promise<void> => server.stop(AbortSignal.abort());
  cleanUps.push(stop);
  return { endpoint: server.endpoint().href, port: Number(server.endpoint().port), requests, stop };
}

function exporterTo(endpoint: string, options: OtlpOptions = {}): OtlpExporter {
  const retry = { initialMs: 5, maxMs: 20, limitMs: 60_000 };
  const exporter = new OtlpExporter({ endpoint, env: {}, retry, ...options });
  cleanUps.push(() => exporter.shutdown());
  return exporter;
}

test("a grpc:// endpoint is enough: spans arrive as a call, compressed and with headers", async () => {
  const sink = await startSink();
  const exporter = exporterTo(sink.endpoint, { headers: { authorization: "Bearer x" }, compression: "gzip" });
  assert.equal(exporter.protocol, "grpc");
  const spans = makeSpans(100);
  assert.deepEqual(await exporter.export(spans), { outcome: "exported", rejectedSpans: 0 });
  assert.deepEqual(
    sink.requests[0]!.spans.map((span) => [span.spanId, span.name, span.service]),
    spans.map((span) => [span.spanId, span.name, "user"]),
  );
  assert.equal(sink.requests[0]!.authorization, "Bearer x");
  assert.equal(exporter.stats().exported, 100);
});

test("the environment chooses the protocol; a host without a scheme is secure unless OTEL_EXPORTER_OTLP_INSECURE says else", () => {
  const found = (env: Record<string, string>): string => {
    const { protocol, url } = new OtlpExporter({ env });
    return `${protocol} ${url.href}`;
  };
  const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" };
  assert.equal(found(grpc), "grpc http://localhost:4317/");
  assert.equal(found({ ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: "https://a:1" }), "grpc https://a:1/");
  assert.equal(found({ ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: "a:1" }), "grpc https://a:1/");
  assert.equal(
    found({ ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: "a:1", OTEL_EXPORTER_OTLP_INSECURE: "true" }),
    "grpc http://a:1/",
  );
  assert.equal(
    found({ ...grpc, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" }),
    "http/json http://localhost:4318/v1/traces",
  );
  assert.throws(() => found({ OTEL_EXPORTER_OTLP_PROTOCOL: "carrier-pigeon" }), {
    code: "CLEW_EXPORTER_PROTOCOL",
    message: /http\/protobuf, http\/json or grpc/,
  });
  assert.throws(() => found({ ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: "https://a:1/path" }), {
    code: "CLEW_EXPORTER_ENDPOINT",
  });
});

// The codes that the specification calls retryable, as HTTP's numbers that stand for them.
for (const code of [499, 504, 409, 503]) {
  test(`after what ${code} stands for the same spans are sent again`, async () => {
    const sink = await startSink((index) => {
      if (index === 0) throw new ServiceError(code, "", "not now");
      return nothingMore;
    });
    const exporter = exporterTo(sink.endpoint);
    assert.equal((await exporter.export(makeSpans())).outcome, "exported");
    assert.deepEqual(sink.requests[1]!.spans, sink.requests[0]!.spans);
    assert.equal(exporter.stats().retries, 1);
  });
}

for (const code of [400, 401, 403, 404, 500, 501]) {
  test(`what ${code} stands for is final`, async () => {
    const sink = await startSink(() => {
      throw new ServiceError(code, "", "never");
    });
    const exporter = exporterTo(sink.endpoint);
    const { outcome, error } = await exporter.export(makeSpans());
    assert.equal(outcome, "failed");
    assert.match(error!.message, /^the collector answers [A-Z_]+: never$/);
    assert.deepEqual([exporter.stats().failed, exporter.stats().requests], [2, 1]);
  });
}

test("RESOURCE_EXHAUSTED is tried again only when a RetryInfo says so, after as long as it says", async () => {
  const answers: ErrorDetail[][] = [[retryInfo(30), badRequest({})], []];
  const times: number[] = [];
  const sink = await startSink((index) => {
    times.push(performance.now());
    if (index < answers.length) throw new ServiceError(429, "", "too much", { details: answers[index]! });
    return nothingMore;
  });
  const exporter = exporterTo(sink.endpoint);
  assert.equal((await exporter.export(makeSpans())).outcome, "failed");
  assert.equal(sink.requests.length, 2);
  // The timer may fire a little early by this clock.
  assert.ok(times[1]! - times[0]! >= 25, `${times[1]! - times[0]!}`);
});

test("a RetryInfo beyond the bound hands the spans back, with a time of an hour at most", async () => {
  const sink = await startSink(() => {
    throw new ServiceError(503, "", "later", { details: [retryInfo(1e12)] });
  });
  const result = await exporterTo(sink.endpoint).export(makeSpans());
  assert.deepEqual([result.outcome, result.retryAfterMs], ["unavailable", 3_600_000]);
});

test("a partial success is counted", async () => {
  const sink = await startSink(() => encodePartialSuccess({ rejectedSpans: 1, message: "no" }));
  const exporter = exporterTo(sink.endpoint);
  assert.deepEqual(await exporter.export(makeSpans()), { outcome: "exported", rejectedSpans: 1 });
  assert.deepEqual([exporter.stats().exported, exporter.stats().rejected], [1, 1]);
});

test("a collector that is not there yet is tried until it is, by our waits and not the connection's", async () => {
  const gone = await startSink(undefined, await freePort());
  await gone.stop();
  const exporter = exporterTo(gone.endpoint);
  const exporting = exporter.export(makeSpans());
  await until(() => exporter.stats().retries >= 8, "eight retries");
  assert.match(exporter.stats().lastError ?? "", /UNAVAILABLE: .*: cannot connect .*ECONNREFUSED/);
  const sink = await startSink(undefined, gone.port);
  assert.equal((await exporting).outcome, "exported");
  assert.equal(sink.requests.length, 1);
});

test("a collector that restarts, or says GOAWAY, loses nothing", async () => {
  const first = await startSink(undefined, await freePort());
  const exporter = exporterTo(first.endpoint);
  await exporter.export(makeSpans());
  await first.stop();
  const second = await startSink(undefined, first.port);
  assert.equal((await exporter.export(makeSpans())).outcome, "exported");
  assert.equal(second.requests.length, 1);
});

test("a call without an answer ends at its timeout, and a shutdown cuts it off", async () => {
  const sink = await startSink((index) => (index === 0 ? new Promise<Uint8Array>(() => {}) : nothingMore));
  assert.equal((await exporterTo(sink.endpoint, { timeoutMs: 50 }).export(makeSpans())).outcome, "exported");
  // The first that arrives is never answered; on a busy machine it may not be the only one that is given up.
  assert.ok(sink.requests.length >= 2);

  const hanging = await startSink(() => new Promise<Uint8Array>(() => {}));
  const exporter = exporterTo(hanging.endpoint);
  const exporting = exporter.export(makeSpans());
  await until(() => hanging.requests.length === 1, "the call");
  await exporter.shutdown();
  assert.equal((await exporting).outcome, "failed");
  assert.equal((await exporter.export(makeSpans())).outcome, "failed");
});
