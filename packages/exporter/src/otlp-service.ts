// OTLP's gRPC services with messages as raw bytes: the dialects of @clew/trace encode and decode them.
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { Codec } from "@clew/rpc";
import { LogsService } from "./gen/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts";
import { MetricsService } from "./gen/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";
import { TraceService } from "./gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";

export { LogsService, MetricsService, TraceService };

/** A message that is not decoded: `message.bytes`. */
export interface RawMessage {
  readonly $typeName: string;
  readonly bytes: Uint8Array;
}

/** Treats messages of any type as a {@link RawMessage}. A decoded message has its own copy of the bytes. */
export const rawCodec: Codec = {
  name: "proto",
  contentType: "application/proto",
  compile: <T extends DescMessage>(desc: T) => ({
    encode: (message: MessageShape<T>) => (message as unknown as RawMessage).bytes,
    decode: (bytes: Uint8Array) => toRawMessage(desc, Uint8Array.from(bytes)),
  }),
};

/** Makes a raw message of a type, for calls and answers through {@link rawCodec}. */
export function toRawMessage<T extends DescMessage>(desc: T, bytes: Uint8Array): MessageShape<T> & RawMessage {
  return { $typeName: desc.typeName, bytes } as unknown as MessageShape<T> & RawMessage;
}

/** The one method of each service. */
export const exportMethods: Readonly<Record<"traces" | "metrics" | "logs", DescMethodUnary>> = {
  traces: TraceService.method.export,
  metrics: MetricsService.method.export,
  logs: LogsService.method.export,
};
