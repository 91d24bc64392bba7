// SkyWalking's gRPC services, for servers that answer agents; with the `rawCodec` of otlp-service.ts messages stay raw bytes.
export {
  ConfigurationDiscoveryService,
  LogReportService,
  ManagementService,
  MeterReportService,
  ProfileTask,
  TraceSegmentReportService,
} from "./gen/skywalking/v3/agent_pb.ts";
export {
  CLRMetricReportService,
  EventService,
  JVMMetricReportService,
  SpanAttachedEventReportService,
} from "./gen/skywalking/v3/reports_pb.ts";
export { AsyncProfilerTask, PprofTask } from "./gen/skywalking/v10/tasks_pb.ts";
