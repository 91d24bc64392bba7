import type { OutgoingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { Writable } from "node:stream";
import { ErrorCode, type ServerStream } from "@clew/http2";
import { http } from "../node-http.ts";
import { httpDate } from "./date.ts";
import type { Http2Request } from "./http2-request.ts";

/** What a header may be set to. */
type HeaderValue = number | string | readonly string[];

/** Names that belong to a connection of HTTP/1.1 and are illegal here (RFC 9113 section 8.2.2): passed over. */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

type EndArguments = [chunk?: unknown, encoding?: unknown, callback?: unknown];

/**
 * A response of HTTP/2 for code that expects node:http's ServerResponse. It is a Writable with `statusCode`, `statusMessage`,
 * `setHeader`, `appendHeader`, `getHeader`, `getHeaders`, `getHeaderNames`, `hasHeader`, `removeHeader`, `setHeaders`, `writeHead`,
 * `flushHeaders`, `headersSent`, `writeContinue`, `writeEarlyHints`, `addTrailers`, `sendDate`, `req`, `socket`, `finished`.
 * Whatever belongs to a connection of HTTP/1.1 has no effect here: headers such as `connection`, `shouldKeepAlive`, the status
 * message. Data that was written must not be changed afterwards.
 */
export class Http2Response extends Writable {
  statusCode = 200;
  statusMessage = "";
  sendDate = true;
  shouldKeepAlive = true;
  readonly req: Http2Request;
  readonly #stream: ServerStream;
  /** By lower-case name. */
  readonly #headers: Map<string, { readonly name: string; readonly value: HeaderValue }> = new Map();
  #trailers: string[] = [];
  #headersSent = false;
  #isEnded = false;
  #onDrain: ((error?: Error | null) => void) | undefined;

  constructor(stream: ServerStream, request: Http2Request) {
    super();
    this.#stream = stream;
    this.req = request;
    const abort = (): void => this.receiveReset();
    request.onAbort = abort;
  }

  get socket(): Socket {
    return this.req.socket;
  }

  get connection(): Socket {
    return this.req.socket;
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  get finished(): boolean {
    return this.writableEnded;
  }

  setHeader(name: string, value: HeaderValue): this {
    if (this.#headersSent) throw headersSent("set");
    validate(name, value);
    this.#headers.set(name.toLowerCase(), { name, value });
    return this;
  }

  setHeaders(headers: Headers | ReadonlyMap<string, HeaderValue>): this {
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  }

  appendHeader(name: string, value: string | readonly string[]): this {
    const old = this.#headers.get(name.toLowerCase())?.value;
    const values = typeof value === "string" ? [value] : value;
    if (old === undefined) return this.setHeader(name, value);
    return this.setHeader(name, [...(Array.isArray(old) ? (old as string[]) : [String(old)]), ...values]);
  }

  getHeader(name: string): HeaderValue | undefined {
    return this.#headers.get(name.toLowerCase())?.value;
  }

  getHeaders(): OutgoingHttpHeaders {
    return Object.fromEntries(
      [...this.#headers].map(([name, { value }]) => [name, value as number | string | string[]]),
    );
  }

  getHeaderNames(): string[] {
    return [...this.#headers.keys()];
  }

  getRawHeaderNames(): string[] {
    return [...this.#headers.values()].map(({ name }) => name);
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name.toLowerCase());
  }

  removeHeader(name: string): void {
    if (this.#headersSent) throw headersSent("remove");
    this.#headers.delete(name.toLowerCase());
  }

  /**
   * `writeHead(status, headers)`, `writeHead(status, message, headers)`; headers as an object or flat:
   * name, value, name, value.
   */
  writeHead(status: number, ...rest: unknown[]): this {
    if (this.#headersSent) throw headersSent("write");
    if (!Number.isInteger(status) || status < 100 || status > 999) {
      throw Object.assign(new RangeError(`Invalid status code: ${status}`), { code: "ERR_HTTP_INVALID_STATUS_CODE" });
    }
    const given = (typeof rest[0] === "string" ? rest[1] : rest[0]) as OutgoingHttpHeaders | HeaderValue[] | undefined;
    this.statusCode = status;
    if (Array.isArray(given)) this.#takeList(given);
    else if (given !== undefined && given !== null) {
      for (const [name, value] of Object.entries(given)) if (value !== undefined) this.setHeader(name, value);
    }
    // Who writes without a head comes here as well, as in node:http: a filter that wants to see every head replaces this function.
    this.#sendHeaders(this.#isEnded && this.#trailers.length === 0);
    return this;
  }

  flushHeaders(): void {
    if (!this.#headersSent) this.writeHead(this.statusCode);
  }

  writeContinue(callback?: () => void): void {
    this.#inform([":status", "100"], callback);
  }

  writeProcessing(callback?: () => void): void {
    this.#inform([":status", "102"], callback);
  }

  writeEarlyHints(hints: Readonly<Record<string, string | readonly string[]>>, callback?: () => void): void {
    const fields = [":status", "103"];
    for (const [name, value] of Object.entries(hints)) {
      validate(name, value);
      pushField(fields, name.toLowerCase(), value);
    }
    this.#inform(fields, callback);
  }

  addTrailers(trailers: OutgoingHttpHeaders | readonly (readonly [string, string])[]): void {
    for (const [name, value] of Array.isArray(trailers) ? trailers : Object.entries(trailers)) {
      validate(name, value);
      pushField(this.#trailers, name.toLowerCase(), value);
    }
  }

  /** There is no socket of this response's own to time out. */
  setTimeout(): this {
    return this;
  }

  override end(...given: EndArguments): this {
    const [chunk] = given;
    // As in node:http: a reply that ends with its first chunk says how long it is.
    if (!this.#headersSent && !this.writableEnded && this.writableLength === 0 && !this.hasHeader("content-length")) {
      if (typeof chunk === "string") {
        const encoding = typeof given[1] === "string" ? (given[1] as BufferEncoding) : "utf8";
        this.setHeader("content-length", Buffer.byteLength(chunk, encoding));
      } else if (chunk instanceof Uint8Array) this.setHeader("content-length", chunk.length);
      else if (this.#hasBody()) this.setHeader("content-length", 0);
    }
    return super.end(...(given as []));
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    if (!this.#headersSent) this.writeHead(this.statusCode);
    if (!this.#hasBody() || this.#stream.sendData(chunk)) callback();
    else this.#onDrain = callback;
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#isEnded = true;
    if (!this.#headersSent) this.writeHead(this.statusCode);
    if (this.#trailers.length > 0) this.#stream.sendTrailers(this.#trailers);
    else this.#stream.sendEnd();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#isEnded) this.#stream.reset(ErrorCode.INTERNAL_ERROR);
    if (!this.req.destroyed) this.req.abandon();
    // As in node:http: an error is for who listens; it does not end the process.
    callback(this.listenerCount("error") > 0 ? error : null);
  }

  /** The caller left. */
  receiveReset(): void {
    this.#isEnded = true;
    this.destroy();
  }

  /** The caller takes more. */
  receiveDrain(): void {
    const go = this.#onDrain;
    this.#onDrain = undefined;
    go?.();
  }

  #hasBody(): boolean {
    return this.req.method !== "HEAD" && this.statusCode !== 204 && this.statusCode !== 304;
  }

  #takeList(list: readonly HeaderValue[]): void {
    const isFlat = !Array.isArray(list[0]);
    const pairs = isFlat
      ? Array.from({ length: list.length / 2 }, (_, index) => [list[2 * index], list[2 * index + 1]])
      : (list as unknown as [string, HeaderValue][]);
    // The list's own names replace what was set; a name that comes twice in it has two values.
    const seen = new Set<string>();
    for (const [name, value] of pairs as [string, HeaderValue][]) {
      if (seen.has(name.toLowerCase())) this.appendHeader(name, Array.isArray(value) ? value : String(value));
      else this.setHeader(name, value);
      seen.add(name.toLowerCase());
    }
  }

  #sendHeaders(isOver: boolean): void {
    const fields = [":status", String(this.statusCode)];
    for (const [name, { value }] of this.#headers) if (!connectionHeaders.has(name)) pushField(fields, name, value);
    if (this.sendDate && !this.#headers.has("date")) fields.push("date", httpDate());
    this.#stream.sendHeaders(fields, isOver);
    this.#headersSent = true;
    this.statusMessage ||= http.STATUS_CODES[this.statusCode] ?? "";
  }

  #inform(fields: string[], callback: (() => void) | undefined): void {
    if (!this.#headersSent) this.#stream.sendInformation(fields);
    callback?.();
  }
}

function validate(name: string, value: unknown): void {
  http.validateHeaderName(name);
  for (const one of Array.isArray(value) ? value : [value]) http.validateHeaderValue(name, one as string);
}

// White space at the ends is none of the value's (RFC 9110 section 5.5), and HTTP/2 does not carry it.
function pushField(fields: string[], name: string, value: unknown): void {
  if (Array.isArray(value)) for (const one of value) fields.push(name, String(one).trim());
  else fields.push(name, String(value).trim());
}

function headersSent(what: string): Error {
  const message = `Cannot ${what} headers after they are sent to the client`;
  return Object.assign(new Error(message), { code: "ERR_HTTP_HEADERS_SENT" });
}
