import type { Collector } from "@clew/collector";
import { encodeJsonRequest } from "@clew/trace/otel";
import { jsonOf, type TestSpan } from "../../store/src/test-span.ts";
import { type Reply, send } from "./running-collector.ts";

export const protobufOf = (...spans: TestSpan[]): Buffer => Buffer.from(encodeJsonRequest(jsonOf(...spans)));

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
