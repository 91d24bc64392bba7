import {
  createServer,
  type IncomingMessage,
  type Server as NodeServer,
  type ServerOptions as NodeServerOptions,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import { Context, current, runHolder } from "@clew/context";
import { type Logger, silentLogger } from "@clew/log";
import {
  type Codec,
  callCancelled,
  chain,
  hasReplyStream,
  hasRequestStream,
  isStream,
  type Middleware,
  type Reply,
  type Service,
  ServiceError,
} from "@clew/rpc";
import { type Address, endpointOf, listen, parseAddress } from "../address.ts";
import { announceBegin, announceEnd } from "../channels.ts";
import { optionInvalid, serverAlreadyStarted, serverNotStarted, serviceConflict } from "../errors.ts";
import { compileVariables } from "./binding.ts";
import { awaitContinue, hasBody, sendContinue } from "./body.ts";
import { compileBodyCodecs, defaultCodecs, negotiate } from "./body-codec.ts";
import { HttpServerCall, type RpcRoute } from "./call.ts";
import { sendError, sendReply } from "./reply.ts";
import { Router } from "./router.ts";
import { readRules } from "./rule.ts";
import { decodeVariables, parseTemplate } from "./template.ts";

/** Answers a raw HTTP request. What it throws is answered as an error, if it did not begin a reply. */
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

export interface HttpServerOptions {
  /** Where to listen: `":8000"` for every interface, `"127.0.0.1:8000"`, `":0"` for any free port. Default: `":0"`. */
  address?: string;
  /** The services to serve. Their streaming methods are left out: HTTP/1.1 carries none yet. Default: none. */
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
  /** How long all headers of a request may be together, in bytes. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** How long a request's headers may take to arrive, in milliseconds. Default: 10_000. */
  headerTimeoutMs?: number;
  /** How long a whole request may take to arrive, in milliseconds; 0 for no end. Default: 300_000. */
  requestTimeoutMs?: number;
  /** How long a connection without a request stays open, in milliseconds. Default: 65_000, above what load balancers keep theirs. */
  keepAliveTimeoutMs?: number;
  /** How bodies are written, the first where the caller does not care. Default: JSON, protobuf, HTML form. */
  codecs?: readonly Codec[];
  /** Where a handler's failure that is no ServiceError is told. Default: nowhere. */
  logger?: Logger;
  /** Takes connections from this server, which the HttpServer then opens at `address` and closes. Default: its own. */
  listener?: NetServer;
}

interface ResolvedHttpServerOptions {
  readonly address: Address;
  readonly services: readonly Service[];
  readonly middleware: readonly Middleware[];
  readonly filters: readonly Filter[];
  readonly routes: readonly Route[];
  readonly timeoutMs: number;
  readonly bodyLimitBytes: number;
  readonly headerLimitBytes: number;
  readonly headerTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly codecs: readonly Codec[];
  readonly logger: Logger;
  readonly listener: NetServer | undefined;
}

/** A timer set for longer than this fires at once. */
const longestTimerMs = 2 ** 31 - 1;

/** @throws CLEW_TRANSPORT_ADDRESS, CLEW_TRANSPORT_OPTION */
export function resolveHttpServerOptions(options: HttpServerOptions = {}): ResolvedHttpServerOptions {
  const resolved: ResolvedHttpServerOptions = {
    address: parseAddress(options.address ?? ":0"),
    services: options.services ?? [],
    middleware: options.middleware ?? [],
    filters: options.filters ?? [],
    routes: options.routes ?? [],
    timeoutMs: options.timeoutMs ?? 1000,
    bodyLimitBytes: options.bodyLimitBytes ?? 4 * 1024 * 1024,
    headerLimitBytes: options.headerLimitBytes ?? 16 * 1024,
    headerTimeoutMs: options.headerTimeoutMs ?? 10_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 300_000,
    keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? 65_000,
    codecs: options.codecs ?? defaultCodecs,
    logger: options.logger ?? silentLogger,
    listener: options.listener,
  };
  for (const name of ["bodyLimitBytes", "headerLimitBytes"] as const) {
    if (!(resolved[name] >= 0 && resolved[name] < Infinity))
      throw optionInvalid(name, resolved[name], "a number of 0 or more");
  }
  for (const name of ["timeoutMs", "headerTimeoutMs", "requestTimeoutMs", "keepAliveTimeoutMs"] as const) {
    if (!(resolved[name] >= 0 && resolved[name] <= longestTimerMs)) {
      throw optionInvalid(name, resolved[name], `a number of milliseconds from 0 to ${longestTimerMs}`);
    }
  }
  if (resolved.codecs.length === 0) throw optionInvalid("codecs", "empty", "at least one codec");
  return resolved;
}

interface RawRoute {
  readonly kind: "raw";
  readonly handle: RawHandler;
}

const noVariables: Readonly<Record<string, string>> = Object.freeze({});

/** Serves services as HTTP/JSON by their google.api.http rules, and raw routes beside them. */
export class HttpServer {
  readonly #options: ResolvedHttpServerOptions;
  readonly #router: Router<RpcRoute | RawRoute>;
  readonly #node: NodeServer;
  /** What has the socket: the node server itself, or the listener that was given. */
  readonly #listener: NetServer;
  /** The filters around {@link #dispatch}; null without any. */
  readonly #filtered: RawHandler | null;
  readonly #sockets: Set<Socket> = new Set();
  /** Responses that are not over, with the call they answer; null for those that answer none. */
  readonly #open: Map<ServerResponse, HttpServerCall | null> = new Map();
  /** What every call's context begins with: that of whoever started the server, an App for one. */
  #context: Context = Context.root;
  #started = false;
  #endpoint: URL | undefined;
  #isDraining = false;

  /**
   * Compiles every route.
   *
   * @throws a coded error (CLEW_TRANSPORT_...) for an option, a rule or a path that does not work, and for routes in conflict
   */
  constructor(options?: HttpServerOptions) {
    this.#options = resolveHttpServerOptions(options);
    this.#router = createRouter(this.#options);
    this.#filtered =
      this.#options.filters.length === 0
        ? null
        : this.#options.filters.reduceRight<RawHandler>(
            (next, filter) => filter(next),
            (request, response) => this.#dispatch(request, response),
          );
    this.#node = createServer(createNodeOptions(this.#options));
    this.#node.on("request", (request, response) => this.#accept(request, response));
    this.#node.on("checkContinue", (request, response) => {
      awaitContinue(response);
      this.#accept(request, response);
    });
    this.#node.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => this.#refuse(error, socket));
    this.#listener = this.#options.listener ?? this.#node;
    if (this.#listener !== this.#node) {
      this.#listener.on("connection", (socket: Socket) => this.#node.emit("connection", socket));
      // Only a node server that listens watches over its connections: their timeouts, and which of them are idle.
      this.#node.emit("listening");
    }
    this.#node.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /**
   * Resolves when the server accepts requests.
   *
   * @throws CLEW_TRANSPORT_ADDRESS_IN_USE, CLEW_TRANSPORT_ADDRESS_REFUSED, CLEW_TRANSPORT_STARTED
   */
  async start(): Promise<void> {
    if (this.#started) throw serverAlreadyStarted("HttpServer");
    this.#started = true;
    this.#context = current();
    const { address, logger } = this.#options;
    if (!this.#listener.listening) await listen(this.#listener, address);
    this.#endpoint = endpointOf("http", this.#listener.address() as AddressInfo, address);
    // A failed accept (out of file descriptors) must not end the process.
    this.#listener.on("error", (error) => logger.error("HTTP server: a connection failed", { error }));
    logger.info(`HTTP server listening on ${this.#endpoint.host}`);
  }

  /**
   * Accepts no more, closes idle connections and resolves when every request is answered. When `signal` aborts, what is still
   * open is cut off. A raw route that never ends its reply keeps this waiting until then.
   */
  async stop(signal: AbortSignal): Promise<void> {
    if (!this.#listener.listening) return;
    this.#isDraining = true;
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const response of this.#open.keys()) if (!response.headersSent) response.shouldKeepAlive = false;
    this.#node.closeIdleConnections();
    if (this.#listener !== this.#node) this.#node.close();
    // Node holds a connection that has not sent a byte yet for a busy one.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    const cutOff = (): void => {
      for (const socket of this.#sockets) socket.destroy();
    };
    if (signal.aborted) cutOff();
    else signal.addEventListener("abort", cutOff, { once: true });
    await closed;
    signal.removeEventListener("abort", cutOff);
  }

  /**
   * Where the server is reached: `http://127.0.0.1:8000`.
   *
   * @throws CLEW_TRANSPORT_NOT_STARTED
   */
  endpoint(): URL {
    if (this.#endpoint === undefined) throw serverNotStarted("HttpServer");
    return new URL(this.#endpoint);
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    this.#open.set(response, null);
    response.on("close", () => this.#forget(response));
    if (this.#isDraining) response.shouldKeepAlive = false;
    if (this.#filtered === null) this.#dispatch(request, response);
    else this.#runRaw(this.#filtered, request, response, noVariables);
  }

  #forget(response: ServerResponse): void {
    const call = this.#open.get(response);
    this.#open.delete(response);
    if (!response.writableEnded) call?.cancel(callCancelled(call.operation));
    // A reply that had begun before the drain left its connection open.
    if (this.#isDraining) setImmediate(() => this.#node.closeIdleConnections());
  }

  #dispatch(request: IncomingMessage, response: ServerResponse): void | Promise<void> {
    const verb = request.method!;
    const url = request.url!;
    const mark = url.indexOf("?");
    const path = toPath(mark === -1 ? url : url.slice(0, mark));
    const match = this.#router.find(verb, path);
    if (match === undefined) {
      this.#answerUnrouted(verb, path, request, response);
      return undefined;
    }
    const { target, template, captures } = match;
    if (target.kind === "rpc") {
      const query = mark === -1 ? "" : url.slice(mark + 1);
      const call = new HttpServerCall({
        route: target,
        request,
        response,
        path,
        query,
        captures,
        context: this.#context,
      });
      this.#serve(call, target, request, response);
      return undefined;
    }
    const variables = captures.length === 0 ? noVariables : decodeVariables(template, captures);
    if (variables === undefined) {
      sendError(
        response,
        new ServiceError(400, "CODEC", "the path is not percent-encoded text without . and .. segments"),
      );
      return undefined;
    }
    sendContinue(response);
    return this.#runRaw(target.handle, request, response, variables);
  }

  /** Runs a call through its chain and writes the reply, once: whatever comes first, the chain's answer or the end of the call. */
  #serve(call: HttpServerCall, route: RpcRoute, request: IncomingMessage, response: ServerResponse): void {
    let isAnswered = false;
    const settle = (reply: Reply | undefined, thrown: unknown): void => {
      if (isAnswered) return;
      isAnswered = true;
      const error =
        reply === undefined
          ? this.#toServiceError(call, thrown)
          : this.#sendMessage(call, route, reply, request, response);
      if (error !== undefined) this.#sendFailure(call, error, request, response);
      call.finish();
      announceEnd(call, error);
    };
    call.onCancel((reason) => settle(undefined, reason));
    this.#open.set(response, call);
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
    request: IncomingMessage,
    response: ServerResponse,
  ): ServiceError | undefined {
    try {
      if (isStream(reply)) throw new TypeError("a unary method answered with a stream");
      const codec = negotiate(route.replyCodecs, request.headers.accept);
      const body = codec.encodeText?.(reply) ?? codec.encode(reply);
      const abandonsBody = isBodyLeft(request, route.bodyLimitBytes);
      sendReply(response, {
        status: 200,
        contentType: codec.contentType,
        body,
        metadata: call.givenReplyMetadata,
        abandonsBody,
      });
      call.passMessage("sent", reply);
      return undefined;
    } catch (thrown) {
      return this.#toServiceError(call, thrown);
    }
  }

  #sendFailure(call: HttpServerCall, error: ServiceError, request: IncomingMessage, response: ServerResponse): void {
    if (response.destroyed) return;
    if (response.headersSent) {
      // A filter began a reply of its own; half of that is worth nothing.
      if (!response.writableEnded) response.destroy();
      return;
    }
    const abandonsBody = isBodyLeft(request, call.cancelled === undefined ? this.#options.bodyLimitBytes : 0);
    try {
      sendError(response, error, { metadata: call.givenReplyMetadata, abandonsBody });
    } catch (thrown) {
      // The metadata cannot be headers; the error goes without it.
      this.#options.logger.error(`${call.operation}: the reply's metadata cannot be sent`, { error: thrown });
      sendError(response, error, { abandonsBody });
    }
  }

  /** What the caller is told. What it is not told goes to the log here, at the edge, once. */
  #toServiceError(call: HttpServerCall, thrown: unknown): ServiceError {
    if (thrown instanceof ServiceError) return thrown;
    this.#options.logger.error(`${call.operation} failed`, { error: thrown });
    return ServiceError.from(thrown);
  }

  #answerUnrouted(verb: string, path: string, request: IncomingMessage, response: ServerResponse): void {
    const allowed = path === "*" ? [] : this.#router.allowed(path);
    const abandonsBody = isBodyLeft(request, this.#options.bodyLimitBytes);
    if (allowed.length > 0) {
      const headers = { allow: [...new Set([...allowed, "OPTIONS"])].sort().join(", ") };
      if (verb === "OPTIONS") {
        response.writeHead(204, headers).end();
        return;
      }
      const error = new ServiceError(
        405,
        "METHOD_NOT_ALLOWED",
        `${verb} is not allowed here; ${headers.allow} would work`,
      );
      sendError(response, error, { headers, abandonsBody });
    } else if (verb === "OPTIONS" && path === "*") response.writeHead(204).end();
    else
      sendError(response, new ServiceError(404, "NOT_FOUND", `no route for ${verb} ${path.slice(0, 200)}`), {
        abandonsBody,
      });
  }

  async #runRaw(
    handle: RawHandler,
    request: IncomingMessage,
    response: ServerResponse,
    variables: Readonly<Record<string, string>>,
  ): Promise<void> {
    try {
      await handle(request, response, variables);
    } catch (thrown) {
      if (!(thrown instanceof ServiceError)) {
        this.#options.logger.error(`${request.method} ${request.url} failed`, { error: thrown });
      }
      if (response.headersSent) response.destroy();
      else sendError(response, ServiceError.from(thrown), { abandonsBody: isBodyLeft(request, 0) });
    }
  }

  /** Answers what is not HTTP, and what took too long to arrive. */
  #refuse(error: NodeJS.ErrnoException, socket: Socket): void {
    const isAnswering = [...this.#open.keys()].some((response) => response.socket === socket && response.headersSent);
    if (isAnswering || !socket.writable || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const [status, reason, message] =
      error.code === "HPE_HEADER_OVERFLOW"
        ? [431, "HEADERS_TOO_LARGE", `the headers are over the limit of ${this.#options.headerLimitBytes} bytes`]
        : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
          ? [408, "REQUEST_TIMEOUT", "the request took too long to arrive"]
          : [400, "BAD_REQUEST", "this is not an HTTP request"];
    const body = JSON.stringify(new ServiceError(status as number, reason as string, message as string));
    const head = `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
    socket.end(head + body);
  }
}

function createNodeOptions(options: ResolvedHttpServerOptions): NodeServerOptions {
  const { headerLimitBytes, requestTimeoutMs, keepAliveTimeoutMs } = options;
  // Node refuses a shorter limit for the whole request than for its headers.
  const headerTimeoutMs =
    requestTimeoutMs > 0 ? Math.min(options.headerTimeoutMs, requestTimeoutMs) : options.headerTimeoutMs;
  return {
    maxHeaderSize: headerLimitBytes,
    headersTimeout: headerTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    // How often Node looks for requests that take too long; its default of 30 s would be the shortest timeout there is.
    connectionsCheckingInterval: Math.max(50, Math.min(5000, headerTimeoutMs / 2)),
    noDelay: true,
  };
}

function createRouter(options: ResolvedHttpServerOptions): Router<RpcRoute | RawRoute> {
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

/** How much of a body nobody read is let pass, so that the connection can be kept. */
const smallBodyBytes = 64 * 1024;

/** Whether the request's body is still under way, and too long to let it pass. */
function isBodyLeft(request: IncomingMessage, limitBytes: number): boolean {
  if (request.complete || !hasBody(request)) return false;
  const length = request.headers["content-length"];
  return length === undefined || Number(length) > Math.min(smallBodyBytes, limitBytes);
}

/** The path of a request target, which to a proxy is a whole URL (RFC 9112 section 3.2). */
function toPath(target: string): string {
  if (target.startsWith("/") || target === "*") return target;
  const path = /^https?:\/\/[^/]*(\/.*)?$/i.exec(target);
  return path === null ? target : (path[1] ?? "/");
}
