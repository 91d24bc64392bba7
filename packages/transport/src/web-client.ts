import { type Codec, type Method, protoCodec } from "@clew/rpc";
import { optionInvalid } from "./errors.ts";
import { type Compression, compressFromBytes, readCompression } from "./grpc/compression.ts";
import {
  authorityOf,
  type HttpClientOptions,
  type ResolvedHttpClientOptions,
  resolveHttpClientOptions,
} from "./http/client-options.ts";

/** The options that clients of Connect and of gRPC-Web share. */
export interface WebClientOptions
  extends Pick<
    HttpClientOptions,
    | "endpoint"
    | "http2"
    | "authority"
    | "userAgent"
    | "headerLimitBytes"
    | "connections"
    | "connectTimeoutMs"
    | "keepaliveTimeMs"
    | "keepaliveTimeoutMs"
    | "keepaliveWithoutCalls"
    | "tls"
  > {
  /** The encoding of messages: a codec named "proto" or "json". Default: protoCodec. */
  codec?: Codec;
  /**
   * How larger request messages are compressed. Compressed replies are always accepted. Default: "identity", no compression.
   */
  compression?: "gzip" | "br" | "identity";
  /** Smaller messages are not compressed, in bytes. Default: 1024. */
  compressFromBytes?: number;
  /** The largest message that is accepted, in bytes, before and after decompression. Default: 4 MiB. */
  maxMessageBytes?: number;
}

export interface ResolvedWebClientOptions {
  readonly http: ResolvedHttpClientOptions;
  readonly codec: Codec;
  readonly compression: Compression | undefined;
  readonly compressFromBytes: number;
  readonly maxMessageBytes: number;
}

/** @throws CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION */
export function resolveWebClientOptions(options: WebClientOptions): ResolvedWebClientOptions {
  const { codec = protoCodec, compression, maxMessageBytes = 4 * 1024 * 1024, ...rest } = options;
  const { compressFromBytes: fromBytes = compressFromBytes, ...http } = rest;
  if (codec.name !== "proto" && codec.name !== "json") {
    throw optionInvalid("codec", codec.name, 'one named "proto" or "json"');
  }
  if (!(maxMessageBytes > 0)) throw optionInvalid("maxMessageBytes", maxMessageBytes, "a number of bytes above 0");
  if (!(fromBytes >= 0)) throw optionInvalid("compressFromBytes", fromBytes, "a number of bytes, 0 or more");
  return {
    http: resolveHttpClientOptions(http),
    codec,
    compression: readCompression(compression),
    compressFromBytes: fromBytes,
    maxMessageBytes,
  };
}

/** The request headers that are the same for every call of a method, without those of a protocol. */
export function createWebHeaders(http: ResolvedHttpClientOptions, method: Method, contentType: string): string[] {
  return [
    ":method",
    "POST",
    ":scheme",
    http.scheme,
    ":path",
    http.basePath + method.operation,
    ":authority",
    authorityOf(http),
    "content-type",
    contentType,
    "user-agent",
    http.userAgent,
  ];
}
