import type { Attempt } from "./delivery.ts";
import type { KafkaMessage, KafkaMessages } from "./skywalking-kafka.ts";

/** One message to the collector, or one query. */
export interface Report {
  /** The name of its contents, for the log: "segments". */
  readonly what: string;
  /** The gRPC service and method. */
  readonly service: ReportService;
  readonly method: string;
  /** Protobuf messages; several if the method takes a stream. */
  readonly messages: () => readonly Uint8Array[];
  /** The HTTP path, and the JSON to post there; undefined for reports over gRPC only. */
  readonly path?: string;
  readonly json?: () => unknown;
  /** The same contents as Kafka messages; undefined for reports that Kafka does not carry. */
  readonly kafka?: (messages: KafkaMessages) => readonly KafkaMessage[];
}

/** The result of one report. */
export interface ReportAttempt extends Attempt {
  /** The number of messages of a taken report that were not and never will be taken; `error` says why. Default: 0. */
  readonly rejected?: number;
}

export type ReportService =
  | "TraceSegmentReportService"
  | "ManagementService"
  | "LogReportService"
  | "MeterReportService"
  | "ConfigurationDiscoveryService"
  | "ProfileTask";
