import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Collector, type CollectorOptions } from "@clew/collector";
import { type RawMessage, rawCodec, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import { createServiceClient } from "@clew/rpc";
import { decodePartialSuccess, encodeJsonRequest } from "@clew/trace/otel";
import { GrpcClient } from "@clew/transport/grpc";

const T0_MS = 1_700_000_000_000;

interface SpanInit {
  trace: number;
  id: number;
  parent?: number;
  service?: string;
  name?: string;
  kind?: number;
  at?: number;
  ms?: number;
  isError?: boolean;
  attributes?: Record<string, string>;
}

const traceIdOf = (trace: number): string => trace.toString(16).padStart(32, "0");
const spanIdOf = (span: number): string => span.toString(16).padStart(16, "0");

/** What an OTLP/JSON sender posts for these spans. */
function jsonOf(...spans: SpanInit[]): string {
  const attributesOf = (record: Record<string, string>): object[] =>
    Object.entries(record).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  return JSON.stringify({
    resourceSpans: spans.map((span) => ({
      resource: { attributes: attributesOf({ "service.name": span.service ?? "user" }) },
      scopeSpans: [
        {
          scope: { name: "test", version: "1" },
          spans: [
            {
              traceId: traceIdOf(span.trace),
              spanId: spanIdOf(span.id),
              parentSpanId: span.parent === undefined ? "" : spanIdOf(span.parent),
              name: span.name ?? "op",
              kind: span.kind ?? 2,
              startTimeUnixNano: `${T0_MS + (span.at ?? 0)}000000`,
              endTimeUnixNano: `${T0_MS + (span.at ?? 0) + (span.ms ?? 1)}000000`,
              attributes: attributesOf(span.attributes ?? {}),
              status: span.isError ? { code: 2, message: "no" } : {},
            },
          ],
        },
      ],
    })),
  });
}

const protobufOf = (...spans: SpanInit[]): Buffer => Buffer.from(encodeJsonRequest(jsonOf(...spans)));

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface SendInit {
  method?: string;
  headers?: Record<string, string | number>;
  body?: Uint8Array | string;
}

/** A request as a browser would not let us send it: any Host, any length. */
function send(url: URL | string, init: SendInit = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: init.method ?? "GET", headers: init.headers ?? {}, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) });
        });
      },
    );
    sent.on("error", reject);
    sent.end(init.body);
  });
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clew-collector-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function withCollector(
  use: (collector: Collector) => Promise<void>,
  options: CollectorOptions = {},
): Promise<void> {
  await withFolder(async (folder) => {
    const collector = new Collector({
      address: "127.0.0.1:0",
      otlpAddress: "127.0.0.1:0",
      data: join(folder, "traces.db"),
      ...options,
    });
    await collector.start();
    try {
      await use(collector);
    } finally {
      await collector.stop(AbortSignal.timeout(5000));
    }
  });
}

const protobufType = "application/x-protobuf";

function post(
  collector: Collector,
  body: Uint8Array | string,
  headers: Record<string, string | number> = {},
): Promise<Reply> {
  return send(new URL("/v1/traces", collector.otlpEndpoint()), {
    method: "POST",
    body,
    headers: { "content-type": typeof body === "string" ? "application/json" : protobufType, ...headers },
  });
}

async function get(
  collector: Collector,
  path: string,
): Promise<{ status: number; json: never; headers: IncomingHttpHeaders }> {
  const { status, body, headers } = await send(new URL(path, collector.endpoint()));
  return { status, headers, json: JSON.parse(body.toString()) as never };
}

async function listTraces(collector: Collector): Promise<string[]> {
  const { json } = await get(collector, "/api/ui/summaries");
  return (json as { summaries: { traceId: string }[] }).summaries.map((summary) => summary.traceId);
}

