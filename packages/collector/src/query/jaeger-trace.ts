import type { DecodedAttribute, DecodedEvent, DecodedSpan } from "@clew/trace/otel";

/** A trace in the JSON of Jaeger's API v1. Times are microseconds. */
export interface JaegerTrace {
  readonly traceID: string;
  readonly spans: JaegerSpan[];
  readonly processes: Record<string, { readonly serviceName: string; readonly tags: JaegerTag[] }>;
  readonly warnings: string[] | null;
}

export interface JaegerSpan {
  readonly traceID: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly references: {
    readonly refType: "CHILD_OF" | "FOLLOWS_FROM";
    readonly traceID: string;
    readonly spanID: string;
  }[];
  readonly startTime: number;
  readonly duration: number;
  readonly tags: JaegerTag[];
  readonly logs: { readonly timestamp: number; readonly fields: JaegerTag[] }[];
  readonly processID: string;
  readonly warnings: string[] | null;
}

export interface JaegerTag {
  readonly key: string;
  readonly type: "string" | "bool" | "int64" | "float64" | "binary";
  readonly value: string | number | boolean;
}

/** Converts the spans of one trace to Jaeger's form. */
export function toJaegerTrace(traceId: string, spans: readonly DecodedSpan[]): JaegerTrace {
  const processes: JaegerTrace["processes"] = {};
  const processOf = new Map<string, string>();
  const jaegerSpans = spans.map((span) => {
    const tags = span.resource.filter(({ key }) => key !== "service.name").map(toTag);
    const identity = JSON.stringify([span.service, tags]);
    let id = processOf.get(identity);
    if (id === undefined) {
      id = `p${processOf.size + 1}`;
      processOf.set(identity, id);
      processes[id] = { serviceName: span.service, tags };
    }
    return toJaegerSpan(span, id);
  });
  return { traceID: traceId, spans: jaegerSpans, processes, warnings: null };
}

function toJaegerSpan(span: DecodedSpan, processID: string): JaegerSpan {
  const references: JaegerSpan["references"] = [];
  if (span.parentSpanId !== "") {
    references.push({ refType: "CHILD_OF", traceID: span.traceId, spanID: span.parentSpanId });
  }
  for (const link of span.links)
    references.push({ refType: "FOLLOWS_FROM", traceID: link.traceId, spanID: link.spanId });
  return {
    traceID: span.traceId,
    spanID: span.spanId,
    operationName: span.name,
    references,
    startTime: Math.floor(span.startUs),
    duration: Math.floor(span.durationUs),
    tags: [...span.attributes.map(toTag), ...tagsOfFields(span)],
    logs: span.events.map(toLog),
    processID,
    warnings: null,
  };
}

/** Returns the value of the tag span.kind; undefined for a kind that Jaeger does not have. */
export function kindName(kind: number): string | undefined {
  return ["internal", "server", "client", "producer", "consumer"][kind - 1];
}

/** Fields of OTLP that are tags in OpenTelemetry's mapping to Jaeger. */
function tagsOfFields(span: DecodedSpan): JaegerTag[] {
  const tags: JaegerTag[] = [];
  const add = (key: string, value: string): void => {
    if (value !== "") tags.push({ key, type: "string", value });
  };
  add("otel.scope.name", span.scope.name);
  add("otel.scope.version", span.scope.version);
  add("span.kind", kindName(span.kind) ?? "");
  if (span.status.code === 1) add("otel.status_code", "OK");
  if (span.status.code === 2) {
    add("otel.status_code", "ERROR");
    tags.push({ key: "error", type: "bool", value: true });
  }
  add("otel.status_description", span.status.message);
  add("w3c.tracestate", span.traceState);
  return tags;
}

function toLog(event: DecodedEvent): JaegerSpan["logs"][number] {
  const fields = event.attributes.map(toTag);
  if (event.name !== "") fields.unshift({ key: "event", type: "string", value: event.name });
  return { timestamp: Math.floor(event.timeUs), fields };
}

function toTag({ key, type, value }: DecodedAttribute): JaegerTag {
  if (type === "array" || type === "map") return { key, type: "string", value: JSON.stringify(value) };
  if (type === "empty") return { key, type: "string", value: "" };
  return { key, type, value: value as string | number | boolean };
}
