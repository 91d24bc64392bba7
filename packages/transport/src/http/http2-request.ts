import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { ErrorCode, type HeaderFields, type ServerStream } from "@clew/http2";

/** The head of a request, in the words of HTTP/1.1. */
export interface RequestHead {
  readonly verb: string;
  /** Path and query; host and port for CONNECT. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

/** Names of which a request has one value; of more the first counts, as in node:http. */
const singular: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "content-length",
  "content-type",
  "etag",
  "expires",
  "from",
  "host",
  "if-modified-since",
  "if-unmodified-since",
  "last-modified",
  "location",
  "max-forwards",
  "proxy-authorization",
  "referer",
  "retry-after",
  "server",
  "user-agent",
]);

// A Buffer costs more than a byte, and a frame may hold no more: pieces below the first that wait become one of up to the second.
const smallBytes = 1024;
const smallRoom = 4096;

/** Reads header fields as node:http would: `:authority` is the host, several values of a name are one list. */
export function readRequestHead(fields: HeaderFields): RequestHead {
  let verb = "";
  let path: string | undefined;
  let authority: string | undefined;
  const headers: IncomingHttpHeaders = {};
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    if (name.charCodeAt(0) === 0x3a) {
      if (name === ":method") verb = value;
      else if (name === ":path") path = value;
      else if (name === ":authority") authority = value;
    } else addHeader(headers, name, value);
  }
  // It is what the request is for, whatever a host beside it says (RFC 9113 section 8.3.1).
  if (authority !== undefined) headers.host = authority;
  return { verb, target: path ?? authority ?? "", headers };
}

/** Adds a header as node:http would: of several values of a name the first counts, or they are one list. */
export function addHeader(headers: IncomingHttpHeaders, name: string, value: string): void {
  const old = headers[name];
  if (name === "set-cookie") headers[name] = Array.isArray(old) ? [...old, value] : [value];
  else if (typeof old !== "string") headers[name] = value;
  else if (!singular.has(name)) headers[name] = `${old}${name === "cookie" ? "; " : ", "}${value}`;
}

/**
 * A request of HTTP/2 for code that expects node:http's IncomingMessage. It is a Readable with `method`, `url`, `headers`,
 * `rawHeaders`, `trailers`, `httpVersion`, `socket` (for its addresses and certificate, not for writing), `complete`, `aborted`
 * and the event "aborted".
 */
export class Http2Request extends Readable {
  readonly method: string;
  url: string;
  readonly headers: IncomingHttpHeaders;
  trailers: IncomingHttpHeaders = {};
  readonly httpVersion: string = "2.0";
  readonly httpVersionMajor: number = 2;
  readonly httpVersionMinor: number = 0;
  readonly socket: Socket;
  /** Whether all of it has arrived. */
  complete: boolean;
  /** Whether the caller left before it did. */
  aborted = false;
  /** Called when the handler destroys it before it was complete. */
  onAbort: (() => void) | undefined;
  readonly #stream: ServerStream;
  readonly #rawFields: HeaderFields;
  #isAbandoned = false;
  /** Small pieces that came while others waited, and how long they are together. */
  #small: Buffer | undefined;
  #smallLength = 0;
  /** Whether its reader asked for more than there was. */
  #isAwaited = false;

  constructor(stream: ServerStream, head: RequestHead & { rawHeaders: HeaderFields; socket: Socket }, isOver: boolean) {
    super();
    this.method = head.verb;
    this.url = head.target;
    this.headers = head.headers;
    this.#rawFields = head.rawHeaders;
    this.socket = head.socket;
    this.complete = isOver;
    this.#stream = stream;
    if (isOver) this.push(null);
  }

  get connection(): Socket {
    return this.socket;
  }

  /** As they came, but for HTTP/2's own, which node:http does not have. */
  get rawHeaders(): string[] {
    const raw: string[] = this.headers.host === undefined ? [] : ["host", this.headers.host];
    for (let at = 0; at < this.#rawFields.length; at += 2) {
      const name = this.#rawFields[at]!;
      if (name.charCodeAt(0) !== 0x3a && name !== "host") raw.push(name, this.#rawFields[at + 1]!);
    }
    return raw;
  }

  receive(bytes: Buffer): void {
    if (this.destroyed) return;
    // While something waits to be read, nobody misses what is put into one piece with others.
    if (this.readableLength > 0 && bytes.length < smallBytes && !this.#isAwaited) this.#keepSmall(bytes);
    else {
      this.#handSmall();
      this.#hand(bytes);
    }
  }

  override read(size?: number): Buffer | null {
    this.#handSmall();
    const bytes = super.read(size) as Buffer | null;
    this.#isAwaited = bytes === null && size !== 0;
    return bytes;
  }

  #hand(bytes: Buffer): void {
    this.#isAwaited = false;
    if (!this.push(bytes)) this.#stream.pause();
  }

  #keepSmall(bytes: Buffer): void {
    if (this.#smallLength + bytes.length > smallRoom) this.#handSmall();
    this.#small ??= Buffer.allocUnsafeSlow(smallRoom);
    this.#smallLength += bytes.copy(this.#small, this.#smallLength);
  }

  #handSmall(): void {
    const small = this.#small;
    if (small === undefined) return;
    const bytes = small.subarray(0, this.#smallLength);
    this.#small = undefined;
    this.#smallLength = 0;
    if (!this.destroyed) this.#hand(bytes);
  }

  receiveEnd(trailers: HeaderFields): void {
    if (this.complete) return;
    for (let at = 0; at < trailers.length; at += 2) addHeader(this.trailers, trailers[at]!, trailers[at + 1]!);
    this.complete = true;
    if (this.destroyed) return;
    this.#handSmall();
    this.push(null);
  }

  receiveReset(cause: Error | undefined): void {
    if (this.destroyed) return;
    if (this.complete) {
      this.destroy();
      return;
    }
    this.aborted = true;
    this.emit("aborted");
    this.destroy(Object.assign(new Error("aborted", { cause }), { code: "ECONNRESET" }));
  }

  override _read(): void {
    this.#stream.resume();
  }

  /** Asks for room for a body that is of use only when it is whole, as {@link ServerStream.reserve} has it. */
  reserve(bytes: number): void {
    // What is whole needs none, though it may not have been read.
    if (!this.complete || bytes === 0) this.#stream.reserve(bytes);
  }

  /** The response is over: what is left of the request is dropped. */
  abandon(): void {
    this.#isAbandoned = true;
    this.destroy();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // As in node:http: who destroys a request that still comes wants to be rid of its sender.
    if (!this.complete && !this.#isAbandoned && !this.aborted) {
      this.#stream.reset(ErrorCode.CANCEL);
      this.onAbort?.();
    }
    // And an error is for who listens; it does not end the process.
    callback(this.listenerCount("error") > 0 ? error : null);
  }
}