test("receives protobuf and JSON, plain and gzip, and answers in kind", () =>
  withCollector(async (collector) => {
    const bodies: [Uint8Array | string, Record<string, string>][] = [
      [protobufOf({ trace: 1, id: 1 }), {}],
      [jsonOf({ trace: 2, id: 1 }), {}],
      [gzipSync(protobufOf({ trace: 3, id: 1 })), { "content-encoding": "gzip" }],
      [
        gzipSync(jsonOf({ trace: 4, id: 1 })),
        { "content-encoding": "gzip", "content-type": "application/json; charset=utf-8" },
      ],
      [protobufOf(), {}],
      ["{}", {}],
    ];
    for (const [body, headers] of bodies) {
      const reply = await post(collector, body, headers);
      assert.equal(reply.status, 200);
      const isJson = reply.headers["content-type"] === "application/json";
      assert.equal(isJson, typeof body === "string" || headers["content-type"] !== undefined);
      // An empty ExportTraceServiceResponse: no partial success.
      assert.equal(reply.body.toString(), isJson ? "{}" : "");
    }
    assert.deepEqual((await listTraces(collector)).sort(), [1, 2, 3, 4].map(traceIdOf));
  }));

test("answers a malformed request with google.rpc.Status in its encoding", () =>
  withCollector(async (collector) => {
    const whole = protobufOf({ trace: 1, id: 1 });
    const protobuf = await post(collector, whole.subarray(0, whole.length - 1));
    assert.equal(protobuf.status, 400);
    assert.equal(protobuf.headers["content-type"], protobufType);
    const message = `the request is malformed: at byte 1: a field of ${whole.length - 2} bytes runs 1 past the end of its message`;
    assert.deepEqual(
      protobuf.body,
      Buffer.concat([Buffer.from([0x08, 3, 0x12, message.length]), Buffer.from(message)]),
    );
    const json = await post(collector, '{"resourceSpans":{}}');
    assert.equal(json.status, 400);
    assert.equal(json.headers["content-type"], "application/json");
    assert.deepEqual(JSON.parse(json.body.toString()), {
      code: 3,
      message: "the request is malformed: request.resourceSpans must be an array, not {}",
    });
    const gzip = await post(collector, "not gzip", { "content-encoding": "gzip" });
    assert.equal(gzip.status, 400);
    assert.match(gzip.body.toString(), /^\{"code":3,"message":"the body is not gzip: incorrect header check"\}$/);
    assert.equal((await post(collector, "x", { "content-type": "text/plain" })).status, 415);
    assert.equal((await post(collector, "x", { "content-encoding": "br" })).status, 415);
    assert.equal((await send(new URL("/v1/traces", collector.otlpEndpoint()))).status, 405);
    assert.equal((await post(collector, jsonOf({ trace: 9, id: 1 }))).status, 200);
    assert.deepEqual(await listTraces(collector), [traceIdOf(9)]);
  }));

test("takes the good spans of a request and says how many were bad", () =>
  withCollector(async (collector) => {
    const json = await post(collector, jsonOf({ trace: 0, id: 1 }, { trace: 1, id: 1 }, { trace: 1, id: 0 }));
    assert.equal(json.status, 200);
    const { partialSuccess } = JSON.parse(json.body.toString());
    assert.equal(partialSuccess.rejectedSpans, "2");
    assert.match(partialSuccess.errorMessage, /^a trace id must be 16 bytes, not all zero, in the span at byte \d+$/);
    const protobuf = await post(collector, protobufOf({ trace: 2, id: 0 }, { trace: 2, id: 1 }));
    assert.equal(protobuf.status, 200);
    // partial_success { rejected_spans: 1, error_message }
    assert.deepEqual([...protobuf.body.subarray(0, 5)], [0x0a, protobuf.body.length - 2, 0x08, 1, 0x12]);
    assert.deepEqual((await listTraces(collector)).sort(), [1, 2].map(traceIdOf));
    const { json: stats } = await get(collector, "/api/ui/stats");
    assert.equal((stats as { rejectedSpans: number }).rejectedSpans, 3);
  }));

