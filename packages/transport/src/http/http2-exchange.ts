import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { ErrorCode, type HeaderFields, type ServerStream, type StreamListener } from "@clew/http2";
import { callCancelled, Metadata, type Peer, ServiceError } from "@clew/rpc";
import { mergeChunks } from "../merge-chunks.ts";
import { socketOf } from "../peer.ts";
import { awaitContinue, bodyTooLarge, roomOf, unreadBytes } from "./body.ts";
import { httpDate } from "./date.ts";
import { Http2Request, readRequestHead } from "./http2-request.ts";
import { Http2Response } from "./http2-response.ts";
import { toRecord } from "./metadata.ts";
import { createErrorReply, createFields, type HttpReply } from "./reply.ts";
import type { NodePair, ServerExchange } from "./server-exchange.ts";

export interface Http2ExchangeInit {
  readonly stream: ServerStream;
  readonly fields: HeaderFields;
  readonly peer: Peer;
  /** How long the body may take to arrive, in milliseconds; 0 for no end. */
  readonly bodyTimeoutMs: number;
  /** A call with a deadline needs no second timer for its body. */
  readonly callsHaveDeadline: boolean;
}

interface Reader {
  readonly limitBytes: number;
  readonly operation: string;
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: ServiceError) => void;
}

/**
 * An exchange on a stream of HTTP/2: the body is gathered here and the reply leaves from here, with no stream of Node's in
 * between. Those are made for a raw handler only, by {@link open}.
 */
export class Http2Exchange implements ServerExchange, StreamListener {
  readonly verb: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: HeaderFields;
  readonly peer: Peer;
  onLeave: (() => void) | undefined;
  readonly #stream: ServerStream;
  readonly #bodyTimeoutMs: number;
  readonly #callsHaveDeadline: boolean;
  #timer: NodeJS.Timeout | undefined;
  #bodyBytes: number | undefined;
  #isAnswered = false;
  // The body.
  #chunks: Buffer[] = [];
  #length = 0;
  /** How many of the chunks, from the first on, are merged ones. */
  #mergedChunks = 0;
  #hasEnded: boolean;
  #hasLeft = false;
  #isDiscarding = false;
  #hasReserved = false;
  #reader: Reader | undefined;
  // What stands in for node's objects.
  #request: Http2Request | undefined;
  #response: Http2Response | undefined;

  constructor({ stream, fields, peer, bodyTimeoutMs, callsHaveDeadline }: Http2ExchangeInit) {
    const { verb, target, headers } = readRequestHead(fields);
    this.verb = verb;
    this.target = target;
    this.headers = headers;
    this.rawHeaders = fields;
    this.#stream = stream;
    this.peer = peer;
    this.#bodyTimeoutMs = bodyTimeoutMs;
    this.#callsHaveDeadline = callsHaveDeadline;
    this.#hasEnded = stream.isRemoteOver;
  }

  get scheme(): "http" | "https" {
    return "encrypted" in socketOf(this.peer) ? "https" : "http";
  }

