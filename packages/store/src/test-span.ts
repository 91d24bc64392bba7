import { decodeRequest, encodeJsonRequest, type RawBatch } from "@clew/trace/otel";
import type { TimeRange, TraceQuery, TraceStore } from "./contract.ts";

/** A short description of a span, for tests. */
export interface TestSpan {
  trace: number;
  id: number;
  /** Default: none. */
  parent?: number;
  /** Default: user. */
  service?: string;
  /** Default: op. */
  name?: string;
  /** SpanKind of OTLP. Default: 2, a server's. */
  kind?: number;
  /** Milliseconds after {@link epochMs}. Default: 0. */
  at?: number;
  /** The duration. Default: 1. */
  ms?: number;
  isError?: boolean;
  attributes?: Record<string, string>;
  links?: readonly { trace: number; id: number }[];
}

/** When the first of the spans starts. */
export const epochMs = 1_700_000_000_000;

export const traceIdOf = (trace: number): string => trace.toString(16).padStart(32, "0");
export const spanIdOf = (span: number): string => span.toString(16).padStart(16, "0");

/** Returns what an OTLP/JSON sender of these spans posts; each service is a resource. */
export function jsonOf(...spans: TestSpan[]): string {
  const services = Map.groupBy(spans, (span) => span.service ?? "user");
  const attributesOf = (record: Record<string, string>): object[] =>
    Object.entries(record).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  const nanos = (ms: number): string => `${BigInt(Math.round((epochMs + ms) * 1000)) * 1000n}`;
  const resourceSpans = [...services].map(([service, own]) => ({
    resource: { attributes: attributesOf({ "service.name": service, "host.name": `${service}-host` }) },
    scopeSpans: [
      {
        scope: { name: "test", version: "1" },
        spans: own.map((span) => ({
          traceId: traceIdOf(span.trace),
          spanId: spanIdOf(span.id),
          parentSpanId: span.parent === undefined ? "" : spanIdOf(span.parent),
          name: span.name ?? "op",
          kind: span.kind ?? 2,
          startTimeUnixNano: nanos(span.at ?? 0),
          endTimeUnixNano: nanos((span.at ?? 0) + (span.ms ?? 1)),
          attributes: attributesOf(span.attributes ?? {}),
          links: (span.links ?? []).map(({ trace, id }) => ({ traceId: traceIdOf(trace), spanId: spanIdOf(id) })),
          status: span.isError ? { code: 2, message: "no" } : {},
        })),
      },
    ],
  }));
  return JSON.stringify({ resourceSpans });
}

/** All there is. */
export const always: TimeRange = { fromUs: 0, toUs: 1e18 };

/** The batch that a sender of these spans would send. */
export function batchOf(...spans: TestSpan[]): RawBatch {
  return decodeRequest(encodeJsonRequest(jsonOf(...spans)));
}

/** The numbers of the traces that a search finds. */
export async function idsOf(store: TraceStore, query: TraceQuery): Promise<number[]> {
  const { summaries } = await store.search(query);
  return summaries.map(({ traceId }) => Number.parseInt(traceId, 16));
}

/** Declares a test of a store that is empty at first. */
export type Check = (what: string, use: (store: TraceStore) => Promise<void>) => void;
