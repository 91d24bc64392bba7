import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { Context } from "@clew/context";
import { ServiceError } from "@clew/rpc";
import { SpanStatusCode } from "@opentelemetry/api";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, fail, hello } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { attributesOf, createTracing } from "../test/trace-call.ts";
import type { TracingOptions } from "./tracing.ts";

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

async function eventsOf(given: TracingOptions): Promise<readonly (readonly unknown[])[]> {
  const { spans, middleware } = createTracing({}, { messageEvents: true, ...given });
  const method = Object.values(Greeter.method).find(({ methodKind }) => methodKind === "client_streaming")!;
  await middleware(async (call) => {
    (call as TestCall).passMessage("received", hello as Message);
    (call as TestCall).passMessage("received", hello as Message);
    return hello;
  })(new TestCall("server", {}, Context.root, method));
  return spans[0]!.events.map(({ name, attributes }) => [name, ...attributes]);
}

test("with legacy names an event is called message", async () => {
  assert.deepEqual(await eventsOf({ names: "legacy" }), [
    ["message", "message.type", "RECEIVED", "message.id", 1],
    ["message", "message.type", "RECEIVED", "message.id", 2],
    ["message", "message.type", "SENT", "message.id", 1],
  ]);
  const [first] = await eventsOf({ names: "legacy", messageSizes: true });
  assert.deepEqual(first?.slice(-2), ["message.uncompressed_size", 5]);
});

test("with the others it is what the conventions call it now", async () => {
  for (const names of ["semconv", "kratos"] as const) {
    const [first] = await eventsOf({ names, messageSizes: true });
    assert.deepEqual(first, [
      "rpc.message",
      ...["rpc.message.type", "RECEIVED", "rpc.message.id", 1, "rpc.message.uncompressed_size", 5],
    ]);
  }
});
