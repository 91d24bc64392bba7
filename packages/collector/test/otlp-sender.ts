import type { Collector } from "@clew/collector";
import { encodeJsonRequest } from "@clew/trace/otel";
import { type Reply, send } from "./running-collector.ts";

/** When the first of the spans starts. */
export const T0_MS = 1_700_000_000_000;

interface SpanInit {
  trace: number;
  id: number;
  parent?: number;
  service?: string;
  name?: string;
  kind?: number;
  /** Milliseconds after {@link T0_MS}. Default: 0. */
  at?: number;
  /** How long it took. Default: 1. */
  ms?: number;
  isError?: boolean;
  attributes?: Record<string, string>;
}

export const traceIdOf = (trace: number): string => trace.toString(16).padStart(32, "0");

export const spanIdOf = (span: number): string => span.toString(16).padStart(16, "0");

/** What an OTLP/JSON sender posts for these spans. */
export function jsonOf(...spans: SpanInit[]): string {
  const attributesOf = (record: Record<string, string>): object[] =>
    Object.entries(record).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  return JSON.stringify({
    resourceSpans: spans.map((span) => ({
      resource: { attributes: attributesOf({ "service.name": span.service ?? "user" }) },
      scopeSpans: [
        {
          scope: { name: "test", version: "1" },
          spans: [
            {
              traceId: traceIdOf(span.trace),
              spanId: spanIdOf(span.id),
              parentSpanId: span.parent === undefined ? "" : spanIdOf(span.parent),
              name: span.name ?? "op",
              kind: span.kind ?? 2,
              startTimeUnixNano: `${T0_MS + (span.at ?? 0)}000000`,
              endTimeUnixNano: `${T0_MS + (span.at ?? 0) + (span.ms ?? 1)}000000`,
              attributes: attributesOf(span.attributes ?? {}),
              status: span.isError ? { code: 2, message: "no" } : {},
            },
          ],
        },
      ],
    })),
  });
}

export const protobufOf = (...spans: SpanInit[]): Buffer => Buffer.from(encodeJsonRequest(jsonOf(...spans)));

export const protobufType = "application/x-protobuf";

/** Posts to the collector's port for OTLP: a string as JSON, bytes as protobuf. */
export function postSpans(
  collector: Collector,
  body: Uint8Array | string,
  headers: Record<string, string | number> = {},
): Promise<Reply> {
  return send(new URL("/v1/traces", collector.otlpEndpoint()), {
    method: "POST",
    body,
    headers: { "content-type": typeof body === "string" ? "application/json" : protobufType, ...headers },
  });
}
