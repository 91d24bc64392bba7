import type { IncomingMessage, ServerResponse } from "node:http";
import { create, type Message } from "@bufbuild/protobuf";
import type { Context } from "@clew/context";
import { Call, createMethod, type Handler, type HttpInfo, type Method, ServiceError } from "@clew/rpc";
import { rawBodyUnread, rawReplyReturned } from "../errors.ts";
import { Raw } from "../gen/clew/http/raw_pb.ts";
import { HttpBodySchema } from "../gen/google/api/httpbody_pb.ts";
import { sendContinue } from "./body.ts";
import { requestBytesOf } from "./call.ts";
import { compileHttpBody } from "./http-body.ts";
import { readMetadata } from "./metadata.ts";
import { addMetadata, type HttpReply } from "./reply.ts";
import type { RawHandler } from "./route.ts";
import type { ServerExchange } from "./server-exchange.ts";

/** What is known about a raw route before its first request. */
export interface RawRoute {
  readonly kind: "raw";
  /** Whether each request becomes a call. */
  readonly isCall: boolean;
  /** With the route's filters around it. */
  readonly run: RawHandler;
}

/** What a raw route's calls have in common. */
export interface RawTarget {
  readonly method: Method;
  /** The path template. */
  readonly path: string;
  /** The middleware around {@link answerRaw}, composed. */
  readonly handler: Handler;
  readonly handle: RawHandler;
  /** 0 for no end. */
  readonly timeoutMs: number;
}

/** What a raw route is to middleware: a method of `google.api.HttpBody` to `google.api.HttpBody`, by a name of its own. */
export function createRawMethod(operation: string): Method {
  return { ...createMethod(Raw.method.handle), operation };
}

/** What one request brings. */
export interface RawCallInit {
  readonly target: RawTarget;
  readonly exchange: ServerExchange;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly variables: Readonly<Record<string, string>>;
  /** The context the server was started in. */
  readonly context: Context;
}

/** A request to a raw route, as middleware sees it. Only the route's handler reads and writes the bodies. */
export class RawCall extends Call implements HttpInfo {
  override readonly side = "server";
  override readonly transport = "http";
  readonly path: string;
  readonly #init: RawCallInit;

  constructor(init: RawCallInit) {
    const { target, exchange, request, context } = init;
    super({
      method: target.method,
      metadata: readMetadata(request),
      peer: exchange.peer,
      timeoutMs: target.timeoutMs > 0 ? target.timeoutMs : Number.POSITIVE_INFINITY,
      context,
    });
    const mark = exchange.target.indexOf("?");
    this.path = mark === -1 ? exchange.target : exchange.target.slice(0, mark);
    this.#init = init;
    this.enter();
  }

  override get http(): HttpInfo {
    return this;
  }

  get verb(): string {
    return this.#init.exchange.verb;
  }

  get route(): string {
    return this.#init.target.path;
  }

  get scheme(): string {
    return this.#init.exchange.scheme;
  }

  get query(): string {
    return this.#init.exchange.target.slice(this.path.length + 1);
  }

  get version(): string {
    return this.#init.exchange.version;
  }

  get status(): number {
    return this.#init.response.statusCode;
  }

  /** How long the request's body says it is. */
  get requestBytes(): number | undefined {
    return requestBytesOf(this.#init.exchange);
  }

  override receive(): Promise<Message> {
    return Promise.reject(rawBodyUnread(this.operation));
  }

  override messages(): AsyncIterable<Message> {
    throw rawBodyUnread(this.operation);
  }

  /**
   * Runs the route's handler; resolves when the reply is over. If the handler itself wrote a reply with a status from 400 on,
   * middleware sees an error, but the reply is sent as it was written.
   */
  async answer(): Promise<Message> {
    const { response } = this.#init;
    sendContinue(response);
    const given = this.givenReplyMetadata;
    if (given !== undefined && !response.headersSent) addMetadata(response, given);
    await this.orCancelled(this.#run());
    const { statusCode } = response;
    if (statusCode >= 400) throw new ServiceError(statusCode, "", `${this.operation} answered ${statusCode}`);
    return create(HttpBodySchema);
  }

  /** The reply that a middleware gave in the handler's place; undefined when the handler wrote one. */
  encodeReply(message: Message): HttpReply | undefined {
    if (this.#init.exchange.isAnswered) return undefined;
    const { contentType, bytes } = httpBodyCodec.encode(message);
    return { status: 200, contentType, body: bytes, metadata: this.givenReplyMetadata };
  }

  async #run(): Promise<void> {
    const { target, request, response, variables } = this.#init;
    const returned: unknown = await target.handle(request, response, variables);
    if (response.writableEnded || response.destroyed) return;
    // In other frameworks a returned value is sent. Here nobody would send it, and the caller would wait.
    if (!response.headersSent && isData(returned)) throw rawReplyReturned(this.operation, returned);
    await over(response);
  }
}

const httpBodyCodec = compileHttpBody(HttpBodySchema)!;

/** The innermost handler of every raw route. */
export const answerRaw: Handler = (call) => (call as RawCall).answer();

/** Whether it can only be meant as a reply: what functions of Node return, a stream or a timer, is of a class. */
function isData(given: unknown): boolean {
  if (typeof given !== "object" || given === null) return typeof given === "string" || typeof given === "number";
  return Array.isArray(given) || Object.getPrototypeOf(given) === Object.prototype;
}

/** Resolves when a reply is out, or its connection gone. */
function over(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("finish", done).off("close", done);
      resolve();
    };
    response.on("finish", done).on("close", done);
  });
}
