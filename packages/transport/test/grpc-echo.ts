import { after } from "node:test";
import { silentLogger } from "@clew/log";
import {
  type Client,
  createServiceClient,
  type Implementation,
  type Metadata,
  type ServiceClient,
  ServiceError,
  service,
} from "@clew/rpc";
import { GrpcClient, type GrpcClientOptions, GrpcServer, type GrpcServerOptions } from "@clew/transport/grpc";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { patientMs } from "./patient-ms.ts";

/** What the gRPC tests serve. The text of a request tells what to do: fail, wait, or echo. */
export const echoImplementation: Implementation<typeof Echo> = {
  async unary(request, call) {
    copyMetadata(call.metadata, call.replyMetadata, call.replyTrailers);
    if (request.text === "fail") throw createFailure();
    if (request.text === "crash") throw new Error("secret");
    if (request.text === "wait") await new Promise(() => {});
    return request;
  },
  async *serverStream(request, call) {
    copyMetadata(call.metadata, call.replyMetadata, call.replyTrailers);
    if (request.text === "fail first") throw createFailure();
    for (let count = 0; count < request.count; count++) yield { text: request.text, count, payload: request.payload };
    if (request.text === "fail") throw createFailure();
    if (request.text === "wait") await new Promise(() => {});
  },
  async clientStream(requests, call) {
    copyMetadata(call.metadata, call.replyMetadata, call.replyTrailers);
    let count = 0;
    const texts: string[] = [];
    for await (const request of requests) {
      if (request.text === "fail") throw createFailure();
      if (request.text === "enough") break;
      count++;
      texts.push(request.text);
    }
    return { text: texts.join(","), count };
  },
  async *bidiStream(requests, call) {
    copyMetadata(call.metadata, call.replyMetadata, call.replyTrailers);
    let count = 0;
    for await (const request of requests) {
      if (request.text === "fail") throw createFailure();
      yield { text: request.text, count: ++count, payload: request.payload };
    }
    yield { text: "end", count };
  },
};

export const echo = service(Echo, echoImplementation);

export function createFailure(): ServiceError {
  return new ServiceError(404, "BOOK_NOT_FOUND", "no book “ü” at 100%", { metadata: { shelf: "höher" } });
}

// x-echo-… comes back as a header, x-trail-… as a trailer.
function copyMetadata(from: Metadata, headers: Metadata, trailers: Metadata): void {
  for (const [name, value] of from) {
    if (name.startsWith("x-echo-")) headers.append(name, value);
    if (name.startsWith("x-trail-")) trailers.append(name, value);
  }
}

const started: GrpcServer[] = [];
// A test that fails leaves its server behind, which must not keep the file from ending.
after(() => Promise.all(started.map((server) => server.stop(AbortSignal.abort()))));

export async function startServer(options: GrpcServerOptions = {}): Promise<GrpcServer> {
  const server = new GrpcServer({
    address: "127.0.0.1:0",
    services: [echo],
    timeoutMs: patientMs,
    logger: silentLogger,
    ...options,
  });
  await server.start();
  started.push(server);
  return server;
}

export function connectTo(server: GrpcServer, options: Omit<GrpcClientOptions, "endpoint"> = {}): GrpcClient {
  return new GrpcClient({ endpoint: server.endpoint(), ...options });
}

/** A client that is closed when the file's tests are over. */
export function createEchoClient(client: Client): ServiceClient<typeof Echo> {
  const echoClient = createServiceClient(Echo, client, { timeoutMs: patientMs });
  after(() => echoClient[Symbol.asyncDispose]());
  return echoClient;
}

/** Everything a stream gives. */
export async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

/** One request for each text. */
export async function* texts(...all: string[]): AsyncIterable<{ text: string }> {
  for (const text of all) yield { text };
}
