import type { IncomingMessage, ServerResponse } from "node:http";
import { Context, runHolder } from "@clew/context";
import type { HeaderFields, ServerStream, StreamListener } from "@clew/http2";
import {
  answerInvalid,
  type Call,
  callCancelled,
  type Handler,
  hasReplyStream,
  isStream,
  Metadata,
  type Peer,
  type Reply,
  ServiceError,
  wasTold,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../channels.ts";
import { Health } from "../health.ts";
import type { StreamHandler } from "../http2/server-connections.ts";
import { OpenSet } from "../open-set.ts";
import { sendContinue } from "./body.ts";
import { HttpServerCall } from "./call.ts";
import { ErrorWriter } from "./error-body.ts";
import type { GuestProtocol } from "./guest-protocol.ts";
import {
  type HttpHandlerOptions,
  type ResolvedHttpHandlerOptions,
  resolveHttpHandlerOptions,
} from "./handler-options.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { NodeExchange } from "./node-exchange.ts";
import { RawCall, type RawTarget } from "./raw-call.ts";
import { Redirect } from "./redirect.ts";
import { createErrorReply, createFields, createRefusal, type HttpReply } from "./reply.ts";
import type { RawHandler, RouteInfo } from "./route.ts";
import type { Router } from "./router.ts";
import { type CompiledRoute, registerRoutes } from "./routes.ts";
import { serveStream } from "./serve-stream.ts";
import type { NodePair, ServerExchange } from "./server-exchange.ts";
import type { StreamHost } from "./stream-route.ts";
import { decodeVariables } from "./template.ts";
import { WebSocketUpgrader } from "./websocket/upgrader.ts";

const noVariables: Readonly<Record<string, string>> = Object.freeze({});

/** Answers requests by the google.api.http rules of services, and raw routes beside them, over any version of HTTP. */
export class HttpHandler implements StreamHandler {
  /** Every route, services before raw ones, in the order they were given. */
  readonly routes: readonly RouteInfo[];
  /** How the server and its services are. */
  readonly health: Health;
  readonly #options: ResolvedHttpHandlerOptions;
  readonly #router: Router<CompiledRoute>;
  readonly #callsHaveDeadline: boolean;
  readonly #guest: GuestProtocol | undefined;
  readonly #streamHost: StreamHost;
  readonly #errorWriter: ErrorWriter;
  /** The filters around {@link #dispatch}; null without any. */
  readonly #filtered: RawHandler | null;
  /** What every call's context begins with: that of whoever started the server, an App for one. */
  #context: Context = Context.root;

  /**
   * Compiles every route. Requests of the guest's are left to it.
   *
   * @throws a coded error (CLEW_TRANSPORT_...) for an option, a rule or a path that does not work, and for routes in conflict
   */
  constructor(options?: HttpHandlerOptions, guest?: GuestProtocol, health?: Health) {
    this.#options = resolveHttpHandlerOptions(options);
    this.#guest = guest;
    this.health = health ?? new Health(this.#options.services.map(({ desc }) => desc.typeName));
    const { codecs, methods } = this.#options;
    this.#errorWriter = new ErrorWriter([...codecs, ...Object.values(methods).flatMap((one) => one.codecs ?? [])]);
    this.#streamHost = {
      events: this.#options.events,
      webSocket: new WebSocketUpgrader(this.#options.webSocket),
      streams: new OpenSet(),
      toServiceError: (call, thrown) => this.#toServiceError(call, thrown),
      sendFailure: (call, error, exchange) => this.#sendFailure(call, error, exchange),
    };
    const { router, routes, callsHaveDeadline } = registerRoutes(this.#options, this.health, (...request) =>
      this.#serveRaw(...request),
    );
    this.#router = router;
    this.#callsHaveDeadline = callsHaveDeadline;
    this.routes = routes;
    this.#filtered =
      this.#options.filters.length === 0
        ? null
        : this.#options.filters.reduceRight<RawHandler>(
            (next, filter) => filter(next),
            (request, response) => this.#dispatchPair({ request, response }),
          );
  }

  /** The server stops: streams of replies, which may have no end of their own, get some time to come to one. */
  drain(): void {
    this.health.drain();
    const isEndless = (call: Call): boolean => hasReplyStream(call.method);
    setTimeout(() => this.#endStreams(isEndless), this.#options.streamDrainMs).unref();
  }

  /** Ends every open stream now. */
  cancel(): void {
    this.#endStreams(() => true);
  }

  #endStreams(isMeant: (call: Call) => boolean): void {
    const reason = new ServiceError(503, "SERVER_STOPPED", "the server is stopping");
    for (const call of this.#streamHost.streams) if (isMeant(call)) call.cancel(reason);
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
    const { requestTimeoutMs } = this.#options;
    const callsHaveDeadline = this.#callsHaveDeadline;
    const init = { stream, fields, peer, bodyTimeoutMs: requestTimeoutMs, callsHaveDeadline };
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
    if (this.#guest?.owns(exchange, false)) return this.#leaveToGuest(exchange, this.#guest);
    const { verb, target } = exchange;
    const mark = target.indexOf("?");
    const path = toPath(mark === -1 ? target : target.slice(0, mark));
    const match = this.#router.find(verb, path);
    if (match === undefined) {
      if (this.#guest?.owns(exchange, true)) return this.#leaveToGuest(exchange, this.#guest);
      return this.#answerUnrouted(verb, path, mark === -1 ? "" : target.slice(mark), exchange);
    }
    const { target: route, template, captures } = match;
    if (route.kind === "stream") {
      const query = mark === -1 ? "" : target.slice(mark + 1);
      const { rpc, carrier } = route;
      const context = this.#context;
      serveStream(carrier, { route: rpc, exchange, path, query, captures, context, host: this.#streamHost });
      return undefined;
    }
    if (route.kind === "rpc") {
      const query = mark === -1 ? "" : target.slice(mark + 1);
      const context = this.#context;
      const call = new HttpServerCall({ route, exchange, path, query, captures, context });
      this.#serve(call, route.handler, exchange);
      return undefined;
    }
    const variables = captures.length === 0 ? noVariables : decodeVariables(template, captures);
    if (variables === undefined) {
      const problem = "the path must be valid percent-encoding without . and .. segments";
      exchange.reply(this.#createErrorReply(new ServiceError(400, "CODEC", problem), exchange));
      return undefined;
    }
    const pair = exchange.open();
    if (!route.isCall) sendContinue(pair.response);
    return this.#runRaw(route.run, pair, variables);
  }

  #leaveToGuest(exchange: ServerExchange, guest: GuestProtocol): void {
    const pair = exchange.open();
    sendContinue(pair.response);
    guest.answer(pair);
  }

  /** A filter may have put other objects in the place of those it was given, so the call is made of what comes out of it. */
  #serveRaw(
    target: RawTarget,
    request: IncomingMessage,
    response: ServerResponse,
    variables: Readonly<Record<string, string>>,
  ): Promise<void> {
    const exchange = new NodeExchange(request, response);
    const call = new RawCall({ target, exchange, request, response, variables, context: this.#context });
    return new Promise((resolve) => {
      response.once("close", () => exchange.close());
      this.#serve(call, target.handler, exchange, resolve);
    });
  }

  /**
   * Runs a call through its chain and writes the reply, once: whatever comes first, the chain's answer or the end of the call.
   * Then it is over and `onOver` is called.
   */
  #serve(call: HttpServerCall | RawCall, handler: Handler, exchange: ServerExchange, onOver?: () => void): void {
    let isAnswered = false;
    const settle = (reply: Reply | undefined, thrown?: unknown): void => {
      if (isAnswered) return;
      isAnswered = true;
      const error = reply === undefined ? this.#toServiceError(call, thrown) : this.#sendReply(call, reply, exchange);
      if (error !== undefined) this.#sendFailure(call, error, exchange);
      if (call.measuresBodies) {
        exchange.whenSent((response) => call.passBodies({ request: call.requestBytes, response }));
      }
      call.finish();
      announceEnd(call, error instanceof Redirect ? undefined : error);
      onOver?.();
    };
    const fail = (thrown: unknown): void => settle(undefined, thrown);
    call.onCancel(fail);
    // By way of a name: V8 allocates a function literal that is assigned to a property in the old generation, as if it were a
    // method. From there each dead one keeps its whole request alive until the next full collection (250 MiB under load, 140 so).
    const leave = (): void => call.cancel(callCancelled(call.operation));
    exchange.onLeave = leave;
    announceBegin(call);
    let answer: Promise<Reply>;
    try {
      answer = runHolder(call, handler, call);
    } catch (error) {
      // A middleware that is no async function throws right here.
      fail(error);
      return;
    }
    if (typeof answer?.then === "function") answer.then(settle, fail);
    else fail(answerInvalid(call.operation, answer));
  }

  /** Sends what a call was answered; returns the error to send instead when it cannot be written. */
  #sendReply(call: HttpServerCall | RawCall, message: Reply, exchange: ServerExchange): ServiceError | undefined {
    let reply: HttpReply | undefined;
    try {
      if (isStream(message)) throw new TypeError("a unary method answered with a stream");
      reply = call.encodeReply(message);
      if (reply === undefined) return undefined;
      exchange.reply(reply);
      call.passMessage("sent", message);
      return undefined;
    } catch (thrown) {
      if (reply === undefined || exchange.isAnswered) return this.#toServiceError(call, thrown);
      this.#dropMetadata(call, thrown);
      return ServiceError.from(thrown);
    }
  }

  /** It cannot be headers: the log has that, and what is sent goes without it. */
  #dropMetadata(call: Call, thrown: unknown): void {
    this.#options.logger.error(`${call.operation}: the reply's metadata cannot be sent`, { error: thrown });
    call.replyMetadata = new Metadata();
  }

  #sendFailure(call: Call, error: ServiceError, exchange: ServerExchange): void {
    if (exchange.isAnswered) {
      // A filter or a raw handler began a reply of its own; half of that is worth nothing, a whole one stays.
      exchange.abort();
      return;
    }
    const bodyLimitBytes = call.cancelled === undefined ? this.#options.bodyLimitBytes : 0;
    try {
      exchange.reply(this.#createErrorReply(error, exchange, { metadata: call.givenReplyMetadata, bodyLimitBytes }));
    } catch (thrown) {
      this.#dropMetadata(call, thrown);
      exchange.reply(this.#createErrorReply(error, exchange, { bodyLimitBytes }));
    }
  }

  /** In the form that the caller accepts. */
  #createErrorReply(
    error: ServiceError,
    { headers }: ServerExchange,
    rest: Parameters<typeof createErrorReply>[1] = {},
  ): HttpReply {
    return createErrorReply(error, rest, this.#errorWriter.write(error, headers.accept));
  }

  /** What the caller is told. What it is not told goes to the log here, at the edge, once, where no middleware did that. */
  #toServiceError(call: Call, thrown: unknown): ServiceError {
    if (thrown instanceof ServiceError) return thrown;
    // Nothing was thrown where the chain answered nothing.
    const error = thrown ?? answerInvalid(call.operation, thrown);
    if (!wasTold(error)) this.#options.logger.error(`${call.operation} failed`, { error });
    return ServiceError.from(error);
  }

  #answerUnrouted(verb: string, path: string, query: string, exchange: ServerExchange): void | Promise<void> {
    const { bodyLimitBytes, notFound, methodNotAllowed } = this.#options;
    const allowed = path === "*" ? [] : this.#router.allowed(path);
    const allow = [...new Set([...allowed, "OPTIONS"])].sort().join(", ");
    if (verb === "OPTIONS" && (allowed.length > 0 || path === "*")) {
      exchange
        .open()
        .response.writeHead(204, allowed.length > 0 ? { allow } : {})
        .end();
    } else if (allowed.length > 0) {
      if (methodNotAllowed !== undefined) {
        const pair = exchange.open();
        pair.response.setHeader("allow", allow);
        return this.#runRaw(methodNotAllowed, pair, noVariables);
      }
      const error = new ServiceError(405, "METHOD_NOT_ALLOWED", `${verb} is not allowed here; ${allow} would work`);
      exchange.reply(this.#createErrorReply(error, exchange, { headers: { allow }, bodyLimitBytes }));
    } else {
      const other = this.#findOtherSlash(verb, path);
      if (other !== undefined) {
        exchange.reply(createErrorReply(new Redirect(other + query, 308), { bodyLimitBytes }));
      } else if (notFound !== undefined) {
        return this.#runRaw(notFound, exchange.open(), noVariables);
      } else {
        const error = new ServiceError(404, "NOT_FOUND", `no route for ${verb} ${path.slice(0, 200)}`);
        exchange.reply(this.#createErrorReply(error, exchange, { bodyLimitBytes }));
      }
    }
    return undefined;
  }

  /** The same path with a slash more or less at its end, where a route knows that one. */
  #findOtherSlash(verb: string, path: string): string | undefined {
    // What begins with // is another host to a browser, and to some a backslash is a slash.
    if (this.#options.trailingSlash === "strict" || !/^\/[^/\\]/.test(path)) return undefined;
    const other = path.endsWith("/") ? path.slice(0, -1) : `${path}/`;
    return this.#router.find(verb, other) === undefined ? undefined : other;
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
      else {
        const exchange = new NodeExchange(request, response);
        exchange.reply(this.#createErrorReply(ServiceError.from(thrown), exchange));
      }
    }
  }
}

/** The path of a request target, which to a proxy is a whole URL (RFC 9112 section 3.2). */
function toPath(target: string): string {
  if (target.startsWith("/") || target === "*") return target;
  const path = /^https?:\/\/[^/]*(\/.*)?$/i.exec(target);
  return path === null ? target : (path[1] ?? "/");
}
