import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { indexOfHeader, type Metadata, type Peer } from "@clew/rpc";
import { peerOf } from "../peer.ts";
import { hasBody, isBodyLeft, readBody } from "./body.ts";
import { compressedBytesOf } from "./filter/compression.ts";
import { linger } from "./linger.ts";
import { readMetadata } from "./metadata.ts";
import { createFields, type HttpReply } from "./reply.ts";
import type { NodePair, ServerExchange } from "./server-exchange.ts";

// Node's global is a getter, which is called anew at each look.
const { byteLength } = Buffer;

/** An exchange on a request and a response of node:http, or on what stands in for them. */
export class NodeExchange implements ServerExchange {
  onLeave: (() => void) | undefined;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #bodyBytes: number | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get verb(): string {
    return this.#request.method!;
  }

  get target(): string {
    return this.#request.url!;
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders;
  }

  header(name: string): string | undefined {
    const { rawHeaders } = this.#request;
    const at = indexOfHeader(rawHeaders, name);
    if (at === -1) return undefined;
    if (indexOfHeader(rawHeaders, name, at + 2) === -1) return rawHeaders[at + 1];
    // Several of a name: node:http knows which of them are one list.
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  metadata(): Metadata {
    return readMetadata(this.#request);
  }

  get scheme(): "http" | "https" {
    return "encrypted" in this.#request.socket ? "https" : "http";
  }

  get version(): string {
    return this.#request.httpVersion;
  }

  get peer(): Peer {
    return peerOf(this.#request.socket);
  }

  get isAnswered(): boolean {
    return this.#response.headersSent;
  }

  hasBody(): boolean {
    return hasBody(this.#request);
  }

  readBody(limitBytes: number, operation: string): Promise<Uint8Array> {
    return readBody(this.#request, this.#response, limitBytes, operation);
  }

  reply(reply: HttpReply): void {
    const response = this.#response;
    if (response.destroyed) return;
    const { status, body } = reply;
    const length = typeof body === "string" ? byteLength(body) : body.length;
    const abandonsBody = isBodyLeft(this.#request, reply.bodyLimitBytes ?? 0);
    const fields = createFields(reply, length);
    this.#bodyBytes = length;
    if (abandonsBody) response.shouldKeepAlive = false;
    response.writeHead(status, fields);
    if (abandonsBody) linger(response, body);
    else response.end(body);
  }

  whenSent(listener: (bodyBytes: number | undefined) => void): void {
    const response = this.#response;
    const tell = (): void => {
      // A raw handler writes its reply itself, and may say how long it is.
      const said = response.getHeader("content-length");
      const known = compressedBytesOf(response) ?? this.#bodyBytes ?? (said === undefined ? undefined : Number(said));
      listener(this.verb === "HEAD" ? 0 : known);
    };
    // What a filter compresses is complete when the response is.
    if (response.closed || compressedBytesOf(response) === undefined) tell();
    else response.once("close", tell);
  }

  abort(): void {
    if (!this.#response.writableEnded) this.#response.destroy();
  }

  open(): NodePair {
    return { request: this.#request, response: this.#response };
  }

  /** The response closed. */
  close(): void {
    if (!this.#response.writableEnded) this.onLeave?.();
  }
}
