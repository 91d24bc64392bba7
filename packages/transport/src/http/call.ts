import type { Message } from "@bufbuild/protobuf";
import type { Context } from "@clew/context";
import {
  Call,
  callReceivesMessage,
  type Handler,
  type HttpInfo,
  type MessageMaker,
  type Method,
  ServiceError,
} from "@clew/rpc";
import { type BindVariables, bindQuery } from "./binding.ts";
import { type BodyCodec, type BodyCodecs, charsetOf, findCodec, negotiate, problemOf } from "./body-codec.ts";
import { acceptedCodings, canDecodeContent, decodeContent } from "./content-coding.ts";
import type { HttpBodyCodec } from "./http-body.ts";
import type { MultipartBody } from "./multipart-body.ts";
import { isMultipart } from "./multipart-parser.ts";
import { type HttpReply, hasReplyBody } from "./reply.ts";
import type { Rule } from "./rule.ts";
import type { ServerExchange } from "./server-exchange.ts";

/** All that is known of a route before its first call. */
export interface RpcRoute {
  readonly kind: "rpc";
  readonly method: Method;
  readonly rule: Rule;
  /** The middleware around the implementation, composed. */
  readonly handler: Handler;
  readonly bindVariables: BindVariables | undefined;
  /** Makes what is bound to where there is no body. */
  readonly requests: MessageMaker;
  readonly requestCodecs: BodyCodecs;
  readonly replyCodecs: BodyCodecs;
  /** The first of them, which a caller of a unary method gets who asks for none. */
  readonly replyCodec: BodyCodec;
  /** Where a body is a google.api.HttpBody, what takes the place of the codecs. */
  readonly requestHttpBody: HttpBodyCodec | undefined;
  readonly replyHttpBody: HttpBodyCodec | undefined;
  /** What reads `multipart/form-data`; undefined where the body is no message. */
  readonly requestMultipart: MultipartBody | undefined;
  readonly timeoutMs: number;
  readonly bodyLimitBytes: number;
}

/** What one request brings. */
export interface HttpCallInit {
  readonly route: RpcRoute;
  readonly exchange: ServerExchange;
  readonly path: string;
  /** Without its question mark. */
  readonly query: string;
  readonly captures: readonly string[];
  /** The context the server was started in. */
  readonly context: Context;
}

/** A call that came in over HTTP/JSON. It is made of headers; the body is read when somebody asks for the message. */
export class HttpServerCall extends Call implements HttpInfo {
  override readonly side = "server";
  override readonly transport = "http";
  readonly path: string;
  status = 200;
  readonly #route: RpcRoute;
  readonly #exchange: ServerExchange;
  readonly #query: string;
  readonly #captures: readonly string[];
  #message: Promise<Message> | undefined;
  #bodyBytes: number | undefined;
  /** What {@link #message} resolves to, once it is decoded. */
  #decoded: Message | undefined;

  constructor({ route, exchange, path, query, captures, context }: HttpCallInit) {
    super({
      method: route.method,
      metadata: exchange.metadata(),
      peer: exchange.peer,
      timeoutMs: route.timeoutMs > 0 ? route.timeoutMs : Number.POSITIVE_INFINITY,
      context,
    });
    this.path = path;
    this.#route = route;
    this.#exchange = exchange;
    this.#query = query;
    this.#captures = captures;
    this.enter();
  }

  override get http(): HttpInfo {
    return this;
  }

  get verb(): string {
    return this.#exchange.verb;
  }

  get route(): string {
    return this.#route.rule.template.text;
  }

  get scheme(): string {
    return this.#exchange.scheme;
  }

  get query(): string {
    return this.#query;
  }

  get version(): string {
    return this.#exchange.version;
  }

  override receive(): Promise<Message> {
    this.#message ??= this.#decode();
    return this.#message;
  }

  override receiveNow(): Message | undefined {
    if (this.#decoded === undefined && this.#message === undefined && !this.#hasBody()) {
      this.#bind(this.#route.requests.empty());
    }
    return this.#decoded;
  }

  override messages(): AsyncIterable<Message> {
    throw callReceivesMessage(this.operation);
  }

  /** How long the request's body is on the wire: as it was read, or as it says. */
  get requestBytes(): number | undefined {
    return this.#bodyBytes ?? requestBytesOf(this.#exchange);
  }

