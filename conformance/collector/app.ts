// An app that traces, and counts what it made.
import { type DeliveryStats, OtlpExporter, type OtlpOptions, type OtlpProtocol } from "@clew/exporter";
import { type BatchOptions, BatchProcessor, type BatchStats, createResource, TracerProvider } from "@clew/trace";
import { ROOT_CONTEXT } from "@opentelemetry/api";
import { optionsTo, type Ports } from "./ways.ts";

export interface App {
  /** Ids of the spans it made. */
  readonly spanIds: readonly string[];
  /** Makes spans, each a trace. */
  make(count: number, attributes?: Record<string, string>): void;
  readonly sent: () => DeliveryStats;
  readonly batch: () => BatchStats;
  /** Every span has been taken, refused or dropped. */
  readonly isDone: () => boolean;
  shutdown(): Promise<void>;
}

/** Tries again soon and for long. */
const retry = { initialMs: 20, maxMs: 100, limitMs: 60_000 };

export function startApp(
  ports: Ports,
  protocol: OtlpProtocol,
  batchOptions: BatchOptions = {},
  options: OtlpOptions = {},
): App {
  const exporter = new OtlpExporter({ ...optionsTo(ports, { protocol, compression: "none" }), retry, ...options });
  const batch = new BatchProcessor(exporter, { delayMs: 5, batchSize: 20, env: {}, ...batchOptions });
  const resource = createResource({ service: "app", env: {} });
  const tracer = new TracerProvider({
    resource,
    processor: batch,
    limits: { valueLength: 2 ** 26 },
    env: {},
  }).getTracer("app");
  const spanIds: string[] = [];
  return {
    spanIds,
    make(count, attributes = {}) {
      for (let made = 0; made < count; made++) {
        const span = tracer.startSpan("work", { attributes }, ROOT_CONTEXT);
        span.end();
        spanIds.push(span.spanContext().spanId);
      }
    },
    sent: () => exporter.stats(),
    batch: () => batch.stats(),
    isDone: () => batch.stats().waiting === 0,
    shutdown: () => batch.shutdown(),
  };
}
