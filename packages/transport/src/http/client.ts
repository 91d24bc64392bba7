import type { Message } from "@bufbuild/protobuf";
import {
  type Call,
  type Client,
  type Handler,
  hasReplyStream,
  hasRequestStream,
  Metadata,
  type Method,
  type SentHttp,
  ServiceError,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../channels.ts";
import { addressOf } from "../http2/connect.ts";
import {
  authorityOf,
  type HttpClientOptions,
  originOf,
  type ResolvedHttpClientOptions,
  resolveHttpClientOptions,
} from "./client-options.ts";
import { exchange } from "./exchange.ts";
import { Http1Sender } from "./http1-sender.ts";
import { Http2Sender } from "./http2-sender.ts";
import { decodeError, ReplyReader } from "./reply-reader.ts";
import { compressFromBytes, requestCodings } from "./request-coding.ts";
import { RequestWriter } from "./request-writer.ts";
import { anyVerb } from "./router.ts";
import { readRules } from "./rule.ts";
import type { HttpSender } from "./sender.ts";
import { createEventHandler } from "./sse/client.ts";
import type { StreamClientInit } from "./stream-client.ts";
import { compileTarget } from "./target.ts";
import { createWebSocketHandler } from "./websocket/client.ts";

/** Headers that frame a request, or that its body, its connection or the client sets: a caller's metadata cannot set them. */
const ownHeaders: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-encoding",
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
  "user-agent",
]);

/** Calls one endpoint over HTTP/JSON, by the first google.api.http rule of each method. It connects at the first call. */
export class HttpClient implements Client {
  readonly transport = "http";
  readonly #options: ResolvedHttpClientOptions;
  readonly #sender: HttpSender;
  readonly #peer: { readonly address: string };
  #closed: Promise<void> | undefined;

  /** @throws CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION */
  constructor(options: HttpClientOptions) {
    this.#options = resolveHttpClientOptions(options);
    this.#sender = createSender(this.#options);
    this.#peer = { address: addressOf(this.#options) };
  }

  /** @throws a coded error (CLEW_TRANSPORT_...) for an invalid rule */
  createHandler(method: Method): Handler {
    if (hasRequestStream(method) || hasReplyStream(method)) return this.#createStreamHandler(method);
    const { basePath, codec, bodyLimitBytes, compression } = this.#options;
    const rule = readRules(method)[0]!;
    const verb = rule.verb === anyVerb ? "POST" : rule.verb;
    const writeTarget = compileTarget(rule, method.desc.input, basePath);
    const writer = rule.body === undefined ? undefined : new RequestWriter(method, rule, codec);
    const reader = new ReplyReader(method, rule, codec);
    const origin = originOf(this.#options);

    const send = async (call: Call): Promise<Message> => {
      const message = await call.receive();
      const headers = this.#createHeaders(call, reader.accept);
      let body: Uint8Array | null = null;
      if (writer !== undefined) {
        const written = writer.write(message, call.metadata.get("content-type"));
        headers["content-type"] = written.contentType;
        body = written.bytes;
        if (compression !== undefined && body.length >= compressFromBytes) {
          headers["content-encoding"] = compression;
          body = await requestCodings[compression](body);
        }
      }
      const target = writeTarget(message);
      const sent: SentHttp = { verb, url: origin + target, status: undefined };
      call.sentHttp = sent;
      const response = await exchange(this.#sender, call, { verb, target, headers, body }, bodyLimitBytes);
      sent.status = response.status;
      if (call.measuresBodies) call.passBodies({ request: body?.length ?? 0, response: response.wireBytes });
      call.passMessage("sent", message);
      call.replyMetadata = Metadata.adopt(response.headers);
      if (response.status < 200 || response.status > 299) throw decodeError(response, this.#options.codec);
      const reply = reader.read(response);
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
    this.#closed ??= this.#sender.close();
    return this.#closed;
  }

  #createStreamHandler(method: Method): Handler {
    const init: StreamClientInit = {
      method,
      options: this.#options,
      sender: this.#sender,
      peer: this.#peer,
      // No compression: a compressor could hold events back after they were sent.
      createHeaders: (call, accept) => ({ ...this.#createHeaders(call, accept), "accept-encoding": "identity" }),
    };
    return hasRequestStream(method) ? createWebSocketHandler(init) : createEventHandler(init);
  }

  #createHeaders(call: Call, accept: string): Record<string, string | string[]> {
    const { authority, userAgent, acceptEncoding } = this.#options;
    const { record } = call.metadata;
    const headers: Record<string, string | string[]> = {
      accept: record.accept ?? accept,
      "accept-encoding": acceptEncoding,
      "user-agent": userAgent,
    };
    if (authority !== undefined) headers.host = authority;
    for (const name in record) {
      const value = record[name];
      if (value !== undefined && !ownHeaders.has(name)) headers[name] = value;
    }
    return headers;
  }
}

function createSender(options: ResolvedHttpClientOptions): HttpSender {
  const { scheme, http2, socketPath, connections, connectTimeoutMs, tls } = options;
  const authority = authorityOf(options);
  // The host name that is asked for is a header of each request.
  const origin = `${scheme}://${authorityOf({ ...options, authority: undefined })}`;
  const http1 =
    http2 === true ? undefined : new Http1Sender({ origin, socketPath, connections, connectTimeoutMs, tls });
  if (http2 === false) return http1!;
  return new Http2Sender({ ...options, tls: scheme === "https" ? tls : undefined, authority, http1 });
}
