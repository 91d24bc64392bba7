// Makes 150,000 spans in three seconds and tells what became of them.
import { startTracing } from "@clew/exporter";
import { trace } from "@opentelemetry/api";

const [endpoint = "", protocol = "", shutdownTimeoutMs = ""] = process.argv.slice(2);
const tracing = startTracing({
  service: "busy",
  endpoint,
  env: { OTEL_EXPORTER_OTLP_PROTOCOL: protocol },
  batch: { shutdownTimeoutMs: Number(shutdownTimeoutMs) },
});
const tracer = trace.getTracer("busy");
const rounds = 300;
const perRound = 500;
const residentMiB = (): number => process.memoryUsage().rss / 1024 / 1024;

let round = 0;
let made = 0;
let early = 0;
const timer = setInterval(async () => {
  for (let index = 0; index < perRound; index++) {
    const span = tracer.startSpan("work", {
      attributes: { "http.route": "/cart/{id}", index, "user.id": `user-${made}` },
    });
    span.end();
    made++;
  }
  round++;
  if (round === rounds / 3) early = residentMiB();
  if (round < rounds) return;
  clearInterval(timer);
  const late = residentMiB();
  await tracing.shutdown();
  process.send!({ ...tracing.stats(), made, early, late });
}, 10);
