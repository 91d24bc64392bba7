import type { IncomingHttpHeaders } from "node:http";
import { type Call, ServiceError } from "@clew/rpc";

/** What goes out. */
export interface HttpRequest {
  readonly verb: string;
  /** Path and query. */
  readonly target: string;
  /** In lower case. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Null for none. */
  readonly body: Uint8Array | null;
}

/** Takes what comes back, as it comes. After {@link onEnd} or {@link onError} nothing follows. */
export interface ResponseListener {
  onHead(status: number, headers: IncomingHttpHeaders): void;
  onData(bytes: Buffer): void;
  /** `trailers` are the fields after the body; undefined for none. */
  onEnd(trailers?: IncomingHttpHeaders): void;
  /** The request could not be sent, or the response broke off; with the reason of {@link SentRequest.abort} after that. */
  onError(error: ServiceError): void;
}

/** A request under way. */
export interface SentRequest {
  /** Ends it, both ways. */
  abort(reason: ServiceError): void;
  /** Lets no more of the response come for now; what is under way still does. */
  pause(): void;
  resume(): void;
}

/** Sends requests to one server, by one version of HTTP or whichever the server speaks. */
export interface HttpSender {
  /** Sends a request of a call. It cancels nothing by itself: who sends watches the call. */
  send(call: Call, request: HttpRequest, listener: ResponseListener): SentRequest;
  /** Takes no more requests; resolves when the open ones are over. */
  close(): Promise<void>;
}

/**
 * Why a request failed on its way: 503, with the network's error as the cause.
 *
 * @param why better words for it, where there are any
 */
export function unreachable(call: Call, error: Error & { code?: unknown }, why?: string): ServiceError {
  const words = why ?? (error.message || error.code || error.name);
  const message = `${call.operation}: cannot reach ${call.peer.address}: ${words}`;
  return new ServiceError(503, "UNAVAILABLE", message, { cause: error });
}

/** A request that no HTTP can carry, a header with a line break in it for one: 400. */
export function unsendable(call: Call, error: Error): ServiceError {
  return new ServiceError(400, "CODEC", `${call.operation}: ${error.message}`, { cause: error });
}
