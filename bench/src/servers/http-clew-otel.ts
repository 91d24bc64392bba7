// The same with OpenTelemetry's SDK and its HTTP instrumentation in place of our own tracing.
import { serveWebGreeter } from "./serve-web-greeter.ts";
import { startOpenTelemetry } from "./start-open-telemetry.ts";

await startOpenTelemetry();
await serveWebGreeter();
