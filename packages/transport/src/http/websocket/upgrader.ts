import type { IncomingMessage } from "node:http";
import { type Metadata, ServiceError } from "@clew/rpc";
import type { WebSocket, WebSocketServer } from "ws";
import { loadWebSocket } from "../../lazy-modules.ts";
import { http } from "../../node-http.ts";
import { Http2Exchange } from "../http2-exchange.ts";
import { ownHeaders } from "../reply.ts";
import type { ServerExchange } from "../server-exchange.ts";
import type { ResolvedWebSocketOptions } from "./options.ts";
import { isUpgradable, takeUpgrade } from "./upgradable-request.ts";

/** How long the other end may take to answer a close. */
const closeTimeoutMs = 5000;

export interface UpgradeInit {
  readonly metadata: Metadata | undefined;
  /** The subprotocol to speak; undefined for none. */
  readonly protocol: string | undefined;
  readonly maxMessageBytes: number;
}

/** Why a request is no WebSocket, and the headers that tell what would be one. */
export interface UpgradeRefusal {
  readonly error: ServiceError;
  readonly headers: Readonly<Record<string, string>>;
}

/** Makes WebSockets of requests (RFC 6455 section 4.2). */
export class WebSocketUpgrader {
  readonly options: ResolvedWebSocketOptions;
  readonly #upgrading: WeakMap<IncomingMessage, UpgradeInit> = new WeakMap();
  #server: WebSocketServer | undefined;

  constructor(options: ResolvedWebSocketOptions) {
    this.options = options;
  }

  /** Made when the first request has become one: most servers never see any. */
  #createServer(): WebSocketServer {
    const own = { closeTimeout: closeTimeoutMs };
    const server = new (loadWebSocket().WebSocketServer)({
      ...own,
      noServer: true,
      clientTracking: false,
      perMessageDeflate: this.options.compression ? { threshold: 1024, concurrencyLimit: 2 } : false,
      handleProtocols: (_offered, request) => this.#upgrading.get(request)?.protocol ?? false,
    });
    server.on("headers", (lines, request) => appendFields(lines, this.#upgrading.get(request)?.metadata));
    return server;
  }

  /** Why a request cannot become a WebSocket; undefined when it can. */
  refuse(exchange: ServerExchange): UpgradeRefusal | undefined {
    const { headers } = exchange;
    const isHttp2 = exchange instanceof Http2Exchange;
    if (isHttp2 || !isUpgradable(exchange.open().request)) {
      const message = "this is a stream of requests: it takes a WebSocket over HTTP/1.1, or gRPC";
      const error = new ServiceError(426, "UPGRADE_REQUIRED", message);
      return { error, headers: isHttp2 ? {} : { upgrade: "websocket" } };
    }
    if (headers["sec-websocket-version"] !== "13") {
      const error = new ServiceError(426, "UPGRADE_REQUIRED", "the version of WebSocket is not 13");
      return { error, headers: { upgrade: "websocket", "sec-websocket-version": "13" } };
    }
    if (exchange.verb !== "GET" || !/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")) {
      const error = new ServiceError(400, "BAD_REQUEST", "this is not a handshake of WebSocket (RFC 6455 section 4.1)");
      return { error, headers: {} };
    }
    if (!this.#isAllowed(headers.origin, headers.host)) {
      const error = new ServiceError(
        403,
        "ORIGIN_NOT_ALLOWED",
        `pages of ${headers.origin} may not open a WebSocket here`,
      );
      return { error, headers: {} };
    }
    return undefined;
  }

  /**
   * Accepts; undefined when the connection is gone.
   *
   * @throws TypeError when the metadata has a name or a value that no header can have; nothing is sent then.
   */
  accept(request: IncomingMessage, init: UpgradeInit): WebSocket | undefined {
    if (init.metadata !== undefined) {
      for (const [name, value] of init.metadata) {
        http.validateHeaderName(name);
        http.validateHeaderValue(name, value);
      }
    }
    const offer = takeUpgrade(request);
    if (offer === undefined) return undefined;
    this.#upgrading.set(request, init);
    // It holds for the next socket that is made, which is this one.
    this.#server ??= this.#createServer();
    this.#server.options.maxPayload = init.maxMessageBytes;
    let accepted: WebSocket | undefined;
    this.#server.handleUpgrade(request, offer.socket, offer.head, (socket) => {
      accepted = socket;
    });
    return accepted;
  }

  // A page of any site can make a browser open a WebSocket here, with the cookies of this site.
  #isAllowed(origin: string | undefined, host: string | undefined): boolean {
    const { origins } = this.options;
    if (origin === undefined || origins.includes("*") || origins.includes(origin)) return true;
    return URL.canParse(origin) && host !== undefined && new URL(origin).host === host.toLowerCase();
  }
}

function appendFields(lines: string[], metadata: Metadata | undefined): void {
  if (metadata === undefined) return;
  for (const [name, value] of metadata) {
    if (!ownHeaders.has(name) && !name.startsWith("sec-websocket-")) lines.push(`${name}: ${value.trim()}`);
  }
}
