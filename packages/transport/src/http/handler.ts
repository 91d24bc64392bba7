import type { IncomingMessage, ServerResponse } from "node:http";
import { Context, runHolder } from "@clew/context";
import type { HeaderFields, ServerStream, StreamListener } from "@clew/http2";
import { type Logger, silentLogger } from "@clew/log";
import {
  type Codec,
  callCancelled,
  chain,
  hasReplyStream,
  hasRequestStream,
  isStream,
  type Middleware,
  type Peer,
  type Reply,
  type Service,
  ServiceError,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../channels.ts";
import { optionInvalid, serviceConflict } from "../errors.ts";
import type { StreamHandler } from "../http2/server-connections.ts";
import { longestTimerMs } from "../listener.ts";
import { compileVariables } from "./binding.ts";
import { sendContinue } from "./body.ts";
import { compileBodyCodecs, defaultCodecs, negotiate } from "./body-codec.ts";
import { HttpServerCall, type RpcRoute } from "./call.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { NodeExchange } from "./node-exchange.ts";
import { createErrorReply, createFields, createRefusal } from "./reply.ts";
import { Router } from "./router.ts";
import { readRules } from "./rule.ts";
import type { NodePair, ServerExchange } from "./server-exchange.ts";
import { decodeVariables, parseTemplate } from "./template.ts";

/**
 * Answers a raw HTTP request. What it throws is answered as an error, if it did not begin a reply. Over HTTP/2 request and
 * response are stand-ins that have what handlers use of node:http's: see Http2Request and Http2Response.
 */
export type RawHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  variables: Readonly<Record<string, string>>,
) => void | Promise<void>;

/** A path outside of any service. */
export interface Route {
  /** `GET`; `*` for any. */
  readonly verb: string;
  /** A path template of google.api.http: `/api/traces/{id}`, `/{path=**}`. */
  readonly path: string;
  readonly handle: RawHandler;
}

/** A function around every request, also those no route knows, before any call exists: CORS, compression, access rules. */
export type Filter = (next: RawHandler) => RawHandler;

export interface HttpHandlerOptions {
  /** The services to serve. Their streaming methods are left out: HTTP/JSON carries none yet. Default: none. */
  services?: readonly Service[];
  /** Wrapped around every call of a service, the first outermost. Default: none. */
  middleware?: readonly Middleware[];
  /** Wrapped around every request, the first outermost. Default: none. */
  filters?: readonly Filter[];
  /** Paths outside of any service. Default: none. */
  routes?: readonly Route[];
  /** How long a call of a service may take, in milliseconds; 0 for no end. Raw routes have none. Default: 1000. */
  timeoutMs?: number;
  /** The longest body a call may send, in bytes. Default: 4 MiB. */
  bodyLimitBytes?: number;
  /** How long a whole request may take to arrive, in milliseconds; 0 for no end. Default: 300_000. */
  requestTimeoutMs?: number;
  /** How bodies are written, the first where the caller does not care. Default: JSON, protobuf, HTML form. */
  codecs?: readonly Codec[];
  /** How long all headers of a request may be together, in bytes; told to who goes over it. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** Where a handler's failure that is no ServiceError is told. Default: nowhere. */
  logger?: Logger;
}

type ResolvedHttpHandlerOptions = Readonly<Required<HttpHandlerOptions>>;

/** @throws CLEW_TRANSPORT_OPTION */
export function resolveHttpHandlerOptions(options: HttpHandlerOptions = {}): ResolvedHttpHandlerOptions {
  const resolved: ResolvedHttpHandlerOptions = {
    services: options.services ?? [],
    middleware: options.middleware ?? [],
    filters: options.filters ?? [],
    routes: options.routes ?? [],
    timeoutMs: options.timeoutMs ?? 1000,
    bodyLimitBytes: options.bodyLimitBytes ?? 4 * 1024 * 1024,
    requestTimeoutMs: options.requestTimeoutMs ?? 300_000,
    codecs: options.codecs ?? defaultCodecs,
    headerLimitBytes: options.headerLimitBytes ?? 16 * 1024,
    logger: options.logger ?? silentLogger,
  };
  if (!(resolved.bodyLimitBytes >= 0 && resolved.bodyLimitBytes < Infinity)) {
    throw optionInvalid("bodyLimitBytes", resolved.bodyLimitBytes, "a number of 0 or more");
  }
  if (!(resolved.timeoutMs >= 0 && resolved.timeoutMs <= longestTimerMs)) {
    throw optionInvalid("timeoutMs", resolved.timeoutMs, `a number of milliseconds from 0 to ${longestTimerMs}`);
  }
  if (resolved.codecs.length === 0) throw optionInvalid("codecs", "empty", "at least one codec");
  return resolved;
}

interface RawRoute {
  readonly kind: "raw";
  readonly handle: RawHandler;
}

const noVariables: Readonly<Record<string, string>> = Object.freeze({});

