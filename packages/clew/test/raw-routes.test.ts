// A raw route with the real middleware around it: one span, one line, one measurement, and who calls is known.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { type Attributes, createNoopMeter, type MeterProvider } from "@opentelemetry/api";
import {
  createClient,
  createLogger,
  HttpServer,
  jwt,
  logging,
  metadata,
  recovery,
  ServiceError,
  service,
  tracing,
  validate,
} from "clew";
import type { Route } from "clew/http";
import { currentClaims, metrics, rateLimit, timeout, tokenBucket } from "clew/middleware";
import { type SpanData, TracerProvider } from "clew/trace";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";

const spans: SpanData[] = [];
const lines: Record<string, unknown>[] = [];
const measured: Attributes[] = [];
const provider = new TracerProvider({
  processor: { onStart() {}, onEnd: (span) => spans.push(span), async forceFlush() {}, async shutdown() {} },
});
const logger = createLogger({ destination: { write: (line) => lines.push(JSON.parse(line)) }, pretty: false });
const meter = Object.assign(createNoopMeter(), {
  createHistogram: (name: string) => ({
    record: (_seconds: number, attributes: Attributes = {}) => {
      if (name === "http.server.request.duration") measured.push(attributes);
    },
  }),
});
const meterProvider: MeterProvider = { getMeter: () => meter };
const key = "a secret that both sides know, 32 bytes or more";

const backend = new HttpServer({
  address: "127.0.0.1:0",
  timeoutMs: 60_000,
  middleware: [tracing()],
  services: [
    service(Greeter, {
      sayHello: ({ name }) => ({ name: `Hello ${name}` }),
      sayAll: async () => ({}),
      async *repeat() {},
      async *chat() {},
    }),
  ],
});
let server: HttpServer;
const token = sign({ sub: "ann" });
const stops: (() => Promise<void>)[] = [];

/** A JWT, HS256. */
function sign(claims: object): string {
  const parts = [{ alg: "HS256" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  return [...parts, createHmac("sha256", key).update(parts.join(".")).digest("base64url")].join(".");
}

before(async () => {
  provider.register();
  await backend.start();
  const client = createClient(Greeter, {
    endpoint: backend.endpoint().href,
    middleware: [tracing(), metadata()],
    timeoutMs: 60_000,
  });
  stops.push(
    () => client[Symbol.asyncDispose](),
    () => backend.stop(AbortSignal.timeout(2000)),
  );
  const routes: Route[] = [
    {
      verb: "GET",
      path: "/users/{id}",
      handle: async (_request, response, { id }) => {
        logger.info("in the handler");
        const { name } = await client.sayHello({ name: id! });
        response.end(`${name}, asked by ${currentClaims()?.sub}`);
      },
    },
    {
      verb: "GET",
      path: "/missing",
      handle: (_request, response) => void response.writeHead(404).end("no such thing"),
    },
    {
      verb: "GET",
      path: "/mistake",
      handle: () => {
        throw new TypeError("secret.table is not a function");
      },
    },
    { verb: "GET", path: "/taken", handle: () => Promise.reject(new ServiceError(409, "TAKEN", "it is taken")) },
    { verb: "GET", path: "/hangs", handle: () => new Promise(() => {}), operation: "hangs" },
    { verb: "GET", path: "/open", handle: (_request, response) => void response.end("open"), middleware: false },
  ];
  server = new HttpServer({
    address: "127.0.0.1:0",
    routes,
    middleware: [
      tracing(),
      metrics({ meterProvider }),
      logging({ logger, args: true }),
      recovery({ logger }),
      metadata(),
      jwt({ key }),
      rateLimit(),
      tokenBucket({ rate: 1000, burst: 1000 }),
      timeout({ timeoutMs: 60_000, operations: { hangs: 100 } }),
      validate(),
    ],
  });
  await server.start();
  stops.push(() => server.stop(AbortSignal.timeout(2000)));
});

after(async () => {
  for (const stop of stops.toReversed()) await stop();
  await provider.shutdown();
});

async function ask(path: string, headers: Record<string, string> = { authorization: `Bearer ${token}` }) {
  spans.length = lines.length = measured.length = 0;
  const response = await fetch(new URL(path, server.endpoint()), { headers });
  return { status: response.status, text: await response.text() };
}

/** What the middleware knew at the end, each once. */
function told() {
  const mine = spans.filter(({ kind, name }) => kind === 1 && !name.startsWith("/"));
  const written = lines.filter(({ msg }) => msg === "server request");
  assert.deepEqual([mine.length, written.length, measured.length], [1, 1, 1]);
  const { operation, code, reason } = written[0]!;
  return { span: mine[0]!, line: [operation, code, reason], attributes: measured[0]! };
}

test("a raw route is traced, logged, measured and guarded, and clients in it go on with its trace", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { status, text } = await ask("/users/7", { authorization: `Bearer ${token}`, traceparent });
  assert.deepEqual([status, text], [200, "Hello 7, asked by ann"]);
  const { span, line, attributes } = told();
  assert.equal(span.name, "GET /users/{id}");
  assert.equal(span.parentSpanId, "b7ad6b7169203331");
  assert.deepEqual(line, ["GET /users/{id}", 200, ""]);
  assert.deepEqual([attributes["http.route"], attributes["http.response.status_code"]], ["/users/{id}", 200]);
  assert.deepEqual(new Set(spans.map(({ traceId }) => traceId)), new Set(["0af7651916cd43dd8448eb211c80319c"]));
  assert.equal(spans.length, 3);
  assert.equal(lines.find(({ msg }) => msg === "in the handler")?.span_id, span.spanId);
});

test("an error of a raw route is told as one, whoever wrote it", async () => {
  assert.deepEqual(await ask("/missing"), { status: 404, text: "no such thing" });
  assert.deepEqual(told().line, ["GET /missing", 404, ""]);
  assert.equal((await ask("/taken")).status, 409);
  assert.deepEqual(told().line, ["GET /taken", 409, "TAKEN"]);
  assert.equal(told().attributes["http.response.status_code"], 409);
});

test("a mistake of a raw route tells the caller nothing, and the log everything, once", async () => {
  const { status, text } = await ask("/mistake");
  assert.equal(status, 500);
  assert.doesNotMatch(text, /secret/);
  assert.deepEqual(told().line, ["GET /mistake", 500, "UNKNOWN"]);
  assert.equal(lines.filter(({ msg }) => msg === "handler failed").length, 1);
});

test("who is nobody does not come in; a route without middleware is open", async () => {
  const { status, text } = await ask("/users/7", {});
  assert.deepEqual([status, (JSON.parse(text) as { reason: string }).reason], [401, "UNAUTHORIZED"]);
  assert.deepEqual(told().line, ["GET /users/{id}", 401, "UNAUTHORIZED"]);
  assert.deepEqual(await ask("/open", {}), { status: 200, text: "open" });
  assert.equal(spans.length, 0);
});

test("a timeout for a raw route ends it with 504", async () => {
  const { status } = await ask("/hangs");
  assert.equal(status, 504);
  assert.deepEqual(told().line, ["hangs", 504, "GATEWAY_TIMEOUT"]);
});
