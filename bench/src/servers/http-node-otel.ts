// The floor with OpenTelemetry's SDK: a bare node:http handler, the HTTP instrumentation, spans by OTLP to a sink.
//
//     node http-node-otel.ts [off]       with off no span is sampled
import { startOpenTelemetry } from "./start-open-telemetry.ts";

await startOpenTelemetry(process.argv[2] !== "off");
await import("./http-node.ts");
