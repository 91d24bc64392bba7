import { createRequire } from "node:module";
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { AlwaysOffSampler, AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { startSink } from "./sink.ts";

/** Traces this process with OpenTelemetry's SDK and its HTTP instrumentation; spans go by OTLP to a sink in another process. */
export async function startOpenTelemetry(isSampled = true): Promise<void> {
  const exporter = new OTLPTraceExporter({ url: `${(await startSink(false)).endpoint}/v1/traces` });
  const tracerProvider = new TracerProvider({
    sampler: isSampled ? new AlwaysOnSampler() : new AlwaysOffSampler(),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  trace.setGlobalTracerProvider(tracerProvider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const instrumentation = new HttpInstrumentation();
  instrumentation.setTracerProvider(tracerProvider);
  instrumentation.enable();
  // It takes hold of the servers of node:http, whoever makes them, once the module is required.
  createRequire(import.meta.url)("node:http");
}
