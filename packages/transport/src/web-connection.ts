import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { type ClientStream, type ClientStreamListener, ErrorCode, type HeaderFields } from "@clew/http2";
import { type Call, callCancelled, type ServiceError } from "@clew/rpc";
import { authorityOf, type ResolvedHttpClientOptions } from "./http/client-options.ts";
import { Http1Sender } from "./http/http1-sender.ts";
import { type ResponseListener, type SentRequest, unreachable } from "./http/sender.ts";
import { ClientConnection, choseHttp1 } from "./http2/client-connection.ts";
import { addressOf } from "./http2/connect.ts";
import type { StreamConnection, StreamSession } from "./stream-connection.ts";
import { explainMismatch, type MismatchEndpoint } from "./tls-mismatch.ts";

/** The way to an endpoint of HTTP, by the version that the options say or the server chooses. */
export function createWebConnection(options: ResolvedHttpClientOptions): StreamConnection {
  const { scheme, http2, socketPath, connections, connectTimeoutMs, tls } = options;
  // The host that is asked for is a header of each request.
  const origin = `${scheme}://${authorityOf({ ...options, authority: undefined })}`;
  const http1 =
    http2 === true
      ? undefined
      : new Http1Connection(new Http1Sender({ origin, socketPath, connections, connectTimeoutMs, tls }), options);
  if (http2 === false) return http1!;
  return new WebConnection(options, http1);
}

/** Over HTTP/2, and over HTTP/1.1 once a server has chosen that. */
class WebConnection implements StreamConnection {
  readonly endpoint: string;
  readonly #http1: Http1Connection | undefined;
  readonly #http2: ClientConnection;
  #speaksHttp1 = false;

