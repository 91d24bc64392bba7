// Messages as events under the names that OpenTelemetry's instrumentations for RPC wrote first (semantic conventions 1.7).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { Context } from "@clew/context";
import { type SpanData, TracerProvider } from "@clew/trace";
import { createPropagator } from "@clew/trace/otel";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { hello } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { type TracingOptions, tracing } from "./tracing.ts";

async function eventsOf(options: TracingOptions): Promise<readonly (readonly unknown[])[]> {
  const spans: SpanData[] = [];
  const processor = {
    onStart() {},
    onEnd: (span: SpanData) => void spans.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  const tracerProvider = new TracerProvider({ processor, env: {} });
  const middleware = tracing({ tracerProvider, propagator: createPropagator(), messageEvents: true, ...options });
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
