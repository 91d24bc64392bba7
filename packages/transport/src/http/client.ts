import type { ConnectionOptions } from "node:tls";
import type { Message } from "@bufbuild/protobuf";
import {
  type Call,
  type Client,
  type Codec,
  type Handler,
  hasReplyStream,
  hasRequestStream,
  jsonCodec,
  Metadata,
  type Method,
  ServiceError,
} from "@clew/rpc";
import { Pool } from "undici";
import { announceBegin, announceEnd } from "../channels.ts";
import { endpointInvalid, methodNotCallable, optionInvalid } from "../errors.ts";
import { type BodyCodec, compileBodyCodecs, subtypeOf } from "./body-codec.ts";
import { exchange, type HttpResponse } from "./exchange.ts";
import { anyVerb } from "./router.ts";
import { readRules } from "./rule.ts";
import { compileTarget } from "./target.ts";

export interface HttpClientOptions {
  /** Whom to call: `"http://127.0.0.1:8000"`, `"https://api.example.com/base"`. A path in it comes before that of every call. */
  endpoint: string | URL;
  /** How to write bodies. Replies may come in it or in JSON. Default: JSON. */
  codec?: Codec;
  /** The longest reply to accept, in bytes. Default: 4 MiB. */
  bodyLimitBytes?: number;
  /** How many connections to hold at most; calls beyond them wait for one. Default: as many as there are calls. */
  connections?: number;
  /** How long connecting may take, in milliseconds. Default: 10_000. */
  connectTimeoutMs?: number;
  /** Keys and certificates for https, as `node:tls` takes them. Default: those of the system. */
  tls?: ConnectionOptions;
}

interface ResolvedHttpClientOptions {
  readonly endpoint: URL;
  readonly basePath: string;
  readonly codec: Codec;
  readonly bodyLimitBytes: number;
  readonly connections: number | null;
  readonly connectTimeoutMs: number;
  readonly tls: ConnectionOptions;
}

/** @throws CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION */
export function resolveHttpClientOptions(options: HttpClientOptions): ResolvedHttpClientOptions {
  const { bodyLimitBytes = 4 * 1024 * 1024, connections, connectTimeoutMs = 10_000 } = options;
  if (!(bodyLimitBytes > 0)) throw optionInvalid("bodyLimitBytes", bodyLimitBytes, "a number of bytes above 0");
  if (connections !== undefined && !(connections >= 1))
    throw optionInvalid("connections", connections, "a number of 1 or more");
  if (!(connectTimeoutMs > 0))
    throw optionInvalid("connectTimeoutMs", connectTimeoutMs, "a number of milliseconds above 0");
  const endpoint = parseEndpoint(String(options.endpoint));
  return {
    endpoint,
    basePath: endpoint.pathname.replace(/\/+$/, ""),
    codec: options.codec ?? jsonCodec,
    bodyLimitBytes,
    connections: connections ?? null,
    connectTimeoutMs,
    tls: options.tls ?? {},
  };
}

function parseEndpoint(text: string): URL {
  const endpoint = URL.canParse(text) ? new URL(text) : undefined;
  const isUsable = endpoint?.protocol === "http:" || endpoint?.protocol === "https:";
  if (!isUsable || endpoint.search !== "" || endpoint.hash !== "" || endpoint.username !== "") {
    throw endpointInvalid(text, ["http", "https"]);
  }
  return endpoint;
}

