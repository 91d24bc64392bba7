import type { HeaderFields, ServerStream } from "@clew/http2";
import { mergeChunks } from "../merge-chunks.ts";
import { TranslatedStream } from "../translated-stream.ts";
import { httpStatuses } from "./code.ts";
import { isProtocolName } from "./names.ts";
import { errorOfTrailers } from "./status.ts";

export interface UnaryExchangeInit {
  /** How the caller wrote its message: proto, json. */
  readonly codec: string;
  /** Whether the request's body is compressed. */
  readonly isCompressed: boolean;
  /** What the request says of its body. */
  readonly contentLength: number | undefined;
  readonly maxMessageBytes: number;
}

const prefixBytes = 5;
// A body that does not say how long it is asks for the room of the largest one, once it is no small one.
const unreservedBytes = 64 * 1024;

/** A call of one message and one reply, each a whole body: gRPC's frames around them are put on and taken off here. */
export class UnaryExchange extends TranslatedStream {
  readonly #init: UnaryExchangeInit;
  // The request: the frame's head goes ahead of a body that says how long it is; any other is gathered.
  readonly #isSized: boolean;
  #hasBegun = false;
  #chunks: Buffer[] | undefined = [];
  #mergedChunks = 0;
  #length = 0;
  #hasReserved = false;
  // The reply, until its end says what it is.
  #headers: readonly string[] = [];
  #frame: Uint8Array | undefined;

  constructor(stream: ServerStream, init: UnaryExchangeInit) {
    super(stream);
    this.#init = init;
    this.#isSized = init.contentLength !== undefined && init.contentLength > 0;
  }

  /** Gives the handler a message that is in no body. */
  give(message: Buffer): void {
    this.#chunks = undefined;
    this.#begin(message.length);
    this.handler.onData(message);
    this.handler.onEnd([]);
  }

  override onData(bytes: Buffer): void {
    if (this.#chunks === undefined) return;
    if (this.#isSized) {
      if (!this.#hasBegun) this.#begin(this.#init.contentLength!);
      this.handler.onData(bytes);
      return;
    }
    this.#chunks.push(bytes);
    this.#mergedChunks = mergeChunks(this.#chunks, this.#mergedChunks);
    this.#length += bytes.length;
    if (this.#length <= this.#init.maxMessageBytes) {
      if (!this.#hasReserved && this.#length > unreservedBytes) this.#reserve(this.#init.maxMessageBytes);
      return;
    }
    // The head of a frame this large is all that the handler needs to refuse it.
    this.#chunks = undefined;
    this.#reserve(0);
    this.#begin(this.#length);
  }

  override onEnd(): void {
    if (this.#chunks === undefined) return;
    if (this.#hasReserved) this.#reserve(0);
    if (!this.#hasBegun) {
      this.#begin(this.#length);
      for (const chunk of this.#chunks) this.handler.onData(chunk);
    }
    this.#chunks = undefined;
    this.handler.onEnd([]);
  }

  #reserve(bytes: number): void {
    this.#hasReserved = bytes > 0;
    this.stream.reserve(bytes);
  }

  #begin(length: number): void {
    this.#hasBegun = true;
    const prefix = Buffer.allocUnsafe(prefixBytes);
    // An empty body is not compressed, whatever its headers say.
    prefix[0] = this.#init.isCompressed && length > 0 ? 1 : 0;
    prefix.writeUInt32BE(Math.min(length, 0xffffffff), 1);
    this.handler.onData(prefix);
  }

  override sendHeaders(fields: HeaderFields, isEnd: boolean): void {
    this.#headers = fields;
    if (!isEnd) return;
    // An error that came first: all that follows its status are trailers.
    const at = fields.indexOf("grpc-status");
    this.#headers = fields.slice(0, at);
    this.sendTrailers(fields.slice(at));
  }

  override sendData(bytes: Uint8Array): boolean {
    this.#frame = bytes;
    return true;
  }

  override sendTrailers(trailers: HeaderFields): void {
    const failed = errorOfTrailers(trailers);
    const frame = this.#frame!;
    const body = failed === undefined ? frame.subarray(prefixBytes) : Buffer.from(JSON.stringify(failed.error));
    const status = failed === undefined ? "200" : String(httpStatuses[failed.code]);
    const fields = [":status", status, "content-type", failed ? "application/json" : `application/${this.#init.codec}`];
    let encoding = "";
    for (let at = 0; at < this.#headers.length; at += 2) {
      const name = this.#headers[at]!;
      if (name === "grpc-encoding") encoding = this.#headers[at + 1]!;
      else if (!isProtocolName(name)) fields.push(name, this.#headers[at + 1]!);
    }
    if (failed === undefined && frame[0] === 1) fields.push("content-encoding", encoding);
    for (let at = 0; at < trailers.length; at += 2) {
      if (!isProtocolName(trailers[at]!)) fields.push(`trailer-${trailers[at]}`, trailers[at + 1]!);
    }
    fields.push("content-length", String(body.length));
    this.stream.sendHeaders(fields, body.length === 0);
    if (body.length > 0) this.stream.sendData(body, true);
  }
}
