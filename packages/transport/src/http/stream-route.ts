import type { Call, ServiceError } from "@clew/rpc";
import type { OpenSet } from "../open-set.ts";
import type { HttpCallInit, RpcRoute } from "./call.ts";
import type { ServerExchange } from "./server-exchange.ts";
import type { ResolvedEventStreamOptions } from "./sse/options.ts";
import type { WebSocketUpgrader } from "./websocket/upgrader.ts";

/** A route of a method that streams. */
export interface StreamRoute {
  readonly kind: "stream";
  /** Events carry a stream of replies; a WebSocket carries a stream of requests, and replies of either kind. */
  readonly carrier: "events" | "websocket";
  readonly rpc: RpcRoute;
}

/** What serving a stream takes from its server. */
export interface StreamHost {
  readonly events: ResolvedEventStreamOptions;
  readonly webSocket: WebSocketUpgrader;
  /** The streams that are open. */
  readonly streams: OpenSet<Call>;
  /** What the caller is told of a failure; what it is not told is logged. */
  toServiceError(call: Call, thrown: unknown): ServiceError;
  /** Answers with an error where no reply began. */
  sendFailure(call: Call, error: ServiceError, exchange: ServerExchange): void;
}

/** What one request for a stream brings: all that its call is made of. */
export interface StreamRequest extends HttpCallInit {
  readonly host: StreamHost;
}
