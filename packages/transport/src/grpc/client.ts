import type { ConnectionOptions } from "node:tls";
import type { HeaderFields } from "@clew/http2";
import { type Client, type Codec, type Handler, type Method, protoCodec } from "@clew/rpc";
import { endpointInvalid, optionInvalid } from "../errors.ts";
import { ClientConnection } from "../http2/client-connection.ts";
import type { KeepAliveOptions } from "../http2/keepalive.ts";
import { acceptedEncodings, type Compression, readCompression } from "./compression.ts";
import { Request } from "./request.ts";

export interface GrpcClientOptions {
  /** Whom to call: `"grpc://127.0.0.1:9000"`, `"grpcs://…"` for TLS, or `"127.0.0.1:9000"`. */
  endpoint: string | URL;
  /** How to write messages. Default: protoCodec. */
  codec?: Codec;
  /** Compress the larger messages of requests. Compressed replies are always understood. Default: "identity", not at all. */
  compression?: "gzip" | "br" | "identity";
  /** The largest message to accept, in bytes, before and after decompression. Default: 4 MiB. */
  maxMessageBytes?: number;
  /** The largest header list to accept, in bytes. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** How long connecting may take, in milliseconds. Default: 20_000. */
  connectTimeoutMs?: number;
  /** Ping a connection on which nothing arrived for this long, in milliseconds; 0 for never. Default: 0. */
  keepaliveTimeMs?: number;
  /** Give the connection up when nothing arrives for this long after the ping, in milliseconds. Default: 20_000. */
  keepaliveTimeoutMs?: number;
  /** Ping a connection without calls as well; servers may not like it. Default: false. */
  keepaliveWithoutCalls?: boolean;
  /** What TLS trusts, and the key and certificate it shows, as `node:tls` takes them. Default: trust what the system does. */
  tls?: ConnectionOptions;
}

interface ResolvedOptions {
  readonly host: string;
  readonly port: number;
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
  const { keepaliveTimeMs = 0, keepaliveTimeoutMs = 20_000 } = options;
  if (!(keepaliveTimeMs >= 0)) {
    throw optionInvalid("keepaliveTimeMs", keepaliveTimeMs, "a number of milliseconds, or 0 for never");
  }
  if (!(keepaliveTimeoutMs > 0)) {
    throw optionInvalid("keepaliveTimeoutMs", keepaliveTimeoutMs, "a number of milliseconds above 0");
  }
  const { host, port, isSecure } = parseEndpoint(String(options.endpoint));
  return {
    host,
    port,
    codec: options.codec ?? protoCodec,
    compression: readCompression(options.compression),
    maxMessageBytes,
    headerLimitBytes,
    connectTimeoutMs,
    keepAlive: {
      timeMs: keepaliveTimeMs,
      timeoutMs: keepaliveTimeoutMs,
      withoutCalls: options.keepaliveWithoutCalls ?? false,
    },
    tls: isSecure ? (options.tls ?? {}) : undefined,
  };
}

function parseEndpoint(text: string): { host: string; port: number; isSecure: boolean } {
  const match = /^(?:(grpcs?):\/\/)?(\[[^[\]/]+\]|[^:/[\]\s]+):(\d{1,5})\/?$/.exec(text);
  if (match === null) throw endpointInvalid(text, ["grpc", "grpcs"]);
  const host = match[2]!;
  return {
    host: host.startsWith("[") ? host.slice(1, -1) : host,
    port: Number(match[3]),
    isSecure: match[1] === "grpcs",
  };
}

/** Calls one endpoint over gRPC. It connects at the first call, and again after the connection was lost. */
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
    const { host, port, codec, compression, tls } = this.#options;
    const headers = [
      ":method",
      "POST",
      ":scheme",
      tls === undefined ? "http" : "https",
      ":path",
      method.operation,
      ":authority",
      `${host.includes(":") ? `[${host}]` : host}:${port}`,
      "te",
      "trailers",
      "content-type",
      codec === protoCodec ? "application/grpc" : `application/grpc+${codec.name}`,
      "user-agent",
      "grpc-clew",
      "grpc-accept-encoding",
      acceptedEncodings,
    ];
    if (compression !== undefined) headers.push("grpc-encoding", compression.name);
    return headers;
  }
}
