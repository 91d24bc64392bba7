import type { Attempt } from "./delivery.ts";
import type { KafkaMessage, KafkaMessages } from "./skywalking-kafka.ts";

/** One thing to tell the collector, or to ask it. */
export interface Report {
  /** What it is, for the log: "segments". */
  readonly what: string;
  /** The service and the method of gRPC. */
  readonly service: ReportService;
  readonly method: string;
  /** Protobuf; several where the method takes a stream. */
  readonly messages: () => readonly Uint8Array[];
  /** The path over HTTP, and the JSON to post there; undefined where it goes over gRPC only. */
  readonly path?: string;
  readonly json?: () => unknown;
  /** The same as messages for Kafka; undefined where it does not go there. */
  readonly kafka?: (messages: KafkaMessages) => readonly KafkaMessage[];
}

/** What one report came to. */
export interface ReportAttempt extends Attempt {
  /** Of a report that was taken, how many of its messages were not and never will be; `error` says why. Default: 0. */
  readonly rejected?: number;
}

export type ReportService =
  | "TraceSegmentReportService"
  | "ManagementService"
  | "LogReportService"
  | "MeterReportService"
  | "ConfigurationDiscoveryService"
  | "ProfileTask";
