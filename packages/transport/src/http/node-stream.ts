import type { IncomingMessage, ServerResponse } from "node:http";
import { ErrorCode, type HeaderFields, type ServerStream, type StreamListener } from "@clew/http2";
import type { Peer } from "@clew/rpc";
import { peerOf } from "../peer.ts";
import { hasBody, isBodyLeft, reserveRoom } from "./body.ts";
import { linger } from "./linger.ts";
import type { NodePair } from "./server-exchange.ts";

// Node joins text with a reply's head in one write, and bytes not; past this the copy costs more.
const joinedBytes = 4096;

/**
 * A request and a response of node:http in the shape of a stream of HTTP/2, for protocols that are written for those:
 * Connect and gRPC-Web over HTTP/1.1, or behind a filter.
 */
export class NodeStream implements ServerStream {
  readonly id = 0;
  /** The head of the request, as HTTP/2 has it. */
  readonly fields: HeaderFields;
  readonly caller: Peer;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #isOver = false;
  /** The request's body is left where it is, and its connection closes when the caller had time to read the reply. */
  #lingers = false;

  constructor({ request, response }: NodePair) {
    this.#request = request;
    this.#response = response;
    this.caller = peerOf(request.socket);
    const fields = [":method", request.method!, ":path", request.url!];
    const { rawHeaders } = request;
    for (let at = 0; at < rawHeaders.length; at += 2) fields.push(rawHeaders[at]!.toLowerCase(), rawHeaders[at + 1]!);
    this.fields = fields;
  }

  get peer(): string {
    return this.caller.address;
  }

  get isClosed(): boolean {
    return this.#isOver || this.#response.destroyed;
  }

  get isRemoteOver(): boolean {
    return !hasBody(this.#request);
  }

  /** Tells the listener what happens from now on. */
  tell(listener: StreamListener): void {
    const request = this.#request;
    const response = this.#response;
    request.on("data", (bytes: Buffer) => listener.onData(bytes));
    request.on("end", () => listener.onEnd([]));
    // The response closes as well, and tells it.
    request.on("error", () => {});
    response.on("error", () => {});
    response.on("drain", () => listener.onDrain());
    response.once("close", () => {
      if (this.#isOver) return;
      this.#isOver = true;
      listener.onReset(ErrorCode.CANCEL, undefined);
    });
  }

  pause(): void {
    this.#request.pause();
  }

  resume(): void {
    this.#request.resume();
  }

  reserve(bytes: number): void {
    reserveRoom(this.#request, bytes);
  }

  sendHeaders(fields: HeaderFields, isEnd: boolean): void {
    if (this.isClosed) return;
    const response = this.#response;
    const headers: string[] = [];
    for (let at = 0; at < fields.length; at += 2) {
      if (fields[at] === ":status") response.statusCode = Number(fields[at + 1]);
      else headers.push(fields[at]!, fields[at + 1]!);
    }
    // Only for a reply that is whole: the caller of a stream may go on sending.
    this.#lingers =
      (isEnd || headers.includes("content-length")) && isBodyLeft(this.#request, Number.POSITIVE_INFINITY);
    if (this.#lingers) response.shouldKeepAlive = false;
    response.writeHead(response.statusCode, headers);
    if (isEnd) this.#end(undefined);
  }

  sendInformation(): void {}

  sendData(bytes: Uint8Array, isEnd = false): boolean {
    if (this.isClosed) return true;
    if (!isEnd) return this.#response.write(bytes);
    this.#end(bytes);
    return true;
  }

  sendTrailers(fields: HeaderFields): void {
    if (this.isClosed) return;
    const pairs: [string, string][] = [];
    for (let at = 0; at < fields.length; at += 2) pairs.push([fields[at]!, fields[at + 1]!]);
    this.#response.addTrailers(pairs);
    this.#end(undefined);
  }

  sendReply(headers: HeaderFields, bytes: Uint8Array, trailers: HeaderFields): void {
    this.sendHeaders(headers, false);
    this.sendData(bytes);
    this.sendTrailers(trailers);
  }

  sendEnd(): void {
    if (!this.isClosed) this.#end(undefined);
  }

  reset(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#response.destroy();
  }

  #end(bytes: Uint8Array | undefined): void {
    this.#isOver = true;
    const response = this.#response;
    if (this.#lingers) linger(response, bytes);
    else if (bytes !== undefined && bytes.length <= joinedBytes) {
      response.end(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1"), "latin1");
    } else response.end(bytes);
  }
}
