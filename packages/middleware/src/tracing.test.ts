import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { current, runHolder } from "@clew/context";
import { type Call, type Handler, type HttpInfo, ServiceError } from "@clew/rpc";
import {
  alwaysOff,
  findAttribute,
  type Sampler,
  type SpanData,
  TracerProvider,
  type TracerProviderOptions,
} from "@clew/trace";
import { createPropagator } from "@clew/trace/otel";
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, drain, fail, hello, stream } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { retry } from "./retry.ts";
import { type TracingOptions, tracing } from "./tracing.ts";

/** The middleware over a provider that keeps what has ended. */
function createTracing(options: TracerProviderOptions = {}, given: TracingOptions = {}) {
  const spans: SpanData[] = [];
  const tracerProvider = new TracerProvider({
    ...options,
    processor: { onStart() {}, onEnd: (span) => spans.push(span), async forceFlush() {}, async shutdown() {} },
  });
  return { spans, middleware: tracing({ tracerProvider, propagator: createPropagator(), ...given }) };
}

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

test("an error is told with code, reason, gRPC status and the exception that caused it", async () => {
  const { spans, middleware } = createTracing();
  const error = new ServiceError(404, "USER_NOT_FOUND", "no user", { cause: new RangeError("9 of 3") });
  await assert.rejects(middleware(fail(error))(new TestCall("client")), (thrown) => thrown === error);
  const [span] = spans;
  assert.equal(span?.statusCode, SpanStatusCode.ERROR);
  assert.equal(span.statusMessage, "no user");
  const { attributes } = span;
  assert.equal(findAttribute(attributes, "error.type"), "USER_NOT_FOUND");
  assert.equal(findAttribute(attributes, "clew.code"), 404);
  assert.equal(findAttribute(attributes, "clew.reason"), "USER_NOT_FOUND");
  assert.equal(findAttribute(attributes, "rpc.status_code"), "NOT_FOUND");
  assert.equal(findAttribute(span.events[0]?.attributes ?? [], "exception.type"), "RangeError");
});

// The rows of https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ by the codes that become them, and HTTP's rule.
const statuses: readonly [code: number, isServerError: boolean, isServerErrorOverHttp: boolean][] = [
  [400, false, false],
  [401, false, false],
  [403, false, false],
  [404, false, false],
  [409, false, false],
  [412, false, false],
  [418, true, false], // UNKNOWN over gRPC
  [429, false, false],
  [499, false, false],
  [500, true, true],
  [501, true, true],
  [503, true, true],
  [504, true, true],
];

