// The floor with OpenTelemetry's SDK: a bare node:http handler, the HTTP instrumentation, spans by OTLP to a sink.
//
//     node http-node-otel.ts [off]       with off no span is sampled
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { AlwaysOffSampler, AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { startSink } from "./sink.ts";

const tracerProvider = new TracerProvider({
  sampler: process.argv[2] === "off" ? new AlwaysOffSampler() : new AlwaysOnSampler(),
  spanProcessors: [
    new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${await startSink()}/v1/traces` }) }),
  ],
});
trace.setGlobalTracerProvider(tracerProvider);
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
const instrumentation = new HttpInstrumentation();
instrumentation.setTracerProvider(tracerProvider);
instrumentation.enable();

// It takes hold of what is required after it.
const { createServer } = createRequire(import.meta.url)("node:http") as typeof import("node:http");
const server = createServer((request, response) => {
  const name = request.url?.slice("/helloworld/".length) ?? "";
  const body = JSON.stringify({ message: `Hello ${name}` });
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
});
server.listen(0, "127.0.0.1", () => console.log(`listening ${(server.address() as AddressInfo).port}`));
