import type { ConnectionOptions } from "node:tls";
import type { HeaderFields } from "@clew/http2";
import { type Client, type Codec, type Handler, type Method, protoCodec } from "@clew/rpc";
import { checkCodec } from "../check-codecs.ts";
import { endpointInvalid, optionInvalid } from "../errors.ts";
import { ClientConnection } from "../http2/client-connection.ts";
import { addressOf } from "../http2/connect.ts";
import { type ClientKeepAliveOptions, type KeepAliveOptions, resolveClientKeepAlive } from "../http2/keepalive.ts";
import { parseUnixEndpoint } from "../unix-endpoint.ts";
import { acceptedEncodings, type Compression, readCompression } from "./compression.ts";
import { Request } from "./request.ts";

export interface GrpcClientOptions extends ClientKeepAliveOptions {
  /**
   * The server to call: `"grpc://127.0.0.1:9000"`, `"grpcs://…"` for TLS, or `"127.0.0.1:9000"`; `"unix:/run/greeter.sock"` or
   * `"grpc+unix:/run/greeter.sock"` for a unix socket.
   */
  endpoint: string | URL;
  /** The encoding of messages. Default: protoCodec. */
  codec?: Codec;
  /**
   * How larger request messages are compressed. Compressed replies are always accepted. Default: "identity", no compression.
   */
  compression?: "gzip" | "br" | "identity";
  /** The largest message that is accepted, in bytes, before and after decompression. Default: 4 MiB. */
  maxMessageBytes?: number;
  /** The largest header list that is accepted, in bytes. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** How long connecting may take, in milliseconds. Default: 20_000. */
  connectTimeoutMs?: number;
  /**
   * The trusted authorities and the client's key and certificate, as in `node:tls`. Default: the authorities that the system
   * trusts.
   */
  tls?: ConnectionOptions;
  /** The server's name, sent in `:authority`. Default: the endpoint's host and port, "localhost" for a unix socket. */
  authority?: string;
  /** The name of the calling program, sent before "grpc-clew" in the user-agent: `"shop/1.2"`. Default: none. */
  userAgent?: string;
}

interface ResolvedOptions {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | undefined;
  readonly authority: string;
  readonly userAgent: string;
  readonly codec: Codec;
  readonly compression: Compression | undefined;
  readonly maxMessageBytes: number;
  readonly headerLimitBytes: number;
  readonly connectTimeoutMs: number;
  readonly keepAlive: KeepAliveOptions;
  readonly tls: ConnectionOptions | undefined;
}

function resolveGrpcClientOptions(options: GrpcClientOptions): ResolvedOptions {
  const { maxMessageBytes = 4 * 1024 * 1024, headerLimitBytes = 16 * 1024, connectTimeoutMs = 20_000 } = options;
  if (!(maxMessageBytes > 0)) throw optionInvalid("maxMessageBytes", maxMessageBytes, "a number of bytes above 0");
  if (!(headerLimitBytes > 0)) throw optionInvalid("headerLimitBytes", headerLimitBytes, "a number of bytes above 0");
  if (!(connectTimeoutMs > 0))
    throw optionInvalid("connectTimeoutMs", connectTimeoutMs, "a number of milliseconds above 0");
  const { codec = protoCodec } = options;
  checkCodec("codec", codec);
  const { host, port, socketPath, isSecure } = parseEndpoint(String(options.endpoint));
  return {
    scheme: isSecure ? "grpcs" : "grpc",
    host,
    port,
    socketPath,
    authority: options.authority ?? (socketPath === undefined ? addressOf({ host, port }) : host),
    userAgent: options.userAgent === undefined ? "grpc-clew" : `${options.userAgent} grpc-clew`,
    codec,
    compression: readCompression(options.compression),
    maxMessageBytes,
    headerLimitBytes,
    connectTimeoutMs,
    keepAlive: resolveClientKeepAlive(options),
    tls: isSecure ? (options.tls ?? {}) : undefined,
  };
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | undefined;
  readonly isSecure: boolean;
}

function parseEndpoint(text: string): Endpoint {
  const unix = parseUnixEndpoint(text, "grpc");
  if (unix !== undefined) return { host: "localhost", port: 0, ...unix };
  const match = /^(?:(grpcs?):\/\/)?(\[[^[\]/]+\]|[^:/[\]\s]+):(\d{1,5})\/?$/.exec(text);
  if (match === null) throw endpointInvalid(text, ["grpc", "grpcs"]);
  const host = match[2]!;
  return {
    host: host.startsWith("[") ? host.slice(1, -1) : host,
    port: Number(match[3]),
    socketPath: undefined,
    isSecure: match[1] === "grpcs",
  };
}

/** Calls one endpoint over gRPC. It connects at the first call, and again after the connection is lost. */
export class GrpcClient implements Client {
  readonly transport = "grpc";
  readonly #options: ResolvedOptions;
  readonly #connection: ClientConnection;

  /** @throws CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION. */
  constructor(options: GrpcClientOptions) {
    this.#options = resolveGrpcClientOptions(options);
    this.#connection = new ClientConnection(this.#options);
  }

  createHandler(method: Method): Handler {
    const { codec, compression, maxMessageBytes } = this.#options;
    const connection = this.#connection;
    const headers = this.#createHeaders(method);
    const input = codec.compile(method.desc.input);
    const output = codec.compile(method.desc.output);
    return (call) => new Request({ call, connection, headers, input, output, compression, maxMessageBytes }).send();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #createHeaders(method: Method): HeaderFields {
    const { authority, userAgent, codec, compression, tls } = this.#options;
    const headers = [
      ":method",
      "POST",
      ":scheme",
      tls === undefined ? "http" : "https",
      ":path",
      method.operation,
      ":authority",
      authority,
      "te",
      "trailers",
      "content-type",
      codec === protoCodec ? "application/grpc" : `application/grpc+${codec.name}`,
      "user-agent",
      userAgent,
      "grpc-accept-encoding",
      acceptedEncodings,
    ];
    if (compression !== undefined) headers.push("grpc-encoding", compression.name);
    return headers;
  }
}
