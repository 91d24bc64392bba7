import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type Message } from "@bufbuild/protobuf";
import { current, runHolder } from "@clew/context";
import { type Call, type Handler, type Reply, ServiceError } from "@clew/rpc";
import { alwaysOff, findAttribute, type SpanData, TracerProvider, type TracerProviderOptions } from "@clew/trace";
import { createPropagator } from "@clew/trace/otel";
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { HelloSchema } from "../../rpc/test/gen/rpc_test_pb.ts";
import { TestCall } from "../test/test-call.ts";
import { retry } from "./retry.ts";
import { tracing } from "./tracing.ts";

/** The middleware over a provider that keeps what has ended. */
function createTracing(options: TracerProviderOptions = {}) {
  const spans: SpanData[] = [];
  const tracerProvider = new TracerProvider({
    ...options,
    processor: { onStart() {}, onEnd: (span) => spans.push(span), async forceFlush() {}, async shutdown() {} },
  });
  return { spans, middleware: tracing({ tracerProvider, propagator: createPropagator() }) };
}

const hello = create(HelloSchema, { name: "ann" });
const answer: Handler = async () => hello;
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const traceparent = `00-${traceId}-${parentId}-01`;

test("a server's span continues the caller's trace and is active in the handler", async () => {
  const { spans, middleware } = createTracing();
  const call = new TestCall("server", { traceparent });
  let active = "";
  const handler: Handler = async () => {
    await null;
    active = trace.getSpan(current())?.spanContext().spanId ?? "";
    return hello;
  };
  assert.equal(await runHolder(call, middleware(handler), call), hello);
  const [span] = spans;
  assert.ok(span);
  assert.equal(span.name, "/rpc.test.Greeter/SayHello");
  assert.equal(span.kind, SpanKind.SERVER);
  assert.equal(span.traceId, traceId);
  assert.equal(span.parentSpanId, parentId);
  assert.equal(span.spanId, active);
  assert.equal(span.statusCode, SpanStatusCode.UNSET);
  assert.equal(findAttribute(span.attributes, "rpc.method"), "rpc.test.Greeter/SayHello");
  assert.equal(findAttribute(span.attributes, "rpc.status_code"), "OK");
  assert.equal(findAttribute(span.attributes, "network.peer.address"), "10.0.0.5");
  assert.equal(findAttribute(span.attributes, "network.peer.port"), 9000);
});

test("inside of a retry every try is a span, which tells how many came before", async () => {
  const { spans, middleware } = createTracing();
  const call = new TestCall("client");
  let tries = 0;
  const handler: Handler = async () => {
    if (++tries < 3) throw new ServiceError(503, "UNAVAILABLE", "gone");
    return hello;
  };
  const chain = retry({ backoffMs: 0, isIdempotent: () => true })(middleware(handler));
  await runHolder(call, chain, call);
  assert.deepEqual(
    spans.map(({ attributes }) => findAttribute(attributes, "http.request.resend_count")),
    [undefined, 1, 2],
  );
});

test("a malformed traceparent is a new trace and never an error", async () => {
  for (const given of ["", "00-xyz", `00-${"0".repeat(32)}-${parentId}-01`, `ff-${traceId}-${parentId}-01`]) {
    const { spans, middleware } = createTracing();
    const call = new TestCall("server", { traceparent: given });
    await runHolder(call, middleware(answer), call);
    assert.match(spans[0]?.traceId ?? "", /^[0-9a-f]{32}$/);
    assert.notEqual(spans[0]?.traceId, traceId);
    assert.equal(spans[0]?.parentSpanId, "");
  }
});

test("a client's span is a child of the active one and goes out with the call; side by side they do not mix", async () => {
  const { spans, middleware } = createTracing();
  const sent: (string | undefined)[] = [];
  const callOut = async (): Promise<void> => {
    const call = new TestCall("client", {}, current());
    await middleware(async (outgoing: Call) => {
      await null;
      sent.push(outgoing.metadata.get("traceparent"));
      return hello;
    })(call);
  };
  const server = new TestCall("server", { traceparent });
  await runHolder(
    server,
    middleware(async () => {
      await Promise.all([callOut(), callOut()]);
      return hello;
    }),
    server,
  );
  const [one, two, root] = spans;
  assert.ok(one && two && root);
  assert.equal(one.kind, SpanKind.CLIENT);
  assert.deepEqual([one.parentSpanId, two.parentSpanId], [root.spanId, root.spanId]);
  assert.deepEqual(sent.toSorted(), [one, two].map(({ spanId }) => `00-${traceId}-${spanId}-01`).toSorted());
  assert.equal(findAttribute(one.attributes, "server.address"), "10.0.0.5");
});

test("an error marks the span with its reason, its status and the exception that caused it", async () => {
  const { spans, middleware } = createTracing();
  const error = new ServiceError(404, "USER_NOT_FOUND", "no user", { cause: new RangeError("9 of 3") });
  const fail: Handler = async () => {
    throw error;
  };
  await assert.rejects(middleware(fail)(new TestCall("server")), (thrown) => thrown === error);
  const [span] = spans;
  assert.equal(span?.statusCode, SpanStatusCode.ERROR);
  assert.equal(span.statusMessage, "no user");
  assert.equal(findAttribute(span.attributes, "error.type"), "USER_NOT_FOUND");
  assert.equal(findAttribute(span.attributes, "rpc.status_code"), "NOT_FOUND");
  assert.equal(findAttribute(span.events[0]?.attributes ?? [], "exception.type"), "RangeError");
});

test("a stream's span ends with the stream, with the error that ended it", async () => {
  const { spans, middleware } = createTracing();
  async function* stream(): AsyncIterable<Message> {
    yield hello;
    throw new ServiceError(409, "TAKEN", "taken");
  }
  const reply: Reply = await middleware(async () => stream())(new TestCall("server"));
  assert.equal(spans.length, 0);
  await assert.rejects(async () => {
    for await (const _ of reply as AsyncIterable<Message>);
  });
  assert.equal(spans.length, 1);
  assert.equal(spans[0]?.statusCode, SpanStatusCode.ERROR);
});

test("a call that is not sampled makes no span, and its trace still crosses the wire as not sampled", async () => {
  const { spans, middleware } = createTracing({ sampler: alwaysOff });
  const call = new TestCall("client");
  await middleware(answer)(call);
  assert.equal(spans.length, 0);
  assert.match(call.metadata.get("traceparent") ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[02]$/);
});

test("addresses of IPv6 and of unix sockets are told as they are", async () => {
  for (const [peer, address, port] of [
    ["[::1]:9000", "::1", 9000],
    ["/run/app.sock", "/run/app.sock", undefined],
    ["", undefined, undefined],
  ] as const) {
    const { spans, middleware } = createTracing();
    const call = new TestCall("server");
    call.peer = { address: peer };
    await middleware(answer)(call);
    assert.equal(findAttribute(spans[0]?.attributes ?? [], "network.peer.address"), address);
    assert.equal(findAttribute(spans[0]?.attributes ?? [], "network.peer.port"), port);
  }
});
