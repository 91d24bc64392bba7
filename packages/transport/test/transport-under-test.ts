import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Client,
  createServiceClient,
  type Implementation,
  type Middleware,
  type Service,
  type ServiceClient,
  service,
} from "@clew/rpc";
import { Echo, type EchoMessageSchema } from "./gen/test/v1/test_pb.ts";
import { patientMs } from "./patient-ms.ts";

/** What servers of any transport take. */
export interface ServerInit {
  readonly services: readonly Service[];
  readonly middleware?: readonly Middleware[];
  readonly timeoutMs?: number;
}

/** The two ends of a transport, connected. */
export interface Ends {
  readonly client: Client;
  stop(signal: AbortSignal): Promise<void>;
}

export interface TransportUnderTest {
  /** Whether it carries streams. */
  readonly streams: boolean;
  /** Whether its client is a test's own, which announces nothing. */
  readonly isForeign?: boolean;
  connect(server: ServerInit): Promise<Ends>;
}

export type Implementations = Partial<Implementation<typeof Echo>>;
export type EchoInit = MessageInitShape<typeof EchoMessageSchema>;

export interface EchoSetup extends Omit<ServerInit, "services"> {
  /** What is not here echoes, or is an empty stream. */
  readonly methods?: Implementations;
  readonly clientMiddleware?: readonly Middleware[];
}

/** Connects both ends for as long as `use` runs. */
export async function withEcho<R>(
  transport: TransportUnderTest,
  { methods = {}, clientMiddleware = [], ...server }: EchoSetup,
  use: (client: ServiceClient<typeof Echo>, ends: Ends) => Promise<R>,
): Promise<R> {
  const implementation: Implementation<typeof Echo> = {
    unary: (request) => request,
    async *serverStream() {},
    clientStream: async () => ({}),
    async *bidiStream() {},
    ...methods,
  };
  const ends = await transport.connect({
    services: [service(Echo, implementation)],
    timeoutMs: patientMs,
    ...server,
  });
  const client = createServiceClient(Echo, ends.client, { timeoutMs: patientMs, middleware: clientMiddleware });
  try {
    return await use(client, ends);
  } finally {
    await client[Symbol.asyncDispose]();
    await ends.stop(AbortSignal.abort());
  }
}
