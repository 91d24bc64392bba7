import type { Client, Handler, Method } from "@clew/rpc";
import { acceptedEncodings } from "../grpc/compression.ts";
import { Request } from "../grpc/request.ts";
import { type StreamConnection, translateConnection } from "../stream-connection.ts";
import {
  createWebHeaders,
  type ResolvedWebClientOptions,
  resolveWebClientOptions,
  type WebClientOptions,
} from "../web-client.ts";
import { createWebConnection } from "../web-connection.ts";
import { GrpcWebReply } from "./reply.ts";

export interface GrpcWebClientOptions extends WebClientOptions {}

/**
 * Calls one endpoint over gRPC-Web, for servers or proxies that support no other form of gRPC. It connects at the first call.
 */
export class GrpcWebClient implements Client {
  readonly transport = "grpc-web";
  readonly #options: ResolvedWebClientOptions;
  readonly #connection: StreamConnection;

  /** @throws CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION */
  constructor(options: GrpcWebClientOptions) {
    this.#options = resolveWebClientOptions(options);
    const { http, maxMessageBytes } = this.#options;
    // Requests are gRPC's, but for their headers.
    this.#connection = translateConnection(createWebConnection(http), (session, fields, body, listener) =>
      session.openStream(fields, body, new GrpcWebReply(listener, maxMessageBytes)),
    );
  }

  createHandler(method: Method): Handler {
    const { http, codec, compression, compressFromBytes, maxMessageBytes } = this.#options;
    const connection = this.#connection;
    const input = codec.compile(method.desc.input);
    const output = codec.compile(method.desc.output);
    const headers = createWebHeaders(http, method, `application/grpc-web+${codec.name}`);
    headers.push("x-grpc-web", "1", "grpc-accept-encoding", acceptedEncodings);
    if (compression !== undefined) headers.push("grpc-encoding", compression.name);
    const request = { connection, headers, input, output, compression, compressFromBytes, maxMessageBytes };
    return (call) => new Request({ ...request, call }).send();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
