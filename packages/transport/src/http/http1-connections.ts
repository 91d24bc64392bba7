import type {
  IncomingMessage,
  Server as NodeServer,
  ServerOptions as NodeServerOptions,
  ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { indexOfHeader, ServiceError } from "@clew/rpc";
import type { Http1Protocol, ResolvedListenerOptions } from "../listener.ts";
import { http } from "../node-http.ts";
import { OpenSet } from "../open-set.ts";
import { awaitContinue } from "./body.ts";
import type { HttpHandler } from "./handler.ts";
import { NodeExchange } from "./node-exchange.ts";
import { createErrorReply, createFields, createRefusal, type Refusal } from "./reply.ts";
import { SlowReaders } from "./slow-readers.ts";
import { offerUpgrade, UpgradableRequest } from "./websocket/upgradable-request.ts";

/** How long a peer may take to read why it was refused. */
const refusalMs = 500;

/** How long a peer may leave its reply lie, as over HTTP/2. */
const stallMs = 60_000;

/** The HTTP/1.1 connections of a server. node:http reads them; it never listens itself. */
export class Http1Connections implements Http1Protocol {
  readonly #handler: HttpHandler;
  readonly #options: ResolvedListenerOptions;
  readonly #node: NodeServer;
  readonly #sockets: Set<Socket> = new Set();
  /** Responses that are not over. */
  readonly #open: OpenSet<ServerResponse> = new OpenSet();
  readonly #slowReaders: SlowReaders = new SlowReaders(this.#open, stallMs);
  #isWatching = false;
  #isDraining = false;

  constructor(handler: HttpHandler, options: ResolvedListenerOptions) {
    this.#handler = handler;
    this.#options = options;
    this.#node = http.createServer({ ...createNodeOptions(options), IncomingMessage: UpgradableRequest });
    this.#node.on("request", (request, response) => this.#accept(request, response));
    this.#node.on("checkContinue", (request, response) => {
      awaitContinue(response);
      this.#accept(request, response);
    });
    this.#node.on("upgrade", (request, socket, head) => this.#acceptUpgrade(request, socket, head));
    this.#node.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => this.#onClientError(error, socket));
  }

  add(socket: Socket, head: Buffer | undefined): void {
    // Only a node server that listens watches over its connections: their timeouts, and which of them are idle.
    if (!this.#isWatching) this.#node.emit("listening");
    this.#isWatching = true;
    this.#sockets.add(socket);
    socket.once("close", () => this.#forget(socket));
    if (head !== undefined) socket.unshift(head);
    this.#node.emit("connection", socket);
  }

  expire(socket: Socket): void {
    this.#refuse(socket, "too slow");
  }

  drain(): void {
    this.#isDraining = true;
    for (const response of this.#open) if (!response.headersSent) response.shouldKeepAlive = false;
    this.#node.closeIdleConnections();
    this.#unwatch();
  }

  cutOff(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket);
    this.#unwatch();
  }

  #unwatch(): void {
    if (!this.#isDraining || !this.#isWatching || this.#sockets.size > 0) return;
    this.#isWatching = false;
    this.#node.close();
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    const exchange = new NodeExchange(request, response);
    const slot = this.#open.add(response);
    this.#slowReaders.watch();
    response.on("close", () => {
      this.#open.remove(slot);
      exchange.close();
      // A reply that had begun before the drain left its connection open.
      if (this.#isDraining) setImmediate(() => this.#node.closeIdleConnections());
    });
    if (this.#isDraining) response.shouldKeepAlive = false;
    this.#handle(exchange, request, response);
  }

  #acceptUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    let exchange: NodeExchange | undefined;
    const response = offerUpgrade(request, socket, head, () => exchange?.close());
    if (response === undefined) {
      socket.destroy();
      return;
    }
    exchange = new NodeExchange(request, response);
    this.#handle(exchange, request, response);
  }

  #handle(exchange: NodeExchange, request: IncomingMessage, response: ServerResponse): void {
    const fault = findFault(request);
    if (fault === undefined) {
      this.#handler.handle(exchange);
      return;
    }
    response.shouldKeepAlive = false;
    exchange.reply(createErrorReply(new ServiceError(400, "BAD_REQUEST", fault)));
  }

  /** Answers what is not HTTP, and what took too long to arrive. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const isAnswering = [...this.#open].some((response) => response.socket === socket && response.headersSent);
    if (isAnswering || !socket.writable || error.code === "ECONNRESET") socket.destroy();
    else if (error.code === "HPE_HEADER_OVERFLOW") this.#refuse(socket, "headers too large");
    else this.#refuse(socket, error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? "too slow" : "malformed");
  }

  #refuse(socket: Socket, problem: Refusal): void {
    const reply = createRefusal(problem, this.#options.headerLimitBytes);
    const fields = createFields(reply, Buffer.byteLength(reply.body as string));
    const lines = [`HTTP/1.1 ${reply.status} ${problem}`, "connection: close"];
    for (let at = 0; at < fields.length; at += 2) lines.push(`${fields[at]}: ${fields[at + 1]}`);
    socket.end(`${lines.join("\r\n")}\r\n\r\n${reply.body}`);
    const timer = setTimeout(() => socket.destroy(), refusalMs).unref();
    socket.once("close", () => clearTimeout(timer));
  }
}

/** Why a request is not to be trusted that node:http takes: another server on its way may have read it as another one. */
function findFault({ rawHeaders, httpVersionMinor }: IncomingMessage): string | undefined {
  const host = indexOfHeader(rawHeaders, "host");
  // RFC 9112 section 3.2.
  if (host !== -1 && indexOfHeader(rawHeaders, "host", host + 2) !== -1) return "the request has more than one Host";
  // RFC 9112 section 6.1.
  if (httpVersionMinor === 0 && indexOfHeader(rawHeaders, "transfer-encoding") !== -1) {
    return "the request has a Transfer-Encoding, which HTTP/1.0 has not";
  }
  return undefined;
}

function createNodeOptions(options: ResolvedListenerOptions): NodeServerOptions {
  const { headerLimitBytes, requestTimeoutMs, maxConnectionIdleMs } = options;
  // Node refuses a shorter limit for the whole request than for its headers.
  const headerTimeoutMs =
    requestTimeoutMs > 0 ? Math.min(options.headerTimeoutMs, requestTimeoutMs) : options.headerTimeoutMs;
  return {
    maxHeaderSize: headerLimitBytes,
    headersTimeout: headerTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: maxConnectionIdleMs,
    // How often Node looks for requests that take too long; its default of 30 s would be the shortest timeout there is.
    connectionsCheckingInterval: Math.max(50, Math.min(5000, headerTimeoutMs / 2)),
    noDelay: true,
  };
}