test("refuses a body over the limit, before and after decompression", () =>
  withCollector(
    async (collector) => {
      const bomb = gzipSync(Buffer.alloc(1_000_000));
      assert.ok(bomb.length < 10_000);
      const cases: [Uint8Array | string, Record<string, string | number>][] = [
        [Buffer.alloc(10_001), {}],
        ["x".repeat(10_001), { "transfer-encoding": "chunked" }],
        [bomb, { "content-encoding": "gzip" }],
      ];
      for (const [body, headers] of cases) {
        const reply = await post(collector, body, headers);
        assert.equal(reply.status, 413);
        assert.match(reply.body.toString(), /the body is over the limit of 10000 bytes after decompression/);
        assert.equal(reply.headers["content-type"], typeof body === "string" ? "application/json" : protobufType);
      }
      const inTime = await new Promise<IncomingMessage>((resolve, reject) => {
        // Says it will send far more than the limit, and sends nothing.
        const url = new URL("/v1/traces", collector.otlpEndpoint());
        const headers = { "content-type": protobufType, "content-length": 1_000_000_000 };
        const sent = request(url, { method: "POST", headers, agent: false }, (response) => {
          resolve(response);
          sent.destroy();
        });
        sent.on("error", reject);
        sent.flushHeaders();
      });
      assert.equal(inTime.statusCode, 413);
    },
    { bodyLimitBytes: 10_000 },
  ));

test("tells senders to come again when the store has too much waiting, and counts what it dropped", () =>
  withCollector(
    async (collector) => {
      const replies = await Promise.all(
        Array.from({ length: 30 }, (_, index) => post(collector, protobufOf({ trace: index + 1, id: 1 }))),
      );
      const full = replies.filter((reply) => reply.status === 503);
      assert.ok(full.length > 0, "none was refused");
      for (const reply of full) {
        assert.equal(reply.headers["retry-after"], "1");
        assert.deepEqual([...reply.body.subarray(0, 2)], [0x08, 14]);
      }
      const { json } = await get(collector, "/api/ui/stats");
      const { spans, droppedSpans } = json as { spans: number; droppedSpans: number };
      assert.deepEqual([spans, droppedSpans], [30 - full.length, full.length]);
    },
    { maxWaitingBytes: 1 },
  ));

test("tells senders to come again when the store cannot write", () =>
  withFolder(async (folder) => {
    const data = join(folder, "traces.db");
    const collector = new Collector({ address: "127.0.0.1:0", otlpAddress: "127.0.0.1:0", data });
    await collector.start();
    const other = new DatabaseSync(data);
    other.exec("ALTER TABLE span RENAME TO moved");
    const refused = await post(collector, jsonOf({ trace: 1, id: 1 }));
    assert.equal(refused.status, 503);
    assert.equal(refused.headers["retry-after"], "1");
    assert.deepEqual(JSON.parse(refused.body.toString()), {
      code: 14,
      message: "the trace store cannot write; send again later",
    });
    other.exec("ALTER TABLE moved RENAME TO span");
    other.close();
    assert.equal((await post(collector, jsonOf({ trace: 1, id: 1 }))).status, 200);
    assert.deepEqual(await listTraces(collector), [traceIdOf(1)]);
    await collector.stop(AbortSignal.timeout(5000));
  }));

test("lets pages of this machine send spans, and no others", () =>
  withCollector(async (collector) => {
    const url = new URL("/v1/traces", collector.otlpEndpoint());
    const preflight = (origin: string): Promise<Reply> =>
      send(url, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "content-type,traceparent",
        },
      });
    const local = await preflight("http://localhost:3000");
    assert.equal(local.status, 204);
    assert.equal(local.headers["access-control-allow-origin"], "http://localhost:3000");
    assert.equal(local.headers["access-control-allow-headers"], "content-type, traceparent");
    const foreign = await preflight("https://evil.example");
    assert.equal(foreign.headers["access-control-allow-origin"], undefined);
    const sent = await post(collector, jsonOf({ trace: 1, id: 1 }), { origin: "http://localhost:3000" });
    assert.equal(sent.headers["access-control-allow-origin"], "http://localhost:3000");
    assert.equal(sent.headers.vary, "Origin");
    const read = await send(new URL("/api/services", collector.endpoint()), {
      headers: { origin: "http://localhost:3000" },
    });
    assert.equal(read.headers["access-control-allow-origin"], undefined);
  }));

