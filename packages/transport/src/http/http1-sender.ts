import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import type { Call, ServiceError } from "@clew/rpc";
import type { Dispatcher, Pool, buildConnector as UndiciConnector } from "undici";
import { clientClosed } from "../http2/not-begun.ts";
import { loadUndici } from "../lazy-modules.ts";
import { explainMismatch, type MismatchEndpoint, unreadableStart } from "../tls-mismatch.ts";
import {
  type HttpRequest,
  type HttpSender,
  type ResponseListener,
  type SentRequest,
  unreachable,
  unsendable,
} from "./sender.ts";

export interface Http1SenderOptions {
  /** `http://host:port` */
  readonly origin: string;
  /** The unix socket to connect to, instead of the origin's host. */
  readonly socketPath: string | undefined;
  /** How many connections to hold at most; null for as many as there are requests. */
  readonly connections: number | null;
  readonly connectTimeoutMs: number;
  readonly tls: ConnectionOptions;
}

/** Requests over HTTP/1.1, on a pool of undici's. */
export class Http1Sender implements HttpSender {
  readonly #pool: Pool;
  readonly #origin: Origin;
  /** A connection that somebody else made. */
  #spare: Socket | undefined;
  #closed: Promise<void> | undefined;

  constructor({ origin, socketPath, connections, connectTimeoutMs, tls }: Http1SenderOptions) {
    const { buildConnector, Pool } = loadUndici();
    this.#origin = { scheme: origin.slice(0, origin.indexOf(":")), socketPath, hasAnswered: false };
    // What TLS keeps from one connection to the next is kept by this connector, and shared with no other client.
    const open = buildConnector({
      ...tls,
      timeout: connectTimeoutMs,
      ...(socketPath !== undefined && { socketPath }),
    } as UndiciConnector.BuildOptions);
    const connect: typeof open = (options, callback) => {
      const spare = this.#spare;
      this.#spare = undefined;
      if (spare === undefined || spare.destroyed || !spare.writable) open(options, callback);
      // Later: undici does not expect it before this returns.
      else queueMicrotask(() => callback(null, spare));
    };
    this.#pool = new Pool(origin, { connections, connect });
  }

  /** Gives it a connection to begin with. */
  adopt(socket: Socket): void {
    // Until somebody uses it, nobody is there to be told.
    socket.on("error", () => {});
    if (this.#closed !== undefined || this.#spare !== undefined) socket.destroy();
    else this.#spare = socket;
  }

  /** A body may be a stream as well. */
  send(
    call: Call,
    request: Omit<HttpRequest, "body"> & { readonly body: HttpRequest["body"] | Readable },
    listener: ResponseListener,
  ): SentRequest {
    const exchange = new Http1Exchange(call, listener, this.#origin);
    const { verb, target, headers, body } = request;
    if (this.#closed !== undefined) {
      exchange.fail(clientClosed());
      return exchange;
    }
    try {
      this.#pool.dispatch(
        // The call's deadline is the limit of everything; undici's own timers would only be a second one.
        { method: verb, path: target, headers, body, headersTimeout: 0, bodyTimeout: 0 },
        exchange,
      );
    } catch (error) {
      exchange.fail(error as Error);
    }
    return exchange;
  }

  close(): Promise<void> {
    this.#closed ??= this.#pool.close().then(() => void this.#spare?.destroy());
    return this.#closed;
  }
}

/** Whom all requests of a sender go to. */
interface Origin extends MismatchEndpoint {
  /** Whether it ever answered in HTTP. */
  hasAnswered: boolean;
}

class Http1Exchange implements SentRequest, Dispatcher.DispatchHandler {
  readonly #call: Call;
  readonly #listener: ResponseListener;
  readonly #origin: Origin;
  #controller: Dispatcher.DispatchController | undefined;
  #reason: ServiceError | undefined;
  #isOver = false;

  constructor(call: Call, listener: ResponseListener, origin: Origin) {
    this.#call = call;
    this.#listener = listener;
    this.#origin = origin;
  }

  abort(reason: ServiceError): void {
    if (this.#isOver || this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.fail(reason);
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It was given up while it waited for a connection.
    if (this.#reason !== undefined) controller.abort(this.#reason);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#origin.hasAnswered = true;
    if (!this.#isOver && status >= 200) this.#listener.onHead(status, headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isOver) this.#listener.onData(chunk);
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers?: IncomingHttpHeaders): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onEnd(trailers);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  fail(error: Error & { code?: unknown }): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#reason !== undefined) this.#listener.onError(this.#reason);
    // What undici refuses to send: a header with a line break in it, a verb that is none.
    else if (error.code === "UND_ERR_INVALID_ARG") this.#listener.onError(unsendable(this.#call, error));
    else {
      const said = this.#origin.hasAnswered ? undefined : unreadableStart(error);
      this.#listener.onError(unreachable(this.#call, error, explainMismatch(this.#origin, error, said)));
    }
  }
}
