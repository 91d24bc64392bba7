// SkyWalking's services over gRPC, for who answers agents; their messages stay bytes with the `rawCodec` of otlp-service.ts.
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