test("answers over the loopback only to names of this machine", () =>
  withCollector(
    async (collector) => {
      const ask = async (host: string): Promise<number> =>
        (await send(new URL("/api/services", collector.endpoint()), { headers: { host } })).status;
      const { port } = collector.endpoint();
      assert.equal(await ask(`localhost:${port}`), 200);
      assert.equal(await ask(`127.0.0.1:${port}`), 200);
      assert.equal(await ask("traces.example"), 200);
      assert.equal(await ask(`evil.example:${port}`), 403);
      assert.equal(await ask("127.0.0.1.evil.example"), 403);
      const refused = await post(collector, jsonOf({ trace: 1, id: 1 }), { host: "evil.example" });
      assert.equal(refused.status, 403);
    },
    { allowedHosts: ["traces.example"] },
  ));

test("speaks Jaeger's JSON", () =>
  withCollector(
    async (collector) => {
      await post(
        collector,
        protobufOf(
          { trace: 1, id: 1, name: "/user.v1.User/List", ms: 40, attributes: { "user.id": "1" } },
          { trace: 1, id: 2, parent: 1, kind: 3, name: "/message.v1.Message/List", at: 1, ms: 20 },
          {
            trace: 1,
            id: 3,
            parent: 2,
            service: "message",
            name: "/message.v1.Message/List",
            at: 2,
            ms: 10,
            isError: true,
          },
          { trace: 2, id: 1, name: "/user.v1.User/Get", at: 100_000, ms: 1 },
        ),
      );
      const wrap = (data: unknown, total = 0): object => ({ data, total, limit: 0, offset: 0, errors: null });
      const jaeger = async (path: string): Promise<object> => (await get(collector, path)).json;
      assert.deepEqual(await jaeger("/api/services"), wrap(["message", "user"], 2));
      assert.deepEqual(
        await jaeger("/api/services/user/operations"),
        wrap(["/message.v1.Message/List", "/user.v1.User/Get", "/user.v1.User/List"], 3),
      );
      assert.deepEqual(await jaeger("/api/services/nobody/operations"), wrap([], 0));
      assert.deepEqual(
        await jaeger("/api/operations?service=user&spanKind=client"),
        wrap([{ name: "/message.v1.Message/List", spanKind: "client" }], 1),
      );
      const end = T0_MS + 200_000;
      assert.deepEqual(
        await jaeger(`/api/dependencies?endTs=${end}&lookback=300000`),
        wrap([{ parent: "user", child: "message", callCount: 1 }], 1),
      );
      assert.deepEqual(
        await jaeger("/api/dependencies"),
        wrap([{ parent: "user", child: "message", callCount: 1 }], 1),
      );
      assert.deepEqual(await jaeger(`/api/dependencies?endTs=${T0_MS - 1}`), wrap([], 0));

      const one = await jaeger(`/api/traces/${traceIdOf(2)}`);
      const tags = [
        { key: "otel.scope.name", type: "string", value: "test" },
        { key: "otel.scope.version", type: "string", value: "1" },
        { key: "span.kind", type: "string", value: "server" },
      ];
      assert.deepEqual(
        one,
        wrap([
          {
            traceID: traceIdOf(2),
            spans: [
              {
                traceID: traceIdOf(2),
                spanID: spanIdOf(1),
                operationName: "/user.v1.User/Get",
                references: [],
                startTime: (T0_MS + 100_000) * 1000,
                duration: 1000,
                tags,
                logs: [],
                processID: "p1",
                warnings: null,
              },
            ],
            processes: { p1: { serviceName: "user", tags: [] } },
            warnings: null,
          },
        ]),
      );
      // Short ids are padded, as Jaeger does.
      assert.deepEqual(await jaeger("/api/traces/2"), one);

      const found = async (query: string): Promise<string[]> => {
        const { data } = (await jaeger(`/api/traces?${query}`)) as { data: { traceID: string }[] };
        return data.map((trace) => trace.traceID.slice(-1));
      };
      const cases: [string, string[]][] = [
        ["service=user", ["2", "1"]],
        ["service=user&limit=1", ["2"]],
        ["service=message", ["1"]],
        ["service=user&operation=/user.v1.User/List", ["1"]],
        ["service=message&operation=/user.v1.User/List", []],
        ["service=user&minDuration=30ms", ["1"]],
        ["service=message&minDuration=30ms", []],
        ["service=user&maxDuration=1ms", ["2"]],
        [`service=user&tags=${encodeURIComponent('{"user.id":"1"}')}`, ["1"]],
        [`tags=${encodeURIComponent('{"error":"true"}')}`, ["1"]],
        ["tag=user.id:1", ["1"]],
        ["tag=user.id:1&tag=error:true", []],
        [`start=${(T0_MS + 1) * 1000}&end=${end * 1000}`, ["2"]],
        [`end=${(T0_MS + 1) * 1000}`, ["1"]],
        ["lookback=1m", []],
        ["lookback=1h&service=user", ["2", "1"]],
        ["lookback=custom", ["2", "1"]],
        [`traceID=${traceIdOf(1)}&traceID=2`, ["1", "2"]],
      ];
      for (const [query, ids] of cases) assert.deepEqual(await found(query), ids, query);

      const unknown = await get(collector, "/api/traces/abc");
      assert.equal(unknown.status, 404);
      assert.deepEqual(unknown.json, { ...wrap(null), errors: [{ code: 404, msg: "trace not found" }] });
      for (const path of [
        "/api/traces/xyz",
        "/api/traces?tags=x",
        "/api/traces?minDuration=5",
        "/api/traces?limit=x",
        "/api/dependencies?endTs=x",
      ]) {
        const wrong = await get(collector, path);
        assert.equal(wrong.status, 400, path);
        assert.match(JSON.stringify(wrong.json), /"data":null.*"errors":\[\{"code":400,"msg":".* must be /, path);
      }
      const parts = (await jaeger("/api/traces?traceID=1&traceID=77")) as { data: unknown[]; errors: unknown };
      assert.equal(parts.data.length, 1);
      assert.deepEqual(parts.errors, [{ code: 404, msg: "trace not found", traceID: traceIdOf(0x77) }]);
    },
    { now: () => T0_MS + 30 * 60_000 },
  ));

test("answers the UI: summaries by page and filter, skeletons, spans, errors in the error shape", () =>
  withCollector(async (collector) => {
    const attributes = { "http.request.method": "GET", "url.path": "/v1/users/1/messages" };
    await post(
      collector,
      protobufOf(
        { trace: 1, id: 1, name: "/user.v1.User/List", ms: 40, attributes },
        { trace: 1, id: 2, parent: 1, service: "message", at: 2, ms: 10, isError: true },
        { trace: 2, id: 2, parent: 1, at: 50, ms: 5 },
        { trace: 3, id: 1, at: 60, ms: 5 },
      ),
    );
    const { json: page, headers } = await get(collector, "/api/ui/summaries?limit=2");
    assert.equal(headers["cache-control"], "no-store");
    const { summaries, next } = page as { summaries: { traceId: string; complete: boolean }[]; next: string };
    assert.deepEqual(
      summaries.map(({ traceId, complete }) => [traceId, complete]),
      [
        [traceIdOf(3), true],
        [traceIdOf(2), false],
      ],
    );
    assert.deepEqual((await get(collector, `/api/ui/summaries?limit=2&before=${encodeURIComponent(next)}`)).json, {
      summaries: [
        {
          traceId: traceIdOf(1),
          rootService: "user",
          rootOperation: "/user.v1.User/List",
          path: "GET /v1/users/1/messages",
          startMs: T0_MS,
          durationMs: 40,
          spanCount: 2,
          errorCount: 1,
          services: [
            { name: "user", spanCount: 1, errorCount: 0 },
            { name: "message", spanCount: 1, errorCount: 1 },
          ],
          complete: true,
        },
      ],
      next: null,
    });
    const found = async (query: string): Promise<number> =>
      ((await get(collector, `/api/ui/summaries?${query}`)).json as { summaries: unknown[] }).summaries.length;
    assert.equal(await found("errors=true"), 1);
    assert.equal(await found("service=message"), 1);
    assert.equal(await found("operation=op"), 3);
    assert.equal(await found("minDurationMs=5&maxDurationMs=30"), 2);
    assert.equal(await found("tag=url.path:/v1/users/1/messages"), 1);
    assert.equal(await found("tag=url.path:/v1/users/1/messages&tag=error:true"), 0);

    const { json: skeleton } = await get(collector, `/api/ui/traces/${traceIdOf(1)}`);
    assert.deepEqual(skeleton, {
      traceId: traceIdOf(1),
      startMs: T0_MS,
      durationMs: 40,
      services: (skeleton as { services: string[] }).services,
      operations: (skeleton as { operations: string[] }).operations,
      spans: {
        spanId: [spanIdOf(1), spanIdOf(2)],
        parent: [-1, 0],
        service: ["user", "message"].map((name) => (skeleton as { services: string[] }).services.indexOf(name)),
        operation: ["/user.v1.User/List", "op"].map((name) =>
          (skeleton as { operations: string[] }).operations.indexOf(name),
        ),
        startUs: [0, 2000],
        durationUs: [40_000, 10_000],
        kind: [2, 2],
        error: [0, 1],
      },
    });
    assert.deepEqual((await get(collector, `/api/ui/traces/${traceIdOf(1)}/spans/${spanIdOf(2)}`)).json, {
      spanId: spanIdOf(2),
      parentSpanId: spanIdOf(1),
      service: "message",
      operation: "op",
      kind: 2,
      startMs: T0_MS + 2,
      durationMs: 10,
      status: { code: 2, message: "no" },
      attributes: [],
      events: [],
      links: [],
      resource: [{ key: "service.name", value: "message" }],
      scope: { name: "test", version: "1" },
    });
    const root = (await get(collector, `/api/ui/traces/1/spans/${spanIdOf(1)}`)).json as { parentSpanId: null };
    assert.equal(root.parentSpanId, null);

    const failures: [string, number, string][] = [
      ["/api/ui/traces/77", 404, "TRACE_NOT_FOUND"],
      ["/api/ui/traces/xyz", 400, "INVALID_ARGUMENT"],
      [`/api/ui/traces/1/spans/${spanIdOf(9)}`, 404, "SPAN_NOT_FOUND"],
      ["/api/ui/traces/1/spans/9", 400, "INVALID_ARGUMENT"],
      ["/api/ui/summaries?before=x", 400, "INVALID_ARGUMENT"],
      ["/api/ui/summaries?minDurationMs=x", 400, "INVALID_ARGUMENT"],
      ["/api/nothing", 404, "NOT_FOUND"],
    ];
    for (const [path, status, reason] of failures) {
      const reply = await get(collector, path);
      assert.deepEqual([reply.status, (reply.json as { reason: string }).reason], [status, reason], path);
    }
  }));

/** The events of a text/event-stream, as they come. */
async function* readEvents(response: Response): AsyncGenerator<{ event: string; data: unknown }> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const match = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end));
      text = text.slice(end + 2);
      if (match !== null) yield { event: match[1]!, data: JSON.parse(match[2]!) };
    }
  }
}

