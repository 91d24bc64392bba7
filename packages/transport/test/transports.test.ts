// The contract, on every transport there is.

import { mkdtempSync, rmSync } from "node:fs";
import type { ClientHttp2Session, ClientHttp2Stream, SecureClientSessionOptions } from "node:http2";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fromJsonString, type Message, toJsonString } from "@bufbuild/protobuf";
import { silentLogger } from "@clew/log";
import {
  type Call,
  type Client,
  type Handler,
  jsonCodec,
  Metadata,
  type Method,
  protoCodec,
  ServiceError,
} from "@clew/rpc";
import { GrpcServer, HttpServer, MemoryClient, MemoryServer, Server, type ServerOptions } from "@clew/transport";
import { ConnectClient } from "@clew/transport/connect";
import { GrpcClient } from "@clew/transport/grpc";
import { GrpcWebClient } from "@clew/transport/grpc-web";
import { HttpClient } from "@clew/transport/http";
import { testCertificates } from "../../http2/test/certificates.ts";
import { testTransport } from "./transport.contract.ts";
import type { Ends, ServerInit } from "./transport-under-test.ts";

const { ca, server: certificate } = testCertificates();
const address = "127.0.0.1:0";

interface AnyServer {
  start(): Promise<void>;
  stop(signal: AbortSignal): Promise<void>;
  endpoint(): URL;
}

function over<S extends AnyServer>(
  createServer: (options: ServerOptions) => S,
  createClient: (endpoint: URL, server: S) => Client,
): (server: ServerInit) => Promise<Ends> {
  return async (init) => {
    const server = createServer({ address, logger: silentLogger, ...init });
    await server.start();
    return { client: createClient(server.endpoint(), server), stop: (signal) => server.stop(signal) };
  };
}

/** Calls over HTTP/JSON with node:http2: somebody else's idea of HTTP/2. It knows no rules; each method is its POST. */
class Http2RestClient implements Client {
  readonly transport = "http";
  readonly #endpoint: URL;
  readonly #options: SecureClientSessionOptions;
  #session: ClientHttp2Session | undefined;

  constructor(endpoint: URL, options: SecureClientSessionOptions = {}) {
    this.#endpoint = endpoint;
    this.#options = options;
  }

  createHandler(method: Method): Handler {
    return async (call) => {
      const body = toJsonString(method.desc.input, await call.receive());
      const { status, headers, text } = await this.#ask(call, body);
      call.replyMetadata = Metadata.adopt(headers);
      if (status !== 200) throw ServiceError.fromJson(JSON.parse(text), status);
      const reply: Message = fromJsonString(method.desc.output, text);
      return reply;
    };
  }

  async close(): Promise<void> {
    this.#session?.destroy();
  }

  #ask(
    call: Call,
    body: string,
  ): Promise<{ status: number; headers: Record<string, string | string[]>; text: string }> {
    return new Promise((resolve, reject) => {
      const lose = (cause: Error | undefined): void =>
        reject(new ServiceError(503, "UNAVAILABLE", "the connection was lost", { cause }));
      if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
        this.#session = connect(this.#endpoint, this.#options);
        this.#session.on("error", lose);
      }
      let stream: ClientHttp2Stream;
      try {
        stream = this.#session.request({
          ":method": "POST",
          ":path": call.operation,
          "content-type": "application/json",
          ...call.metadata.record,
        });
      } catch (cause) {
        reject(new ServiceError(400, "CODEC", "no request", { cause }));
        return;
      }
      const release = call.onCancel((reason) => {
        reject(reason);
        stream.close(8);
      });
      let answer: Record<string, string | string[]> = {};
      const parts: Buffer[] = [];
      stream.on("response", (headers) => (answer = { ...headers } as Record<string, string | string[]>));
      stream.on("data", (part: Buffer) => parts.push(part));
      stream.on("error", lose);
      stream.on("close", () => {
        release();
        const { ":status": status, ...headers } = answer;
        if (status === undefined || stream.rstCode !== 0) lose(undefined);
        else resolve({ status: Number(status), headers, text: Buffer.concat(parts).toString() });
      });
      stream.end(body);
    });
  }
}

const folder = mkdtempSync(join(tmpdir(), "clew unix:"));
after(() => rmSync(folder, { recursive: true }));
let sockets = 0;

/** A socket of its own for each server; what is in its path are the characters that make trouble. */
function unixAddress(): string {
  return `unix:${join(folder, `a b%20:${++sockets}`)}`;
}

function grpcOf(server: Server): URL {
  return server.endpoints().find((endpoint) => endpoint.protocol.startsWith("grpc"))!;
}

const httpServer = (options: ServerOptions): HttpServer => new HttpServer(options);
const grpcServer = (options: ServerOptions): GrpcServer => new GrpcServer({ ...options, health: true });
const server = (options: ServerOptions): Server => new Server(options);
const tlsServer = (options: ServerOptions): Server => new Server({ ...options, tls: certificate });

