import assert from "node:assert/strict";
import { test } from "node:test";
import { type HttpInfo, ServiceError } from "@clew/rpc";
import { findAttribute } from "@clew/trace";
import { SpanStatusCode } from "@opentelemetry/api";
import { answer, fail, hello } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { attributesOf, createTracing } from "../test/trace-call.ts";
import type { TracingOptions } from "./tracing.ts";

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