test("what the caller did wrong is an error of the client's span and not of the server's", async () => {
  for (const [code, isServerError, isServerErrorOverHttp] of statuses) {
    for (const [side, http, isError] of [
      ["client", undefined, true],
      ["server", undefined, isServerError],
      ["server", { verb: "GET", path: "/", route: "/" }, isServerErrorOverHttp],
    ] as const) {
      const { spans, middleware } = createTracing();
      const call = new TestCall(side);
      call.httpInfo = http;
      await assert.rejects(middleware(fail(new ServiceError(code, "", "no")))(call));
      const [span] = spans;
      const message = `${code} of a ${side}`;
      assert.equal(span?.statusCode, isError ? SpanStatusCode.ERROR : SpanStatusCode.UNSET, message);
      assert.equal(findAttribute(span.attributes, "error.type"), isError ? String(code) : undefined, message);
      assert.equal(findAttribute(span.attributes, "clew.code"), code);
      assert.equal(span.events.length, 1);
    }
  }
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

function attributesOf(span: SpanData | undefined): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const flat = span?.attributes ?? [];
  for (let at = 0; at < flat.length; at += 2) found[String(flat[at])] = flat[at + 1];
  return found;
}

/** The attributes of one call over HTTP/JSON with these headers. */
async function traceHttp(headers: Record<string, string>, info: Partial<HttpInfo> = {}, given: TracingOptions = {}) {
  const { spans, middleware } = createTracing({}, given);
  const call = new TestCall("server", headers);
  call.httpInfo = { verb: "GET", path: "/v1/books/7", route: "/v1/books/{id}", scheme: "http", ...info };
  await middleware(answer)(call);
  return { ...attributesOf(spans[0]), name: spans[0]?.name } as Record<string, unknown>;
}

test("a method that HTTP does not know is _OTHER beside the one that was sent", async () => {
  const found = await traceHttp({}, { verb: "BREW" }, { spanNames: "semconv" });
  assert.equal(found.name, "HTTP /v1/books/{id}");
  assert.equal(found["http.request.method"], "_OTHER");
  assert.equal(found["http.request.method_original"], "BREW");
  assert.equal((await traceHttp({}))["http.request.method_original"], undefined);
});

test("a query is told without what is secret in it", async () => {
  for (const [query, told] of [
    ["", undefined],
    ["q=a&page=2", "q=a&page=2"],
    ["Signature=abc&x=1&sig=d%20e&design=no", "Signature=REDACTED&x=1&sig=REDACTED&design=no"],
    [
      "AWSAccessKeyId=k&X-Goog-Signature=s&access_token=",
      "AWSAccessKeyId=REDACTED&X-Goog-Signature=REDACTED&access_token=REDACTED",
    ],
  ] as const) {
    assert.equal((await traceHttp({}, { query }))["url.query"], told);
  }
});

test("the client is who is at the other end, or whom the proxies say they speak for", async () => {
  for (const [headers, client] of [
    [{}, "10.0.0.5"],
    [{ "x-forwarded-for": "192.0.2.60, 198.51.100.1" }, "192.0.2.60"],
    [{ "x-forwarded-for": "192.0.2.60:4711" }, "192.0.2.60"],
    [{ "x-forwarded-for": "2001:db8::1" }, "2001:db8::1"],
    [{ forwarded: 'proto=https;For="[2001:db8::1]:4711", for=10.1.1.1', "x-forwarded-for": "10.9.9.9" }, "2001:db8::1"],
    [{ forwarded: "for=192.0.2.60;proto=http" }, "192.0.2.60"],
    [{ forwarded: "proto=http" }, "10.0.0.5"],
    [{ "x-forwarded-for": "" }, "10.0.0.5"],
  ] as const) {
    assert.equal(
      (await traceHttp(headers as Record<string, string>))["client.address"],
      client,
      JSON.stringify(headers),
    );
  }
});

test("the server is whom the caller asked for", async () => {
  for (const [host, address, port] of [
    ["shop.example", "shop.example", undefined],
    ["shop.example:8443", "shop.example", 8443],
    ["[::1]:8443", "::1", 8443],
    ["[::1]", "::1", undefined],
  ] as const) {
    const found = await traceHttp({ host });
    assert.deepEqual([found["server.address"], found["server.port"]], [address, port]);
  }
});

test("every transport has the name of the conventions where they have one", async () => {
  for (const [transport, name] of [
    ["grpc", "grpc"],
    ["grpc-web", "grpc"],
    ["connect", "connectrpc"],
    ["http", "http"],
    ["memory", "memory"],
  ]) {
    const { spans, middleware } = createTracing({}, { spanNames: "semconv" });
    const call = new TestCall("client");
    Object.defineProperty(call, "transport", { value: transport });
    await middleware(answer)(call);
    assert.equal(attributesOf(spans[0])["rpc.system.name"], name);
    assert.equal(spans[0]?.name, "rpc.test.Greeter/SayHello");
  }
});

test("Kratos's names are told in place of the others, with its codes and statuses", async () => {
  const { spans, middleware } = createTracing({}, { names: "kratos", messageSizes: true });
  const call = new TestCall("server", { "x-md-service-name": "orders" });
  call.httpInfo = { verb: "POST", path: "/hello", route: "/hello" };
  await middleware(async (served) => {
    served.passMessage("received", hello as Message);
    return hello;
  })(call);
  assert.deepEqual(attributesOf(spans[0]), {
    "rpc.system": "memory",
    "http.method": "POST",
    "http.route": "/hello",
    "rpc.service": "rpc.test.Greeter",
    "rpc.method": "SayHello",
    "http.target": "/hello",
    "net.peer.ip": "10.0.0.5",
    "net.peer.port": 9000,
    "peer.service": "orders",
    "recv_msg.size": 5,
    "send_msg.size": 5,
  });
  assert.equal(spans[0]?.statusCode, SpanStatusCode.OK);

  await assert.rejects(middleware(fail(new ServiceError(404, "GONE", "gone")))(new TestCall("client")));
  const found = attributesOf(spans[1]);
  assert.deepEqual([found["rpc.status_code"], found["net.peer.ip"]], [404, "10.0.0.5"]);
  assert.deepEqual([spans[1]?.statusCode, spans[1]?.statusMessage], [SpanStatusCode.ERROR, "gone"]);

  const raw = new TestCall("server");
  Object.defineProperty(raw, "operation", { value: "GET /files" });
  await middleware(answer)(raw);
  assert.equal(attributesOf(spans[2])["rpc.operation"], "GET /files");
  assert.equal(attributesOf(spans[2])["rpc.service"], undefined);
});

test("on request the names are those that OpenTelemetry's instrumentations had before the stable ones", async () => {
  const { spans, middleware } = createTracing({}, { names: "legacy", messageSizes: true });
  const call = new TestCall("server", {
    "x-md-service-name": "orders",
    "user-agent": "curl/8",
    "x-forwarded-for": "192.0.2.7, 10.0.0.1",
  });
  call.httpInfo = {
    verb: "POST",
    path: "/hello",
    query: "page=2&sig=0123",
    route: "/hello",
    scheme: "https",
    version: "1.1",
  };
  await middleware(answer)(call);
  assert.deepEqual(attributesOf(spans[0]), {
    "rpc.system": "memory",
    "rpc.service": "rpc.test.Greeter",
    "rpc.method": "SayHello",
    "http.method": "POST",
    "http.route": "/hello",
    "net.peer.ip": "10.0.0.5",
    "net.peer.port": 9000,
    "peer.service": "orders",
    "http.target": "/hello?page=2&sig=REDACTED",
    "http.scheme": "https",
    "http.flavor": "1.1",
    "http.user_agent": "curl/8",
    "http.client_ip": "192.0.2.7",
    "rpc.response.size": 5,
    "http.status_code": 200,
  });

  const other = new TestCall("server");
  await assert.rejects(middleware(fail(new ServiceError(503, "AWAY", "away")))(other));
  const failed = attributesOf(spans[1]);
  assert.deepEqual(
    [failed["rpc.grpc.status_code"], failed["clew.code"], failed["clew.reason"], failed["error.type"]],
    [14, 503, "AWAY", undefined],
  );
  assert.deepEqual([spans[1]?.statusCode, spans[1]?.statusMessage], [SpanStatusCode.ERROR, "away"]);

  await middleware(answer)(new TestCall("client"));
  assert.deepEqual(attributesOf(spans[2])["net.peer.name"], "10.0.0.5");
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

test("a client over HTTP tells what it sent, without what is secret in it, and the status where one came", async () => {
  for (const status of [200, undefined]) {
    const { spans, middleware } = createTracing();
    await middleware(async (call) => {
      call.sentHttp = { verb: "GET", url: "https://shop.example/v1/books?sig=0123&page=2", status };
      return hello;
    })(new TestCall("client"));
    const found = attributesOf(spans[0]);
    assert.equal(found["http.request.method"], "GET");
    assert.equal(found["url.full"], "https://shop.example/v1/books?sig=REDACTED&page=2");
    assert.equal(found["http.response.status_code"], status);
  }
});
