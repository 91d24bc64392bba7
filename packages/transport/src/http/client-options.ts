import type { ConnectionOptions } from "node:tls";
import { type Codec, jsonCodec } from "@clew/rpc";
import { checkCodec } from "../check-codecs.ts";
import { endpointInvalid, optionInvalid } from "../errors.ts";
import { addressOf } from "../http2/connect.ts";
import { type ClientKeepAliveOptions, type KeepAliveOptions, resolveClientKeepAlive } from "../http2/keepalive.ts";
import { parseUnixEndpoint } from "../unix-endpoint.ts";
import { acceptedCodings } from "./content-coding.ts";
import { type RequestCoding, requestCodings } from "./request-coding.ts";

export interface HttpClientOptions extends ClientKeepAliveOptions {
  /**
   * The server to call: `"http://127.0.0.1:8000"`, `"https://api.example.com/base"`; `"unix:/run/greeter.sock"` or
   * `"http+unix:/run/greeter.sock"` for a unix socket. A path in it is put before the path of every call.
   */
  endpoint: string | URL;
  /** The codec for bodies, unless an option of the call selects another. Replies may come in it or in JSON. Default: JSON. */
  codec?: Codec;
  /**
   * The version of HTTP: true for HTTP/2 only (over http with prior knowledge), false for HTTP/1.1 only. Default: with https
   * the version that the server chooses by ALPN, with http HTTP/1.1.
   */
  http2?: boolean;
  /** The server's name, sent as `host` or `:authority`. Default: the endpoint's host and port, "localhost" for a unix socket. */
  authority?: string;
  /** The name of the calling program, sent in `user-agent`. Default: "clew". */
  userAgent?: string;
  /** How larger request bodies are compressed, for servers that are known to accept it. Default: "identity", no compression. */
  compression?: RequestCoding | "identity";
  /** The compressions in which replies may come, of gzip, deflate, br and zstd; "identity" for none. Default: all of these. */
  acceptEncoding?: string;
  /**
   * Resume a stream of replies that broke off, as browsers do. As long as its messages have ids, the request is sent again with
   * `Last-Event-ID`, which the server must support. The client gives up after five attempts in a row that brought no message.
   * Default: false.
   */
  resumeStreams?: boolean;
  /**
   * The largest reply, and the largest message of a stream, that is accepted, in bytes, before and after decompression. Default: 4
   * MiB.
   */
  bodyLimitBytes?: number;
  /** The largest headers of a reply over HTTP/2 that are accepted, in bytes. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** The maximum number of HTTP/1.1 connections; further calls wait for one. Default: no limit, one for each open call. */
  connections?: number;
  /** How long connecting may take, in milliseconds. Default: 10_000. */
  connectTimeoutMs?: number;
  /**
   * The trusted authorities and the client's key and certificate, as in `node:tls`: `{ ca, cert, key, servername }`. They apply to
   * this client only. Default: the authorities that the system trusts.
   */
  tls?: ConnectionOptions;
}

export interface ResolvedHttpClientOptions {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | undefined;
  /** The option's value; undefined means that of the endpoint. */
  readonly authority: string | undefined;
  /** Without a slash at its end. */
  readonly basePath: string;
  /** Undefined: ALPN decides. */
  readonly http2: boolean | undefined;
  readonly codec: Codec;
  readonly userAgent: string;
  readonly compression: RequestCoding | undefined;
  readonly acceptEncoding: string;
  readonly resumeStreams: boolean;
  readonly bodyLimitBytes: number;
  readonly headerLimitBytes: number;
  readonly connections: number | null;
  readonly connectTimeoutMs: number;
  readonly keepAlive: KeepAliveOptions;
  readonly tls: ConnectionOptions;
}

/** @throws CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION */
export function resolveHttpClientOptions(options: HttpClientOptions): ResolvedHttpClientOptions {
  const { bodyLimitBytes = 4 * 1024 * 1024, headerLimitBytes = 16 * 1024, connectTimeoutMs = 10_000 } = options;
  const { connections, compression = "identity" } = options;
  if (!(bodyLimitBytes > 0)) throw optionInvalid("bodyLimitBytes", bodyLimitBytes, "a number of bytes above 0");
  if (!(headerLimitBytes > 0)) throw optionInvalid("headerLimitBytes", headerLimitBytes, "a number of bytes above 0");
  if (connections !== undefined && !(connections >= 1))
    throw optionInvalid("connections", connections, "a number of 1 or more");
  if (!(connectTimeoutMs > 0))
    throw optionInvalid("connectTimeoutMs", connectTimeoutMs, "a number of milliseconds above 0");
  if (compression !== "identity" && !Object.hasOwn(requestCodings, compression))
    throw optionInvalid("compression", compression, '"gzip", "br", "zstd" or "identity"');
  const { codec = jsonCodec } = options;
  checkCodec("codec", codec);
  const endpoint = parseEndpoint(String(options.endpoint));
  return {
    ...endpoint,
    authority: options.authority,
    http2: options.http2 ?? (endpoint.scheme === "http" ? false : undefined),
    codec,
    userAgent: options.userAgent ?? "clew",
    compression: compression === "identity" ? undefined : compression,
    acceptEncoding: options.acceptEncoding ?? acceptedCodings,
    resumeStreams: options.resumeStreams ?? false,
    bodyLimitBytes,
    headerLimitBytes,
    connections: connections ?? null,
    connectTimeoutMs,
    keepAlive: resolveClientKeepAlive(options),
    tls: options.tls ?? {},
  };
}

type Endpoint = Pick<ResolvedHttpClientOptions, "scheme" | "host" | "port" | "socketPath" | "basePath">;

function parseEndpoint(text: string): Endpoint {
  const unix = parseUnixEndpoint(text, "http");
  if (unix !== undefined) {
    const [scheme, port] = unix.isSecure ? (["https", 443] as const) : (["http", 80] as const);
    return { scheme, host: "localhost", port, socketPath: unix.socketPath, basePath: "" };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isUsable = url?.protocol === "http:" || url?.protocol === "https:";
  if (!isUsable || url.search !== "" || url.hash !== "" || url.username !== "") {
    throw endpointInvalid(text, ["http", "https"]);
  }
  const scheme = url.protocol === "https:" ? "https" : "http";
  return {
    scheme,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || (scheme === "https" ? 443 : 80)),
    socketPath: undefined,
    basePath: url.pathname.replace(/\/+$/, ""),
  };
}

/** The beginning of the URL of a request, before its path. */
export function originOf(options: ResolvedHttpClientOptions): string {
  return `${options.scheme}://${authorityOf(options)}`;
}

/** `host:port` in its usual form: without a port that the scheme implies. */
export function authorityOf({ scheme, host, port, socketPath, authority }: ResolvedHttpClientOptions): string {
  if (authority !== undefined) return authority;
  if (socketPath !== undefined) return host;
  const whole = addressOf({ host, port });
  return port === (scheme === "https" ? 443 : 80) ? whole.slice(0, whole.lastIndexOf(":")) : whole;
}
