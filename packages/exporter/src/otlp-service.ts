// OTLP's services over gRPC, whose messages stay the bytes they are: what is in them is written and read by @clew/trace's dialects.
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { Codec } from "@clew/rpc";
import { LogsService } from "./gen/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts";
import { MetricsService } from "./gen/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";
import { TraceService } from "./gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";

export { LogsService, MetricsService, TraceService };

/** A message that is not read: `message.bytes`. */
export interface RawMessage {
  readonly $typeName: string;
  readonly bytes: Uint8Array;
}

/** Messages of any type as a {@link RawMessage}. What is decoded has bytes of its own. */
export const rawCodec: Codec = {
  name: "proto",
  contentType: "application/proto",
  compile: <T extends DescMessage>(desc: T) => ({
    encode: (message: MessageShape<T>) => (message as unknown as RawMessage).bytes,
    decode: (bytes: Uint8Array) => toRawMessage(desc, Uint8Array.from(bytes)),
  }),
};

/** A message of the type that is only its bytes, for who calls or answers through {@link rawCodec}. */
export function toRawMessage<T extends DescMessage>(desc: T, bytes: Uint8Array): MessageShape<T> & RawMessage {
  return { $typeName: desc.typeName, bytes } as unknown as MessageShape<T> & RawMessage;
}

/** The one method of each service. */
export const exportMethods: Readonly<Record<"traces" | "metrics" | "logs", DescMethodUnary>> = {
  traces: TraceService.method.export,
  metrics: MetricsService.method.export,
  logs: LogsService.method.export,
};