  /** The reply for a message, in the codec the caller likes best. */
  encodeReply(message: Message): HttpReply {
    const { replyCodecs, replyCodec, replyHttpBody, bodyLimitBytes } = this.#route;
    const status = this.status;
    const metadata = this.givenReplyMetadata;
    if (!hasReplyBody(status)) return { status, contentType: undefined, body: "", metadata, bodyLimitBytes };
    if (replyHttpBody !== undefined) {
      const { contentType, bytes } = replyHttpBody.encode(message);
      return { status, contentType, body: bytes, metadata, bodyLimitBytes };
    }
    const accept = this.#exchange.header("accept");
    const codec = accept === undefined ? replyCodec : negotiate(replyCodecs, accept);
    const body = codec.encodeText?.(message) ?? codec.encode(message);
    return { status, contentType: codec.contentType, body, metadata, bodyLimitBytes };
  }

  #hasBody(): boolean {
    return this.#route.rule.body !== undefined && this.#exchange.hasBody();
  }

  async #decode(): Promise<Message> {
    return this.#decoded ?? this.#bind(this.#hasBody() ? await this.#decodeBody() : this.#route.requests.empty());
  }

  /** Puts into the message what the query and the path hold. */
  #bind(message: Message): Message {
    const { rule, bindVariables } = this.#route;
    // With body "*" everything that the path does not hold is in the body.
    if (this.#query !== "" && rule.body !== "*") bindQuery(this.method.desc.input, message, this.#query);
    bindVariables?.(message, this.#captures);
    this.#decoded = message;
    this.passMessage("received", message);
    return message;
  }

  async #decodeBody(): Promise<Message> {
    const { requestCodecs, requestHttpBody, requestMultipart } = this.#route;
    const contentType = this.#exchange.header("content-type");
    if (requestHttpBody !== undefined) return requestHttpBody.decode(await this.#readBody(), contentType ?? "");
    if (requestMultipart !== undefined && isMultipart(contentType)) {
      return requestMultipart.decode(await this.#readBody(), contentType!);
    }
    const codec = findCodec(requestCodecs, contentType ?? "");
    if (codec === undefined) {
      const known = [...requestCodecs.values()].map((one) => one.contentType);
      throw unsupported(400, "content type", contentType, known);
    }
    const charset = charsetOf(contentType!);
    if (charset !== undefined && !readCharsets.has(charset)) throw unsupported(415, "charset", charset, ["utf-8"]);
    const bytes = await this.#readBody();
    try {
      return codec.decode(bytes);
    } catch (cause) {
      const problem = `not ${this.method.desc.input.name} as ${codec.contentType}: ${problemOf(cause)}`;
      throw new ServiceError(400, "CODEC", `the body is ${problem}`, { cause });
    }
  }

  /** The body without its content encoding. */
  async #readBody(): Promise<Uint8Array> {
    const { bodyLimitBytes } = this.#route;
    const encoding = this.#exchange.header("content-encoding");
    if (encoding === undefined) return this.#takeBody();
    if (!canDecodeContent(encoding)) {
      // What would work belongs in this header (RFC 9110 section 15.5.16).
      this.replyMetadata.set("accept-encoding", acceptedCodings);
      throw unsupported(415, "content encoding", encoding, [acceptedCodings]);
    }
    return this.orCancelled(decodeContent(await this.#takeBody(), encoding, bodyLimitBytes));
  }

  async #takeBody(): Promise<Uint8Array> {
    const bytes = await this.orCancelled(this.#exchange.readBody(this.#route.bodyLimitBytes, this.operation));
    this.#bodyBytes = bytes.length;
    return bytes;
  }
}

/** How long the body of a request says it is; undefined where it does not say. */
export function requestBytesOf(exchange: ServerExchange): number | undefined {
  const length = exchange.header("content-length");
  if (length === undefined) return exchange.hasBody() ? undefined : 0;
  return Number(length);
}

/** What is UTF-8, or a part of it. */
const readCharsets: ReadonlySet<string> = new Set(["utf-8", "utf8", "us-ascii"]);

// 400 for a content type is Kratos's; RFC 9110 section 15.5.16 has 415 for what no table of Kratos speaks of.
function unsupported(status: 400 | 415, what: string, given: string | undefined, works: string[]): ServiceError {
  const problem = given === undefined ? `no ${what}` : `the ${what} "${given}"`;
  return new ServiceError(status, "CODEC", `the body has ${problem}; ${works.join(", ")} would work`);
}