  constructor(options: ResolvedHttpClientOptions, http1: Http1Connection | undefined) {
    this.endpoint = addressOf(options);
    this.#http1 = http1;
    const onHttp1: ConstructorParameters<typeof ClientConnection>[0]["onHttp1"] = (socket) => {
      this.#speaksHttp1 = true;
      http1!.sender.adopt(socket);
    };
    this.#http2 = new ClientConnection({
      ...options,
      tls: options.scheme === "https" ? options.tls : undefined,
      onHttp1: http1 === undefined ? undefined : onHttp1,
    });
  }

  session(call: Call): StreamSession | Promise<StreamSession> {
    if (this.#speaksHttp1) return this.#http1!.session(call);
    const found = this.#http2.session(call);
    return found instanceof Promise ? found.catch((error: unknown) => this.#overHttp1(call, error)) : found;
  }

  whenReady(call: Call): Promise<StreamSession> {
    if (this.#speaksHttp1) return this.#http1!.whenReady(call);
    return this.#http2.whenReady(call).catch((error: unknown) => this.#overHttp1(call, error));
  }

  explain(error: Error): string | undefined {
    return this.#http2.explain(error);
  }

  async close(): Promise<void> {
    await Promise.all([this.#http2.close(), this.#http1?.close()]);
  }

  #overHttp1(call: Call, error: unknown): StreamSession {
    if (error !== choseHttp1) throw error;
    return this.#http1!.session(call);
  }
}

class Http1Connection implements StreamConnection {
  readonly endpoint: string;
  readonly sender: Http1Sender;
  readonly #options: ResolvedHttpClientOptions;

  constructor(sender: Http1Sender, options: ResolvedHttpClientOptions) {
    this.endpoint = addressOf(options);
    this.sender = sender;
    this.#options = options;
  }

  session(call: Call): StreamSession {
    const peer = this.endpoint;
    const origin = this.#options;
    return {
      peer,
      isOpen: true,
      openStream: (fields, body, listener) =>
        new Http1Stream(this.sender, call, { fields, body, listener, peer, origin }),
    };
  }

  async whenReady(call: Call): Promise<StreamSession> {
    return this.session(call);
  }

  /** Its errors have their words. */
  explain(): undefined {}

  close(): Promise<void> {
    return this.sender.close();
  }
}

interface Http1StreamInit {
  readonly fields: HeaderFields;
  readonly body: Uint8Array | undefined;
  readonly listener: ClientStreamListener;
  readonly peer: string;
  readonly origin: MismatchEndpoint;
}

// A page that says that a server wants TLS has some hundred bytes.
const longestRefusal = 4096;

/** A request of HTTP/1.1 in the shape of a stream of HTTP/2. */
class Http1Stream implements ClientStream, ResponseListener {
  readonly id = 0;
  readonly peer: string;
  isClosed = false;
  readonly #call: Call;
  readonly #listener: ClientStreamListener;
  readonly #request: SentRequest;
  /** A body that is sent in pieces. */
  readonly #body: Readable | undefined;
  readonly #origin: MismatchEndpoint;
  /** The head of a reply that may say in its body that the server wants TLS, and of that body what there is. */
  #refusal: { readonly fields: HeaderFields; body: Buffer } | undefined;

  constructor(sender: Http1Sender, call: Call, { fields, body, listener, peer, origin }: Http1StreamInit) {
    this.peer = peer;
    this.#origin = origin;
    this.#call = call;
    this.#listener = listener;
    let verb = "";
    let target = "";
    const headers: Record<string, string | string[]> = {};
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!;
      const value = fields[at + 1]!;
      if (name === ":method") verb = value;
      else if (name === ":path") target = value;
      else if (name === ":authority") headers.host = value;
      else if (name !== ":scheme" && name !== "content-length") {
        const old = headers[name];
        headers[name] = old === undefined ? value : [...(typeof old === "string" ? [old] : old), value];
      }
    }
    if (body === undefined) {
      this.#body = new Readable({ read: () => this.#listener.onDrain() });
      // Whoever reads it is told by the request.
      this.#body.on("error", () => {});
    }
    const sent = body === undefined ? this.#body! : body.length === 0 && verb === "GET" ? null : body;
    this.#request = sender.send(call, { verb, target, headers, body: sent }, this);
  }

  pause(): void {
    this.#request.pause();
  }

  resume(): void {
    this.#request.resume();
  }

  sendData(bytes: Uint8Array): boolean {
    return this.isClosed || this.#body!.push(bytes);
  }

  sendTrailers(): void {
    this.sendEnd();
  }

  sendEnd(): void {
    if (!this.isClosed) this.#body?.push(null);
  }

  reset(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#request.abort(callCancelled(this.#call.operation));
    this.#body?.destroy();
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    if (this.isClosed) return;
    const fields = [":status", String(status)];
    for (const name in headers) {
      const value = headers[name];
      if (typeof value === "string") fields.push(name, value);
      else for (const one of value ?? []) fields.push(name, one);
    }
    if (status === 400 && /^(text\/|$)/.test(headers["content-type"] ?? "")) {
      this.#refusal = { fields, body: Buffer.alloc(0) };
    } else this.#listener.onHeaders(fields);
  }

  onData(bytes: Buffer): void {
    if (this.isClosed) return;
    if (this.#refusal === undefined) {
      this.#listener.onData(bytes);
      return;
    }
    this.#refusal.body = Buffer.concat([this.#refusal.body, bytes]);
    if (this.#refusal.body.length > longestRefusal) this.#passRefusal();
  }

  onEnd(): void {
    if (this.isClosed) return;
    if (this.#refusal !== undefined) {
      const said = this.#refusal.body.toString("latin1");
      const error = new Error(said);
      const why = explainMismatch(this.#origin, error, said);
      if (why !== undefined) {
        this.onError(unreachable(this.#call, error, why));
        return;
      }
      this.#passRefusal();
      // Who does not know such a reply has hung up by now.
      if (this.isClosed) return;
    }
    this.#listener.onEnd([]);
    this.isClosed = true;
    this.#body?.destroy();
  }

  #passRefusal(): void {
    const { fields, body } = this.#refusal!;
    this.#refusal = undefined;
    this.#listener.onHeaders(fields);
    if (!this.isClosed) this.#listener.onData(body);
  }

  onError(error: ServiceError): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#body?.destroy();
    this.#listener.onReset(ErrorCode.CANCEL, error);
  }
}
