import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Client, Handler, Method } from "@clew/rpc";
import { Request } from "../grpc/request.ts";
import { type StreamConnection, translateConnection } from "../stream-connection.ts";
import {
  createWebHeaders,
  type ResolvedWebClientOptions,
  resolveWebClientOptions,
  type WebClientOptions,
} from "../web-client.ts";
import { createWebConnection } from "../web-connection.ts";
import { acceptedEncodings } from "./accepted-encodings.ts";
import { openMessageStream, openUnary } from "./open-stream.ts";

export interface ConnectClientOptions extends WebClientOptions {
  /**
   * Send unary calls of methods without side effects (`idempotency_level = NO_SIDE_EFFECTS` in the .proto) as GET, which a
   * cache on the way may answer, unless the URL would be too long. Default: false.
   */
  useGet?: boolean;
}

/** Calls one endpoint over Connect. It connects at the first call. */
export class ConnectClient implements Client {
  readonly transport = "connect";
  readonly #options: ResolvedWebClientOptions;
  readonly #useGet: boolean;
  readonly #connection: StreamConnection;

  /** @throws CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION */
  constructor({ useGet = false, ...options }: ConnectClientOptions) {
    this.#options = resolveWebClientOptions(options);
    this.#useGet = useGet;
    this.#connection = createWebConnection(this.#options.http);
  }

  createHandler(method: Method): Handler {
    const { http, codec, compression, compressFromBytes, maxMessageBytes } = this.#options;
    const input = codec.compile(method.desc.input);
    const output = codec.compile(method.desc.output);
    const isUnary = method.kind === "unary";
    const headers = createWebHeaders(http, method, `application/${isUnary ? "" : "connect+"}${codec.name}`);
    headers.push("connect-protocol-version", "1");
    headers.push(isUnary ? "accept-encoding" : "connect-accept-encoding", acceptedEncodings);
    if (!isUnary && compression !== undefined) headers.push("connect-content-encoding", compression.name);
    const init = {
      codec: codec.name,
      compression: compression?.name,
      maxMessageBytes,
      useGet: this.#useGet && method.desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    };
    const connection = translateConnection(this.#connection, isUnary ? openUnary(init) : openMessageStream(init));
    const request = { connection, headers, input, output, compression, compressFromBytes, maxMessageBytes };
    return (call) => new Request({ ...request, call }).send();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
