import type { DescService } from "@bufbuild/protobuf";
import { type CallOptions, createServiceClient, GrpcCode, ServiceError, toGrpcCode } from "@clew/rpc";
import { GrpcClient } from "@clew/transport/grpc";
import { type Attempt, cut, noAnswer } from "./delivery.ts";
import {
  ConfigurationDiscoveryService,
  LogReportService,
  ManagementService,
  MeterReportService,
  ProfileTask,
  TraceSegmentReportService,
} from "./gen/skywalking/v3/agent_pb.ts";
import { type RawMessage, rawCodec, toRawMessage } from "./otlp-service.ts";
import type { SkyWalkingSettings } from "./skywalking-options.ts";
import type { Report, ReportService } from "./skywalking-report.ts";

const services: Readonly<Record<ReportService, DescService>> = {
  TraceSegmentReportService,
  ManagementService,
  LogReportService,
  MeterReportService,
  ConfigurationDiscoveryService,
  ProfileTask,
};

type RawFunction = (request: RawMessage | AsyncIterable<RawMessage>, options: CallOptions) => Promise<RawMessage>;
type RawClient = Readonly<Record<string, RawFunction>>;

/** Sends reports to one backend over gRPC: each report is a stream of its messages, all on one connection. */
export class GrpcLine {
  readonly #backend: string;
  readonly #settings: SkyWalkingSettings;
  #client: GrpcClient | undefined;
  readonly #clients = new Map<ReportService, RawClient>();

  constructor(backend: string, settings: SkyWalkingSettings) {
    this.#backend = backend;
    this.#settings = settings;
  }

  /** Never rejects. */
  async send({ service, method, messages }: Report, signal: AbortSignal): Promise<Attempt> {
    const { headers, timeoutMs } = this.#settings;
    const desc = services[service].method[method]!;
    const call = this.#clientOf(service)[desc.localName]!;
    const given = messages().map((message) => toRawMessage(desc.input, message));
    let status: string | undefined;
    const options: CallOptions = {
      timeoutMs,
      signal,
      metadata: headers,
      onTrailers: (trailers) => {
        status = trailers.get("grpc-status");
      },
    };
    try {
      const reply = await call(desc.methodKind === "client_streaming" ? each(given) : given[0]!, options);
      return { outcome: "taken", reply: Buffer.from(reply.bytes), retryAfterMs: undefined, error: undefined };
    } catch (thrown) {
      const error = ServiceError.from(thrown);
      const code = status === undefined ? toGrpcCode(error.code) : Number(status);
      const told = new Error(`${cut(error.message) || error.reason} (gRPC status ${code})`);
      return { ...noAnswer(told), outcome: finalCodes.has(code) ? "refused" : "busy" };
    }
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }

  #clientOf(service: ReportService): RawClient {
    const { isSecure, tls, timeoutMs } = this.#settings;
    this.#client ??= new GrpcClient({
      endpoint: `${isSecure ? "grpcs" : "grpc"}://${this.#backend}`,
      codec: rawCodec,
      connectTimeoutMs: timeoutMs,
      tls,
    });
    let client = this.#clients.get(service);
    if (client === undefined) {
      client = createServiceClient(services[service], this.#client) as unknown as RawClient;
      this.#clients.set(service, client);
    }
    return client;
  }
}

/** Statuses that a retry would repeat: a wrong token, a collector without this service, an invalid message. */
const finalCodes: ReadonlySet<number> = new Set([
  GrpcCode.INVALID_ARGUMENT,
  GrpcCode.PERMISSION_DENIED,
  GrpcCode.UNAUTHENTICATED,
  GrpcCode.UNIMPLEMENTED,
  GrpcCode.OUT_OF_RANGE,
  GrpcCode.FAILED_PRECONDITION,
]);

async function* each(messages: readonly RawMessage[]): AsyncGenerator<RawMessage> {
  yield* messages;
}
