import type { IncomingHttpHeaders } from "node:http";
import {
  type ClientSession,
  type ClientStream,
  type ClientStreamListener,
  ErrorCode,
  errorCodeName,
  type HeaderFields,
} from "@clew/http2";
import { type Call, deadlineExceeded, remainingMs, ServiceError } from "@clew/rpc";
import { ClientConnection, type ClientConnectionOptions, choseHttp1 } from "../http2/client-connection.ts";
import { streamRefused } from "../http2/not-begun.ts";
import type { Http1Sender } from "./http1-sender.ts";
import { addHeader } from "./http2-request.ts";
import {
  type HttpRequest,
  type HttpSender,
  type ResponseListener,
  type SentRequest,
  unreachable,
  unsendable,
} from "./sender.ts";

export interface Http2SenderOptions extends Omit<ClientConnectionOptions, "onHttp1"> {
  /** What requests call the server. */
  readonly authority: string;
  /** Sends requests to a server that chooses HTTP/1.1 by ALPN. Without it such a server cannot be reached. */
  readonly http1: Http1Sender | undefined;
}

/** Requests over HTTP/2, all on one connection; and over HTTP/1.1 once a server has chosen that. */
export class Http2Sender implements HttpSender {
  readonly #options: Http2SenderOptions;
  readonly #connection: ClientConnection;
  #speaksHttp1 = false;

  constructor(options: Http2SenderOptions) {
    this.#options = options;
    const { http1 } = options;
    const onHttp1: ClientConnectionOptions["onHttp1"] = (socket) => {
      this.#speaksHttp1 = true;
      http1!.adopt(socket);
    };
    this.#connection = new ClientConnection({ ...options, onHttp1: http1 === undefined ? undefined : onHttp1 });
  }

  send(call: Call, request: HttpRequest, listener: ResponseListener): SentRequest {
    const { authority, tls, http1 } = this.#options;
    if (this.#speaksHttp1) return http1!.send(call, request, listener);
    const scheme = tls === undefined ? "http" : "https";
    return new Http2Exchange({
      call,
      connection: this.#connection,
      fields: toFields(request, scheme, authority),
      body: request.body ?? noBytes,
      listener,
      sendOverHttp1: () => http1!.send(call, request, listener),
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#connection.close(), this.#options.http1?.close()]);
  }
}

const noBytes = new Uint8Array(0);

function streamReset(code: number): Error {
  return new Error(`the stream was reset (HTTP/2: ${errorCodeName(code)})`);
}

/** Header fields of HTTP/2; the host of HTTP/1.1 is the authority. */
function toFields({ verb, target, headers, body }: HttpRequest, scheme: string, authority: string): HeaderFields {
  const fields = [":method", verb, ":scheme", scheme, ":path", target, ":authority", authority];
  for (const name in headers) {
    const value = headers[name]!;
    if (name === "host") continue;
    if (typeof value === "string") fields.push(name, value.trim());
    else for (const one of value) fields.push(name, one.trim());
  }
  if (body !== null) fields.push("content-length", String(body.length));
  return fields;
}

interface Http2ExchangeInit {
  readonly call: Call;
  readonly connection: ClientConnection;
  readonly fields: HeaderFields;
  readonly body: Uint8Array;
  readonly listener: ResponseListener;
  /** Sends it once more, when it turned out that the server speaks HTTP/1.1. */
  readonly sendOverHttp1: () => SentRequest;
}

/** A request on a stream of HTTP/2, or on two when the server refused the first before it looked at it. */
class Http2Exchange implements SentRequest, ClientStreamListener {
  readonly #init: Http2ExchangeInit;
  #stream: ClientStream | undefined;
  /** The same request over HTTP/1.1. */
  #other: SentRequest | undefined;
  #hasHead = false;
  #hasResent = false;
  #isOver = false;

  constructor(init: Http2ExchangeInit) {
    this.#init = init;
    this.#open();
  }

  abort(reason: ServiceError): void {
    if (this.#other !== undefined) this.#other.abort(reason);
    else this.#fail(reason);
  }

  pause(): void {
    (this.#other ?? this.#stream)?.pause();
  }

  resume(): void {
    (this.#other ?? this.#stream)?.resume();
  }

  onHeaders(fields: HeaderFields): void {
    this.#hasHead = true;
    let status = 0;
    const headers: IncomingHttpHeaders = {};
    for (let at = 0; at < fields.length; at += 2) {
      if (fields[at] === ":status") status = Number(fields[at + 1]);
      else addHeader(headers, fields[at]!, fields[at + 1]!);
    }
    this.#init.listener.onHead(status, headers);
  }

  onData(bytes: Buffer): void {
    if (!this.#isOver) this.#init.listener.onData(bytes);
  }

  onEnd(fields: HeaderFields): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const trailers: IncomingHttpHeaders = {};
    for (let at = 0; at < fields.length; at += 2) addHeader(trailers, fields[at]!, fields[at + 1]!);
    this.#init.listener.onEnd(fields.length > 0 ? trailers : undefined);
  }

  onReset(code: number, error: Error | undefined): void {
    if (this.#isOver) return;
    const { call, connection } = this.#init;
    // The server has certainly not begun (RFC 9113 section 8.7).
    if (code === ErrorCode.REFUSED_STREAM && !this.#hasHead && !this.#hasResent) {
      this.#hasResent = true;
      this.#open();
      return;
    }
    const isLate = code === ErrorCode.CANCEL && call.deadline !== undefined && remainingMs(call.deadline) <= 0;
    if (isLate) this.#fail(deadlineExceeded(call.operation));
    else if (code === ErrorCode.REFUSED_STREAM) this.#fail(unreachable(call, streamRefused(error)));
    else this.#fail(unreachable(call, error ?? streamReset(code), error && connection.explain(error)));
  }

  onDrain(): void {}

  // At once when there is a connection.
  #open(): void {
    const { connection, call } = this.#init;
    try {
      const found = call.waitsForReady ? connection.whenReady(call) : connection.session(call);
      if (!(found instanceof Promise)) this.#openOn(found);
      else
        found.then(
          (session) => (session.isOpen ? this.#openOn(session) : this.#open()),
          (error: unknown) => this.#cannotOpen(error),
        );
    } catch (error) {
      this.#cannotOpen(error);
    }
  }

  #openOn(session: ClientSession): void {
    if (this.#isOver) return;
    const { call, fields, body } = this.#init;
    try {
      this.#stream = session.openStream(fields, body, this);
    } catch (error) {
      // What HTTP/2 cannot carry: a header with a line break in it.
      this.#fail(unsendable(call, error as Error));
    }
  }

  #cannotOpen(error: unknown): void {
    if (this.#isOver) return;
    const { call, connection, sendOverHttp1 } = this.#init;
    if (error === choseHttp1) {
      this.#other = sendOverHttp1();
      return;
    }
    const { cause } = error as ServiceError;
    this.#fail(cause instanceof Error ? unreachable(call, cause, connection.explain(cause)) : ServiceError.from(error));
  }

  #fail(error: ServiceError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream?.reset(ErrorCode.CANCEL);
    this.#init.listener.onError(error);
  }
}