/** Answers requests by the google.api.http rules of services, and raw routes beside them, over any version of HTTP. */
export class HttpHandler implements StreamHandler {
  readonly #options: ResolvedHttpHandlerOptions;
  readonly #router: Router<RpcRoute | RawRoute>;
  /** The filters around {@link #dispatch}; null without any. */
  readonly #filtered: RawHandler | null;
  /** What every call's context begins with: that of whoever started the server, an App for one. */
  #context: Context = Context.root;

  /**
   * Compiles every route.
   *
   * @throws a coded error (CLEW_TRANSPORT_...) for an option, a rule or a path that does not work, and for routes in conflict
   */
  constructor(options?: HttpHandlerOptions) {
    this.#options = resolveHttpHandlerOptions(options);
    this.#router = createRouter(this.#options);
    this.#filtered =
      this.#options.filters.length === 0
        ? null
        : this.#options.filters.reduceRight<RawHandler>(
            (next, filter) => filter(next),
            (request, response) => this.#dispatchPair({ request, response }),
          );
  }

  /** Gives every call from now on this context to begin with. */
  begin(context: Context): void {
    this.#context = context;
  }

  /** Answers a request. */
  handle(exchange: ServerExchange): void {
    if (this.#filtered === null) this.#dispatch(exchange);
    else this.#runRaw(this.#filtered, exchange.open(), noVariables);
  }

  accept(stream: ServerStream, fields: HeaderFields, peer: Peer): StreamListener {
    const { requestTimeoutMs, timeoutMs } = this.#options;
    const init = { stream, fields, peer, bodyTimeoutMs: requestTimeoutMs, callsHaveDeadline: timeoutMs > 0 };
    const exchange = new Http2Exchange(init);
    this.handle(exchange);
    return exchange;
  }

  refuse(stream: ServerStream): void {
    const { status, ...reply } = createRefusal("headers too large", this.#options.headerLimitBytes);
    const body = Buffer.from(reply.body);
    stream.sendHeaders([":status", String(status), ...createFields({ status, ...reply }, body.length)], false);
    stream.sendData(body, true);
  }

  // A filter may have put other objects in the place of those it was given, so these are watched for themselves.
  #dispatchPair({ request, response }: NodePair): void | Promise<void> {
    const exchange = new NodeExchange(request, response);
    response.once("close", () => exchange.close());
    return this.#dispatch(exchange);
  }

  #dispatch(exchange: ServerExchange): void | Promise<void> {
    const { verb, target } = exchange;
    const mark = target.indexOf("?");
    const path = toPath(mark === -1 ? target : target.slice(0, mark));
    const match = this.#router.find(verb, path);
    if (match === undefined) {
      this.#answerUnrouted(verb, path, exchange);
      return undefined;
    }
    const { target: route, template, captures } = match;
    if (route.kind === "rpc") {
      const query = mark === -1 ? "" : target.slice(mark + 1);
      const context = this.#context;
      this.#serve(new HttpServerCall({ route, exchange, path, query, captures, context }), route, exchange);
      return undefined;
    }
    const variables = captures.length === 0 ? noVariables : decodeVariables(template, captures);
    if (variables === undefined) {
      const problem = "the path is not percent-encoded text without . and .. segments";
      exchange.reply(createErrorReply(new ServiceError(400, "CODEC", problem)));
      return undefined;
    }
    const pair = exchange.open();
    sendContinue(pair.response);
    return this.#runRaw(route.handle, pair, variables);
  }

  /** Runs a call through its chain and writes the reply, once: whatever comes first, the chain's answer or the end of the call. */
  #serve(call: HttpServerCall, route: RpcRoute, exchange: ServerExchange): void {
    let isAnswered = false;
    const settle = (reply: Reply | undefined, thrown: unknown): void => {
      if (isAnswered) return;
      isAnswered = true;
      const error =
        reply === undefined ? this.#toServiceError(call, thrown) : this.#sendMessage(call, route, reply, exchange);
      if (error !== undefined) this.#sendFailure(call, error, exchange);
      call.finish();
      announceEnd(call, error);
    };
    call.onCancel((reason) => settle(undefined, reason));
    exchange.onLeave = () => call.cancel(callCancelled(call.operation));
    announceBegin(call);
    let answer: Promise<Reply>;
    try {
      answer = runHolder(call, route.handler, call);
    } catch (error) {
      // A middleware that is no async function throws right here.
      settle(undefined, error);
      return;
    }
    answer.then(
      (reply) => settle(reply, undefined),
      (error: unknown) => settle(undefined, error),
    );
  }

  /** Sends the reply's message; returns the error to send instead when it cannot be written. */
  #sendMessage(
    call: HttpServerCall,
    route: RpcRoute,
    reply: Reply,
    exchange: ServerExchange,
  ): ServiceError | undefined {
    try {
      if (isStream(reply)) throw new TypeError("a unary method answered with a stream");
      const codec = negotiate(route.replyCodecs, exchange.headers.accept);
      exchange.reply({
        status: 200,
        contentType: codec.contentType,
        body: codec.encodeText?.(reply) ?? codec.encode(reply),
        metadata: call.givenReplyMetadata,
        bodyLimitBytes: route.bodyLimitBytes,
      });
      call.passMessage("sent", reply);
      return undefined;
    } catch (thrown) {
      return this.#toServiceError(call, thrown);
    }
  }

  #sendFailure(call: HttpServerCall, error: ServiceError, exchange: ServerExchange): void {
    if (exchange.isAnswered) {
      // A filter began a reply of its own; half of that is worth nothing.
      exchange.abort();
      return;
    }
    const bodyLimitBytes = call.cancelled === undefined ? this.#options.bodyLimitBytes : 0;
    try {
      exchange.reply(createErrorReply(error, { metadata: call.givenReplyMetadata, bodyLimitBytes }));
    } catch (thrown) {
      // The metadata cannot be headers; the error goes without it.
      this.#options.logger.error(`${call.operation}: the reply's metadata cannot be sent`, { error: thrown });
      exchange.reply(createErrorReply(error, { bodyLimitBytes }));
    }
  }

  /** What the caller is told. What it is not told goes to the log here, at the edge, once. */
  #toServiceError(call: HttpServerCall, thrown: unknown): ServiceError {
    if (thrown instanceof ServiceError) return thrown;
    this.#options.logger.error(`${call.operation} failed`, { error: thrown });
    return ServiceError.from(thrown);
  }

  #answerUnrouted(verb: string, path: string, exchange: ServerExchange): void {
    const allowed = path === "*" ? [] : this.#router.allowed(path);
    const allow = [...new Set([...allowed, "OPTIONS"])].sort().join(", ");
    if (verb === "OPTIONS" && (allowed.length > 0 || path === "*")) {
      exchange
        .open()
        .response.writeHead(204, allowed.length > 0 ? { allow } : {})
        .end();
      return;
    }
    const { bodyLimitBytes } = this.#options;
    if (allowed.length > 0) {
      const error = new ServiceError(405, "METHOD_NOT_ALLOWED", `${verb} is not allowed here; ${allow} would work`);
      exchange.reply(createErrorReply(error, { headers: { allow }, bodyLimitBytes }));
      return;
    }
    const error = new ServiceError(404, "NOT_FOUND", `no route for ${verb} ${path.slice(0, 200)}`);
    exchange.reply(createErrorReply(error, { bodyLimitBytes }));
  }

  async #runRaw(
    handle: RawHandler,
    { request, response }: NodePair,
    variables: Readonly<Record<string, string>>,
  ): Promise<void> {
    try {
      await handle(request, response, variables);
    } catch (thrown) {
      if (!(thrown instanceof ServiceError)) {
        this.#options.logger.error(`${request.method} ${request.url} failed`, { error: thrown });
      }
      if (response.headersSent) response.destroy();
      else new NodeExchange(request, response).reply(createErrorReply(ServiceError.from(thrown)));
    }
  }
}