testTransport("in memory", {
  streams: true,
  async connect(init) {
    const memory = new MemoryServer({ logger: silentLogger, ...init });
    return { client: new MemoryClient(memory), stop: (signal) => memory.stop(signal) };
  },
});

testTransport("HTTP/1.1", {
  streams: true,
  connect: over(httpServer, (endpoint) => new HttpClient({ endpoint })),
});

testTransport("HTTP/1.1 in protobuf", {
  streams: true,
  connect: over(httpServer, (endpoint) => new HttpClient({ endpoint, codec: protoCodec })),
});

testTransport("HTTP/1.1 over a unix socket", {
  streams: true,
  connect: over(
    (options) => new HttpServer({ ...options, address: unixAddress() }),
    (endpoint) => new HttpClient({ endpoint }),
  ),
});

testTransport("HTTP/1.1 over a unix socket and TLS", {
  streams: true,
  connect: over(
    (options) => new Server({ ...options, address: unixAddress(), tls: certificate }),
    (endpoint) => new HttpClient({ endpoint, tls: { ca }, http2: false }),
  ),
});

testTransport("HTTP/2 over a unix socket", {
  streams: true,
  connect: over(
    (options) => new HttpServer({ ...options, address: unixAddress() }),
    (endpoint) => new HttpClient({ endpoint, http2: true }),
  ),
});

testTransport("gRPC over a unix socket", {
  streams: true,
  connect: over(
    (options) => grpcServer({ ...options, address: unixAddress() }),
    (endpoint) => new GrpcClient({ endpoint }),
  ),
});

testTransport("HTTP/1.1 on a server of all protocols, over TLS", {
  streams: true,
  connect: over(tlsServer, (endpoint) => new HttpClient({ endpoint, tls: { ca }, http2: false })),
});

testTransport("HTTP/2 with prior knowledge", {
  streams: true,
  connect: over(httpServer, (endpoint) => new HttpClient({ endpoint, http2: true })),
});

testTransport("HTTP/2 as ALPN chooses, on a server of all protocols, over TLS", {
  streams: true,
  connect: over(tlsServer, (endpoint) => new HttpClient({ endpoint, tls: { ca } })),
});

testTransport("HTTP/1.1 inside of a filter", {
  streams: true,
  connect: over(
    (options) => new HttpServer({ ...options, filters: [(next) => next] }),
    (endpoint) => new HttpClient({ endpoint }),
  ),
});

testTransport("HTTP/JSON over HTTP/2", {
  streams: false,
  isForeign: true,
  connect: over(httpServer, (endpoint) => new Http2RestClient(endpoint)),
});

testTransport("HTTP/JSON over HTTP/2 on a server of all protocols, over TLS", {
  streams: false,
  isForeign: true,
  connect: over(tlsServer, (endpoint) => new Http2RestClient(endpoint, { ca })),
});

testTransport("HTTP/JSON over HTTP/2 inside of a filter", {
  streams: false,
  isForeign: true,
  connect: over(
    (options) => new HttpServer({ ...options, filters: [(next) => next] }),
    (endpoint) => new Http2RestClient(endpoint),
  ),
});

testTransport("gRPC", {
  streams: true,
  connect: over(grpcServer, (endpoint) => new GrpcClient({ endpoint })),
});

testTransport("gRPC on a server of all protocols", {
  streams: true,
  connect: over(server, (_endpoint, one) => new GrpcClient({ endpoint: grpcOf(one) })),
});

testTransport("gRPC on a server of all protocols, over TLS", {
  streams: true,
  connect: over(tlsServer, (_endpoint, one) => new GrpcClient({ endpoint: grpcOf(one), tls: { ca } })),
});

const filtered = (options: ServerOptions): Server => new Server({ ...options, filters: [(next) => next] });

for (const [name, ConnectOrWeb] of [
  ["Connect", ConnectClient],
  ["gRPC-Web", GrpcWebClient],
] as const) {
  testTransport(`${name} over HTTP/1.1`, {
    streams: true,
    connect: over(server, (endpoint) => new ConnectOrWeb({ endpoint })),
  });
  testTransport(`${name} over HTTP/2`, {
    streams: true,
    connect: over(server, (endpoint) => new ConnectOrWeb({ endpoint, http2: true })),
  });
  testTransport(`${name} over HTTP/2 and TLS, as ALPN has it`, {
    streams: true,
    connect: over(tlsServer, (endpoint) => new ConnectOrWeb({ endpoint, tls: { ca } })),
  });
  testTransport(`${name} over HTTP/1.1, in JSON and inside of a filter`, {
    streams: true,
    connect: over(filtered, (endpoint) => new ConnectOrWeb({ endpoint, codec: jsonCodec })),
  });
  testTransport(`${name} over HTTP/2, inside of a filter`, {
    streams: true,
    connect: over(filtered, (endpoint) => new ConnectOrWeb({ endpoint, http2: true })),
  });
}