  get version(): string {
    return "2";
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  header(name: string): string | undefined {
    const value = this.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  metadata(): Metadata {
    return Metadata.adopt(toRecord(this));
  }

  hasBody(): boolean {
    return !this.#hasEnded || this.#length > 0;
  }

  readBody(limitBytes: number, operation: string): Promise<Uint8Array> {
    if (Number(this.headers["content-length"] ?? 0) > limitBytes) {
      this.#discard();
      return Promise.reject(bodyTooLarge(limitBytes));
    }
    if (this.headers.expect === "100-continue" && !this.#hasEnded) this.#stream.sendInformation([":status", "100"]);
    return new Promise((resolve, reject) => {
      this.#reader = { limitBytes, operation, resolve, reject };
      this.#serveReader();
      this.#stream.resume();
      if (!this.#callsHaveDeadline) this.#watchBody();
    });
  }

  reply(reply: HttpReply): void {
    if (this.#hasLeft) return;
    const body = typeof reply.body === "string" ? Buffer.from(reply.body) : reply.body;
    const fields = createFields(reply, body.length);
    fields.push("date", httpDate());
    const isOver = body.length === 0 || this.verb === "HEAD";
    this.#bodyBytes = isOver ? 0 : body.length;
    this.#stream.sendHeaders([":status", String(reply.status), ...fields], isOver);
    this.#isAnswered = true;
    this.#discard();
    clearTimeout(this.#timer);
    if (!isOver) this.#stream.sendData(body, true);
  }

  whenSent(listener: (bodyBytes: number | undefined) => void): void {
    listener(this.#bodyBytes);
  }

  abort(): void {
    this.#stream.reset(ErrorCode.INTERNAL_ERROR);
  }

  open(): NodePair {
    const { verb, target, headers, rawHeaders } = this;
    const init = { verb, target, headers, rawHeaders, socket: socketOf(this.peer) };
    const request = new Http2Request(this.#stream, init, this.#hasEnded);
    const response = new Http2Response(this.#stream, request);
    this.#request = request;
    this.#response = response;
    response.once("close", () => clearTimeout(this.#timer));
    this.#watchBody();
    const pair = {
      request: request as unknown as IncomingMessage,
      response: response as unknown as ServerResponse,
    };
    if (this.headers.expect === "100-continue") awaitContinue(pair.response);
    return pair;
  }

  onData(bytes: Buffer): void {
    if (this.#request !== undefined) {
      this.#request.receive(bytes);
      return;
    }
    if (this.#isDiscarding) return;
    this.#length += bytes.length;
    this.#chunks.push(bytes);
    this.#mergedChunks = mergeChunks(this.#chunks, this.#mergedChunks);
    if (this.#reader !== undefined) this.#serveReader();
    // Until somebody asks for the body the caller is held back. A flow-control window more may follow.
    else if (this.#length > unreadBytes) this.#stream.pause();
  }

  onEnd(trailers: HeaderFields): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    if (this.#request !== undefined) this.#request.receiveEnd(trailers);
    else this.#serveReader();
  }

  onReset(_code: number, error: Error | undefined): void {
    this.#hasLeft = true;
    clearTimeout(this.#timer);
    if (this.#request !== undefined) {
      this.#request.receiveReset(error);
      this.#response!.receiveReset();
      return;
    }
    const reader = this.#reader;
    this.#discard();
    reader?.reject(callCancelled(reader.operation, error));
    this.onLeave?.();
  }

  onDrain(): void {
    this.#response?.receiveDrain();
  }

  #watchBody(): void {
    if (this.#hasEnded || this.#bodyTimeoutMs === 0) return;
    this.#timer = setTimeout(() => this.#expire(), this.#bodyTimeoutMs).unref();
  }

  #expire(): void {
    const error = new ServiceError(408, "REQUEST_TIMEOUT", "the request took too long to arrive");
    const reader = this.#reader;
    this.#discard();
    reader?.reject(error);
    if (this.#request === undefined) return;
    if (!this.#response!.headersSent) this.reply(createErrorReply(error));
    else this.#stream.reset(ErrorCode.CANCEL);
    this.onReset(ErrorCode.CANCEL, error);
  }

  #serveReader(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    if (this.#length > reader.limitBytes) {
      this.#discard();
      reader.reject(bodyTooLarge(reader.limitBytes));
    } else if (this.#hasEnded) {
      const chunks = this.#chunks;
      this.#reader = undefined;
      this.#release();
      reader.resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#length));
    } else if (this.#hasLeft) {
      this.#reader = undefined;
      reader.reject(callCancelled(reader.operation));
    } else if (!this.#hasReserved && this.#length > unreadBytes) this.#reserveRest(reader.limitBytes);
  }

  #reserveRest(limitBytes: number): void {
    const bytes = roomOf(this.headers, limitBytes);
    if (bytes === 0) return;
    this.#hasReserved = true;
    this.#stream.reserve(bytes);
  }

  #release(): void {
    if (!this.#hasReserved) return;
    this.#hasReserved = false;
    this.#stream.reserve(0);
  }

  // Nobody reads the body, or the rest of it. After the reply the session tells the caller so.
  #discard(): void {
    this.#isDiscarding = true;
    this.#reader = undefined;
    this.#chunks = [];
    this.#release();
  }
}
