import { Context } from "@clew/context";
import { type AttributeValue, findAttribute, type SpanData, type SpanProcessor, serviceNameOf } from "@clew/trace";
import {
  type Attributes,
  type Counter,
  type Histogram,
  type MeterProvider,
  metrics,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { optionInvalid } from "./errors.ts";

export interface SpanMetricsOptions {
  /** The provider of the instruments. Default: the global provider. */
  meterProvider?: MeterProvider;
  /**
   * The kinds of spans that are measured. Default: SERVER, CLIENT, PRODUCER and CONSUMER, the spans at the border of the
   * service.
   */
  kinds?: readonly SpanKind[];
  /** Attributes of spans that become attributes of the series, in addition to service, name, kind and status. Default: none. */
  attributes?: readonly string[];
  /** The upper bounds of the buckets, in the unit. Default: those that OpenTelemetry's conventions define for durations. */
  boundaries?: readonly number[];
  /** The unit of durations, "s" or "ms". Default: "s". */
  unit?: "s" | "ms";
}

/** In seconds. */
const durationBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

interface Instruments {
  readonly duration: Histogram;
  readonly calls: Counter;
}

const allBorders = [SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER];

/**
 * Derives rate, errors and durations from the spans themselves, with an exemplar in each bucket: `traces.span.metrics.duration` and
 * `traces.span.metrics.calls` by `service.name`, `span.name`, `span.kind` and `status.code`, as OpenTelemetry's collector derives
 * them. Use it beside a BatchProcessor: `composeProcessors(batch, spanMetrics())`, or `startTracing({ processors: [spanMetrics()] })`.
 *
 * It sees only spans that the sampler records: with 10 % sampled, the rate is a tenth of the real one. If not all spans are sampled,
 * use the middleware `metrics()`, which counts every call.
 */
export function spanMetrics(options: SpanMetricsOptions = {}): SpanProcessor {
  const { unit = "s", kinds = allBorders, attributes: names = [] } = options;
  if (unit !== "s" && unit !== "ms") throw optionInvalid("unit", unit, '"s" or "ms"');
  const perUnit = unit === "s" ? 1e6 : 1e3;
  const boundaries = options.boundaries ?? durationBoundaries.map((seconds) => (seconds * 1e6) / perUnit);
  const measured = new Set(kinds);
  let instruments: Instruments | undefined;
  // Called at the first span: the global provider may be registered after this was created.
  const getInstruments = (): Instruments => {
    if (instruments !== undefined) return instruments;
    const meter = (options.meterProvider ?? metrics).getMeter("@clew/metrics/spans");
    instruments = {
      duration: meter.createHistogram("traces.span.metrics.duration", {
        description: "How long spans took.",
        unit,
        advice: { explicitBucketBoundaries: [...boundaries] },
      }),
      calls: meter.createCounter("traces.span.metrics.calls", { description: "Spans that ended.", unit: "{call}" }),
    };
    return instruments;
  };
  return {
    onStart() {},
    onEnd(span) {
      if (!measured.has(span.kind)) return;
      const attributes: Attributes = {
        "service.name": serviceNameOf(span.resource),
        "span.name": span.name,
        "span.kind": kindNames[span.kind] ?? "SPAN_KIND_UNSPECIFIED",
        "status.code": statusNames[span.statusCode] ?? "STATUS_CODE_UNSET",
      };
      for (const name of names) {
        const value = findAttribute(span.attributes, name);
        if (value !== undefined && value !== null) attributes[name] = toText(value);
      }
      const { duration, calls } = getInstruments();
      const context = contextOf(span);
      duration.record((span.endUs - span.startUs) / perUnit, attributes, context);
      calls.add(1, attributes, context);
    },
    forceFlush: async () => {},
    shutdown: async () => {},
  };
}

const kindNames: Readonly<Record<SpanKind, string>> = {
  [SpanKind.INTERNAL]: "SPAN_KIND_INTERNAL",
  [SpanKind.SERVER]: "SPAN_KIND_SERVER",
  [SpanKind.CLIENT]: "SPAN_KIND_CLIENT",
  [SpanKind.PRODUCER]: "SPAN_KIND_PRODUCER",
  [SpanKind.CONSUMER]: "SPAN_KIND_CONSUMER",
};

const statusNames: Readonly<Record<SpanStatusCode, string>> = {
  [SpanStatusCode.UNSET]: "STATUS_CODE_UNSET",
  [SpanStatusCode.OK]: "STATUS_CODE_OK",
  [SpanStatusCode.ERROR]: "STATUS_CODE_ERROR",
};

/** A context with the span, in which an exemplar finds its ids: the span itself has ended, and another one may be active. */
function contextOf({ traceId, spanId, traceFlags }: SpanData): Context {
  return trace.setSpanContext(Context.root, { traceId, spanId, traceFlags }) as Context;
}

function toText(value: AttributeValue): string | number | boolean {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return typeof value === "bigint"
    ? String(value)
    : JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part));
}