function createRouter(options: ResolvedHttpHandlerOptions): Router<RpcRoute | RawRoute> {
  const router = new Router<RpcRoute | RawRoute>();
  const middleware = chain(...options.middleware);
  const operations = new Set<string>();
  for (const { methods } of options.services) {
    for (const { method, handler } of methods) {
      if (operations.has(method.operation)) throw serviceConflict(method.operation);
      operations.add(method.operation);
      if (hasRequestStream(method) || hasReplyStream(method)) continue;
      const composed = middleware(handler);
      const { input, output } = method.desc;
      for (const rule of readRules(method)) {
        const route: RpcRoute = {
          kind: "rpc",
          method,
          rule,
          handler: composed,
          bindVariables: compileVariables(rule.variables),
          requestCodecs: compileBodyCodecs(
            options.codecs,
            input,
            typeof rule.body === "object" ? rule.body : undefined,
          ),
          replyCodecs: compileBodyCodecs(options.codecs, output, rule.replyBody),
          timeoutMs: options.timeoutMs,
          bodyLimitBytes: options.bodyLimitBytes,
        };
        router.add(rule.verb, rule.template, route, method.operation);
      }
    }
  }
  for (const { verb, path, handle } of options.routes) {
    const owner = `route ${verb} ${path}`;
    router.add(verb.toUpperCase(), parseTemplate(path, owner), { kind: "raw", handle }, owner);
  }
  return router;
}

/** The path of a request target, which to a proxy is a whole URL (RFC 9112 section 3.2). */
function toPath(target: string): string {
  if (target.startsWith("/") || target === "*") return target;
  const path = /^https?:\/\/[^/]*(\/.*)?$/i.exec(target);
  return path === null ? target : (path[1] ?? "/");
}