/** Names that frame a request or belong to its connection: not for a caller's metadata to set. */
const ownHeaders: ReadonlySet<string> = new Set([
  "accept",
  "connection",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Calls one endpoint over HTTP/JSON, by the main google.api.http rule of each method. It connects at the first call. */
export class HttpClient implements Client {
  readonly transport = "http";
  readonly #options: ResolvedHttpClientOptions;
  readonly #pool: Pool;
  readonly #peer: { readonly address: string };
  #closed: Promise<void> | undefined;

  /** @throws CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION */
  constructor(options: HttpClientOptions) {
    this.#options = resolveHttpClientOptions(options);
    const { endpoint, connections, connectTimeoutMs, tls } = this.#options;
    this.#pool = new Pool(endpoint.origin, { connections, connect: { ...tls, timeout: connectTimeoutMs } as object });
    this.#peer = { address: `${endpoint.hostname}:${endpoint.port || (endpoint.protocol === "https:" ? 443 : 80)}` };
  }

  /** @throws a coded error (CLEW_TRANSPORT_...) for a rule that does not work */
  createHandler(method: Method): Handler {
    if (hasRequestStream(method) || hasReplyStream(method)) {
      return () => Promise.reject(methodNotCallable(method.operation, "HTTP"));
    }
    const { basePath, codec, bodyLimitBytes } = this.#options;
    const { input, output } = method.desc;
    const rule = readRules(method)[0]!;
    const verb = rule.verb === anyVerb ? "POST" : rule.verb;
    const writeTarget = compileTarget(rule, input, basePath);
    const bodyField = typeof rule.body === "object" ? rule.body : undefined;
    const codecs = codec.name === "json" ? [codec] : [codec, jsonCodec];
    const [bodyCodec] = compileBodyCodecs(codecs, input, bodyField).values();
    const replyCodecs = compileBodyCodecs(codecs, output, rule.replyBody);
    const [firstReplyCodec] = replyCodecs.values();
    const accept = firstReplyCodec!.contentType;

    const send = async (call: Call): Promise<Message> => {
      const message = await call.receive();
      const headers: Record<string, string | string[]> = { accept };
      for (const name in call.metadata.record) {
        const value = call.metadata.record[name];
        if (value !== undefined && !ownHeaders.has(name)) headers[name] = value;
      }
      let body: Uint8Array | null = null;
      if (rule.body !== undefined) {
        headers["content-type"] = bodyCodec!.contentType;
        body = encode(call, bodyCodec!, message);
      }
      const target = writeTarget(message);
      const response = await exchange(this.#pool, call, { verb, target, headers, body }, bodyLimitBytes);
      call.passMessage("sent", message);
      call.replyMetadata = Metadata.adopt(response.headers);
      if (response.status < 200 || response.status > 299) throw decodeError(response);
      const reply = decode(
        call,
        replyCodecs.get(subtypeOf(headerOf(response, "content-type"))) ?? firstReplyCodec!,
        response,
      );
      call.passMessage("received", reply);
      return reply;
    };

    return async (call) => {
      call.peer = this.#peer;
      announceBegin(call);
      try {
        const reply = await send(call);
        announceEnd(call);
        return reply;
      } catch (thrown) {
        const error = ServiceError.from(thrown);
        announceEnd(call, error);
        throw error;
      }
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#pool.close();
    return this.#closed;
  }
}

function encode(call: Call, codec: BodyCodec, message: Message): Uint8Array {
  try {
    return codec.encode(message);
  } catch (cause) {
    throw new ServiceError(
      400,
      "CODEC",
      `${call.operation}: the request cannot be written as ${codec.contentType}: ${problemOf(cause)}`,
      { cause },
    );
  }
}

function decode(call: Call, codec: BodyCodec, response: HttpResponse): Message {
  try {
    return codec.decode(response.body);
  } catch (cause) {
    throw new ServiceError(
      502,
      "CODEC",
      `${call.operation}: the reply is not ${codec.contentType}: ${problemOf(cause)}`,
      { cause },
    );
  }
}

function problemOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, 200);
}

function headerOf(response: HttpResponse, name: string): string {
  const value = response.headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? "";
}

/** How much of a body that is no error of ours is told. */
const snippetLength = 200;

/** The error a reply tells. The HTTP status is its code whatever the body says: proxies on the way speak only that. */
export function decodeError({ status, body }: HttpResponse): ServiceError {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  let told: unknown;
  try {
    told = JSON.parse(text);
  } catch {
    told = undefined;
  }
  const error = ServiceError.fromJson(told, status);
  if (error !== undefined) return error;
  const snippet = text.length > snippetLength ? `${text.slice(0, snippetLength)}...` : text;
  return new ServiceError(status, "UNKNOWN", snippet === "" ? `HTTP status ${status}` : snippet);
}
