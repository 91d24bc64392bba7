import { create, toBinary } from "@bufbuild/protobuf";
import { type Call, type Service, service } from "@clew/rpc";
import { decodeSegment, type SegmentData } from "@clew/trace/skywalking";
import { GrpcServer, type GrpcServerOptions } from "@clew/transport/grpc";
import {
  CommandsSchema,
  ConfigurationDiscoveryService,
  type ConfigurationSyncRequest,
  type InstanceProperties,
  type LogData,
  LogReportService,
  ManagementService,
  type MeterData,
  MeterReportService,
  ProfileTask,
  type SegmentObject,
  SegmentObjectSchema,
  type ThreadSnapshot,
  TraceSegmentReportService,
} from "../src/gen/skywalking/v3/agent_pb.ts";

type Commands = { commands: { command: string; args: { key: string; value: string }[] }[] };

/** A collector as SkyWalking's, of the official protocol's messages, that answers what a test says. */
export interface Collector {
  readonly address: string;
  readonly port: number;
  /** As protobuf-es read them. */
  readonly objects: SegmentObject[];
  /** The same as our decoder reads them. */
  readonly segments: SegmentData[];
  readonly instances: InstanceProperties[];
  readonly pings: string[];
  readonly logs: LogData[];
  readonly meters: MeterData[][];
  readonly snapshots: ThreadSnapshot[];
  readonly finishedTasks: string[];
  readonly calls: Call[];
  stop(): Promise<void>;
}

export interface CollectorOptions {
  readonly port?: number;
  /** What TLS shows and asks for. Default: no TLS. */
  readonly tls?: GrpcServerOptions["tls"] & {};
  /** Called with every call; what it throws is the answer. */
  readonly refuse?: (call: Call) => void;
  /** Only these services are there. Default: all. */
  readonly services?: readonly ("trace" | "management" | "log" | "meter" | "configuration" | "profile")[];
  readonly configure?: (request: ConfigurationSyncRequest) => Commands;
  readonly profile?: (lastCommandTime: bigint) => Commands;
}

const none: Commands = { commands: [] };

export async function startCollector(options: CollectorOptions = {}): Promise<Collector> {
  const objects: SegmentObject[] = [];
  const segments: SegmentData[] = [];
  const instances: InstanceProperties[] = [];
  const pings: string[] = [];
  const logs: LogData[] = [];
  const meters: MeterData[][] = [];
  const snapshots: ThreadSnapshot[] = [];
  const finishedTasks: string[] = [];
  const calls: Call[] = [];
  const enter = (call: Call): void => {
    calls.push(call);
    options.refuse?.(call);
  };
  const takeSegment = (object: SegmentObject): void => {
    objects.push(object);
    segments.push(decodeSegment(toBinary(SegmentObjectSchema, object)));
  };
  const all: Record<string, Service> = {
    trace: service(TraceSegmentReportService, {
      async collect(stream, call) {
        enter(call);
        for await (const object of stream) takeSegment(object);
        return none;
      },
      collectInSync(collection, call) {
        enter(call);
        collection.segments.forEach(takeSegment);
        return none;
      },
    }),
    management: service(ManagementService, {
      reportInstanceProperties(properties, call) {
        enter(call);
        instances.push(properties);
        return none;
      },
      keepAlive({ serviceInstance }, call) {
        enter(call);
        pings.push(serviceInstance);
        return none;
      },
    }),
    log: service(LogReportService, {
      async collect(stream, call) {
        enter(call);
        for await (const log of stream) logs.push(log);
        return none;
      },
    }),
    meter: service(MeterReportService, {
      async collect(stream, call) {
        enter(call);
        const batch: MeterData[] = [];
        for await (const meter of stream) batch.push(meter);
        meters.push(batch);
        return none;
      },
      async collectBatch(stream, call) {
        enter(call);
        for await (const { meterData } of stream) meters.push(meterData);
        return none;
      },
    }),
    configuration: service(ConfigurationDiscoveryService, {
      fetchConfigurations(request, call) {
        enter(call);
        return options.configure?.(request) ?? none;
      },
    }),
    profile: service(ProfileTask, {
      getProfileTaskCommands({ lastCommandTime }, call) {
        enter(call);
        return options.profile?.(lastCommandTime) ?? none;
      },
      async collectSnapshot(stream, call) {
        enter(call);
        for await (const snapshot of stream) snapshots.push(snapshot);
        return none;
      },
      reportTaskFinish({ taskId }, call) {
        enter(call);
        finishedTasks.push(taskId);
        return none;
      },
    }),
  };
  const names = options.services ?? Object.keys(all);
  const server = new GrpcServer({
    address: `127.0.0.1:${options.port ?? 0}`,
    services: names.map((name) => all[name]!),
    health: false,
    reflection: false,
    timeoutMs: 60_000,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  await server.start();
  const port = Number(server.endpoint().port);
  return {
    address: `127.0.0.1:${port}`,
    port,
    objects,
    segments,
    instances,
    pings,
    logs,
    meters,
    snapshots,
    finishedTasks,
    calls,
    stop: () => server.stop(AbortSignal.abort()),
  };
}

/** What an agent is told, as bytes. */
export function commands(init: Commands): Uint8Array {
  return toBinary(CommandsSchema, create(CommandsSchema, init));
}
