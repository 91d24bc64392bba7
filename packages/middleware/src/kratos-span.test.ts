import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { ServiceError } from "@clew/rpc";
import { SpanStatusCode } from "@opentelemetry/api";
import { answer, fail, hello } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { attributesOf, createTracing } from "../test/trace-call.ts";

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