test(
  "the tail brings stats, new traces and growing ones, and ends when the collector stops",
  { timeout: 300_000 },
  () =>
    withFolder(async (folder) => {
      const collector = new Collector({
        address: "127.0.0.1:0",
        otlpAddress: "127.0.0.1:0",
        data: join(folder, "traces.db"),
      });
      await collector.start();
      const response = await fetch(new URL("/api/ui/tail", collector.endpoint()));
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      const events = readEvents(response);
      const nextSummary = async (): Promise<{ traceId: string; spanCount: number }> => {
        for (;;) {
          const { value } = await events.next();
          if (value!.event === "summary") return value!.data as { traceId: string; spanCount: number };
        }
      };
      const first = await events.next();
      assert.equal(first.value!.event, "stats");
      await post(collector, protobufOf({ trace: 5, id: 1 }));
      const created = await nextSummary();
      assert.deepEqual([created.traceId, created.spanCount], [traceIdOf(5), 1]);
      await post(collector, protobufOf({ trace: 5, id: 2, parent: 1 }));
      assert.equal((await nextSummary()).spanCount, 2);
      await collector.stop(AbortSignal.timeout(20_000));
      for await (const { event } of events) assert.equal(event, "stats");
    }),
);

test("keeps its spans over a restart", () =>
  withFolder(async (folder) => {
    const options = { address: "127.0.0.1:0", otlpAddress: "127.0.0.1:0", data: join(folder, "traces.db") };
    const first = new Collector(options);
    await first.start();
    await post(first, protobufOf({ trace: 1, id: 1 }));
    await first.stop(AbortSignal.timeout(5000));
    const second = new Collector(options);
    await second.start();
    await post(second, protobufOf({ trace: 1, id: 2, parent: 1 }));
    const { json } = await get(second, "/api/ui/summaries");
    assert.equal((json as { summaries: { spanCount: number }[] }).summaries[0]!.spanCount, 2);
    await second.stop(AbortSignal.timeout(5000));
  }));

