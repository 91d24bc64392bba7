// The status of a reply that is no error, as the span, the line and the measurement of its call have it.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { type Attributes, createNoopMeter, type MeterProvider, SpanStatusCode } from "@opentelemetry/api";
import { createLogger, HttpServer, logging, type Middleware, ServiceError, service, tracing } from "clew";
import { Redirect, redirect, setStatus } from "clew/http";
import { metrics } from "clew/middleware";
import { type SpanData, TracerProvider } from "clew/trace";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";

const spans: SpanData[] = [];
const lines: Record<string, unknown>[] = [];
const measured: Attributes[] = [];
const tracerProvider = new TracerProvider({
  processor: { onStart() {}, onEnd: (span) => spans.push(span), async forceFlush() {}, async shutdown() {} },
});
const logger = createLogger({ destination: { write: (line) => lines.push(JSON.parse(line)) }, pretty: false });
const meter = Object.assign(createNoopMeter(), {
  createHistogram: () => ({ record: (_seconds: number, attributes: Attributes = {}) => measured.push(attributes) }),
});
const meterProvider: MeterProvider = { getMeter: () => meter };

const sendAway: Middleware = (next) => async (call) => {
  if (call.metadata.get("x-away") !== undefined) throw new Redirect("/elsewhere", 307);
  return next(call);
};
const server = new HttpServer({
  address: "127.0.0.1:0",
  timeoutMs: 60_000,
  middleware: [tracing({ tracerProvider }), logging({ logger }), metrics({ meterProvider }), sendAway],
  services: [
    service(Greeter, {
      sayHello({ name }, call) {
        if (name === "away") return redirect(call, "/elsewhere");
        if (name === "gone") throw new ServiceError(410, "GONE", "gone");
        if (name !== "") setStatus(call, Number(name));
        return {};
      },
      sayAll: async () => ({}),
      async *repeat() {},
      async *chat() {},
    }),
  ],
  routes: [{ verb: "GET", path: "/raw", handle: (_request, response) => void response.writeHead(202).end() }],
});

before(() => server.start());
after(() => server.stop(AbortSignal.abort()));
beforeEach(() => {
  for (const list of [spans, lines, measured]) list.length = 0;
});

async function check(status: number, request: () => Promise<Response>, reason = ""): Promise<void> {
  assert.equal((await request()).status, status);
  const isError = status >= 400;
  const [span] = spans;
  assert.ok(span !== undefined && spans.length === 1);
  // Names and values in turn.
  assert.equal(span.attributes[span.attributes.indexOf("http.response.status_code") + 1], status);
  // What the caller did wrong is no error of the server's, in its span as in what it measures.
  assert.equal(span.statusCode, SpanStatusCode.UNSET);
  const [line] = lines;
  assert.deepEqual([line?.level, line?.code, line?.reason], [isError ? "warn" : "info", status, reason]);
  assert.equal(measured[0]?.["http.response.status_code"], status);
  assert.equal(measured[0]?.["error.type"], undefined);
}

function hello(name: string, headers: Record<string, string> = {}): () => Promise<Response> {
  const operation = `/${Greeter.typeName}/SayHello`;
  return () =>
    fetch(new URL(operation, server.endpoint()), {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ name }),
      redirect: "manual",
    });
}

test("200 when nobody says anything else", () => check(200, hello("")));
test("201", () => check(201, hello("201")));
test("204", () => check(204, hello("204")));
test("200 once more: one call's status is not the next one's", () => check(200, hello("")));
test("a redirect that a method returns", () => check(302, hello("away")));
test("a redirect that a middleware throws is no error", () => check(307, hello("", { "x-away": "1" })));
test("what a raw route writes", () => check(202, () => fetch(new URL("/raw", server.endpoint()))));
test("an error has its code", () => check(410, hello("gone"), "GONE"));
