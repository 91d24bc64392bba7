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
   * Whom to call: `"http://127.0.0.1:8000"`, `"https://api.example.com/base"`; `"unix:/run/greeter.sock"` or
   * `"http+unix:/run/greeter.sock"` for a socket of this machine. A path in it comes before that of every call.
   */
  endpoint: string | URL;
  /** How to write bodies that no call option says otherwise of. Replies may come in it or in JSON. Default: JSON. */
  codec?: Codec;
  /**
   * Speak HTTP/2: true for nothing else (over http with prior knowledge), false for HTTP/1.1 only. Default: over https what the
   * server chooses by ALPN, over http HTTP/1.1.
   */
  http2?: boolean;
  /** What to call the server, as `host` or `:authority`. Default: the endpoint's host and port, "localhost" for a unix socket. */
  authority?: string;
  /** Who calls, in `user-agent`. Default: "clew". */
  userAgent?: string;
  /** Compress the larger bodies of requests, for servers that are known to take them. Default: "identity", not at all. */
  compression?: RequestCoding | "identity";
  /** The compressions that replies may come in, of gzip, deflate, br and zstd. Default: all of these; "identity" for none. */
  acceptEncoding?: string;
  /**
   * Go on where a stream of replies broke off, as browsers do: ask again with `Last-Event-ID`, which the server must know how to
   * take up, as long as its messages have ids. It is given up after five tries in a row that brought nothing. Default: false.
   */
  resumeStreams?: boolean;
  /** The longest reply to accept, and the longest message of a stream, in bytes, before and after decompression. Default: 4 MiB. */
  bodyLimitBytes?: number;
  /** The largest headers of a reply over HTTP/2, in bytes. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** How many connections of HTTP/1.1 to hold at most; calls beyond them wait for one. Default: as many as there are calls. */
  connections?: number;
  /** How long connecting may take, in milliseconds. Default: 10_000. */
  connectTimeoutMs?: number;
  /**
   * What https trusts, and the key and certificate it shows, as `node:tls` takes them: `{ ca, cert, key, servername }`. It is this
   * client's alone. Default: trust what the system does.
   */
  tls?: ConnectionOptions;
}

export interface ResolvedHttpClientOptions {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | undefined;
  /** As it was asked for; undefined for that of the endpoint. */
  readonly authority: string | undefined;
  /** Without a slash at its end. */
  readonly basePath: string;
  /** Undefined for what ALPN says. */
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

/** What the URL of a request begins with, before its path. */
export function originOf(options: ResolvedHttpClientOptions): string {
  return `${options.scheme}://${authorityOf(options)}`;
}

/** `host:port` as others write it: without a port that the scheme implies. */
export function authorityOf({ scheme, host, port, socketPath, authority }: ResolvedHttpClientOptions): string {
  if (authority !== undefined) return authority;
  if (socketPath !== undefined) return host;
  const whole = addressOf({ host, port });
  return port === (scheme === "https" ? 443 : 80) ? whole.slice(0, whole.lastIndexOf(":")) : whole;
}
