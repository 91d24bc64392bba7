import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { current, runHolder } from "@clew/context";
import { type Call, type Handler, ServiceError } from "@clew/rpc";
import { alwaysOff, findAttribute, type Sampler } from "@clew/trace";
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, drain, hello, stream } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { attributesOf, createTracing } from "../test/trace-call.ts";
import { retry } from "./retry.ts";
import { type TracingOptions, tracing } from "./tracing.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const traceparent = `00-${traceId}-${parentId}-01`;

test("a server's span continues the caller's trace and is active in the handler", async () => {
  const { spans, middleware } = createTracing();
  const call = new TestCall("server", { traceparent, "x-md-service-name": "orders" });
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
  assert.equal(findAttribute(span.attributes, "service.peer.name"), "orders");
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

test("a span begins when its call did", async () => {
  const { spans, middleware } = createTracing();
  const call = new TestCall("server");
  const before = Date.now() * 1000 - performance.now() * 1000;
  // A tenth of a second before the span could be made.
  while (performance.now() < call.startMs + 100);
  await runHolder(call, middleware(answer), call);
  const { startUs, endUs } = spans[0]!;
  assert.ok(endUs - startUs >= 100_000, `${endUs - startUs} us`);
  assert.ok(Math.abs(startUs - (before + call.startMs * 1000)) < 60_000_000);
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

test("a stream's span ends with the stream, with the error that ended it", async () => {
  const { spans, middleware } = createTracing();
  const reply = await middleware(async () => stream(new ServiceError(503, "GONE", "gone")))(new TestCall("server"));
  assert.equal(spans.length, 0);
  await assert.rejects(drain(reply));
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

test("a message that goes unread has no size, and one that comes after the end changes nothing", async () => {
  const { spans, middleware } = createTracing({}, { messageSizes: true, messageEvents: true });
  const call = new TestCall("server");
  await middleware(answer)(call);
  call.passMessage("sent", hello as Message);
  const found = attributesOf(spans[0]);
  assert.deepEqual([found["rpc.request.size"], found["rpc.response.size"]], [undefined, 5]);
  assert.deepEqual(spans[0]?.events, []);
});

test("one middleware serves methods and transports in turn, each with its own attributes", async () => {
  const { spans, middleware } = createTracing();
  const handler = middleware(answer);
  for (const [side, method] of [
    ["server", Greeter.method.sayHello],
    ["server", Greeter.method.repeat],
    ["client", Greeter.method.sayAll],
    ["server", Greeter.method.sayHello],
  ] as const) {
    const call = new TestCall(side, {}, undefined, method);
    await handler(call);
    const span = spans.at(-1);
    assert.equal(span?.name, call.operation);
    assert.equal(span.kind, side === "server" ? SpanKind.SERVER : SpanKind.CLIENT);
    assert.equal(attributesOf(span)["rpc.method"], call.operation.slice(1));
  }
});

test("the trace header tells the trace, recorded or not, and only in a server's reply", async () => {
  for (const traceHeader of [true, "X-Trace-Id"]) {
    for (const options of [{}, { sampler: alwaysOff }]) {
      const { middleware } = createTracing(options, { traceHeader });
      const call = new TestCall("server", { traceparent });
      await middleware(answer)(call);
      assert.equal(call.replyMetadata.get("x-trace-id"), traceId);
      const client = new TestCall("client");
      await middleware(answer)(client);
      assert.equal(client.givenReplyMetadata, undefined);
    }
  }
});

test("an option that does not work is told", () => {
  for (const options of [{ names: "old" }, { spanNames: "http" }, { traceHeader: "trace id" }, { traceHeader: "" }]) {
    assert.throws(() => tracing(options as TracingOptions), { code: "CLEW_MIDDLEWARE_OPTION" });
  }
});

test("a sampler sees what is the same for every call of a method", async () => {
  const seen: unknown[] = [];
  const sampler: Sampler = {
    shouldSample(_parent, _traceId, name, kind, attributes) {
      seen.push([name, kind, attributes]);
      return false;
    },
  };
  const { middleware } = createTracing({ sampler });
  const call = new TestCall("server");
  call.httpInfo = { verb: "GET", path: "/v1/books/7", route: "/v1/books/{id}" };
  await middleware(answer)(call);
  const { operation } = call;
  const attributes = {
    "rpc.method": operation.slice(1),
    "rpc.system.name": "memory",
    "http.request.method": "GET",
    "http.route": "/v1/books/{id}",
  };
  assert.deepEqual(seen, [[operation, SpanKind.SERVER, attributes]]);
});