test("a start that fails leaves nothing open", () =>
  withCollector(async (running) =>
    withFolder(async (folder) => {
      const data = join(folder, "traces.db");
      const otlpAddress = "127.0.0.1:0";
      const taken = new Collector({ address: running.endpoint().host, otlpAddress, data });
      await assert.rejects(taken.start(), { code: "CLEW_TRANSPORT_ADDRESS_IN_USE" });
      await assert.rejects(new Collector({ address: "nowhere", otlpAddress, data }).start(), {
        code: "CLEW_TRANSPORT_ADDRESS",
      });
      await assert.rejects(new Collector({ address: otlpAddress, otlpAddress, data: folder }).start(), {
        code: "CLEW_STORE_OPEN",
      });
      assert.throws(() => taken.endpoint(), { code: "CLEW_COLLECTOR_NOT_STARTED" });
      await assert.rejects(taken.start(), { code: "CLEW_COLLECTOR_STARTED" });
      await taken.stop(AbortSignal.timeout(1000));
      assert.throws(() => new Collector({ bodyLimitBytes: 0 }), { code: "CLEW_COLLECTOR_OPTION" });
    }),
  ));

test("OTLP over gRPC: spans are taken, bad ones refused in part, and what is no request for good", async () => {
  await withCollector(
    async (collector) => {
      const endpoint = collector.otlpGrpcEndpoint()!.href;
      const client = new GrpcClient({ endpoint, codec: rawCodec });
      const { export: call, [Symbol.asyncDispose]: close } = createServiceClient(TraceService, client, {
        timeoutMs: 60_000,
      });
      const request = (bytes: Uint8Array) => toRawMessage(TraceService.method.export.input, bytes);
      try {
        const reply = await call(request(protobufOf({ trace: 1, id: 1 })));
        assert.equal((reply as unknown as RawMessage).bytes.length, 0);
        const partial = await call(request(protobufOf({ trace: 2, id: 1 }, { trace: 0, id: 2 })));
        assert.equal(decodePartialSuccess((partial as unknown as RawMessage).bytes)?.rejectedSpans, 1);
        await assert.rejects(Promise.resolve(call(request(Buffer.from([0x0a, 0xff])))), {
          code: 400,
          message: /malformed/,
        });
      } finally {
        await close();
      }
      const { body } = await send(`${collector.endpoint().origin}/api/services`);
      assert.deepEqual((JSON.parse(body.toString()) as { data: unknown }).data, ["user"]);
    },
    { otlpGrpcAddress: "127.0.0.1:0" },
  );
});
