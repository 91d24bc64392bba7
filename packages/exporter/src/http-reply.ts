/** The parts of an HTTP/1.1 reply that a sender needs. */
export interface HttpReply {
  readonly status: number;
  /** Keyed by lower-case name; several headers of one name are joined with commas. */
  readonly headers: ReadonlyMap<string, string>;
  /** Empty when it is longer than the limit. */
  readonly body: Buffer;
  /** Whether another request may follow on the connection. */
  readonly isReusable: boolean;
}

// An answer to an export is a few bytes. A longer body is not read: the status has already told the outcome of the request.
const maxBodyBytes = 65_536;
/** The limit of Node's own clients. */
const maxHeadBytes = 16_384;
/** The limit for everything before the final status: interim replies (1xx) are skipped. */
const maxInterimBytes = 65_536;

const noBody: Buffer = Buffer.alloc(0);

/**
 * Parses the reply at the beginning of the bytes received so far (RFC 9112). Returns undefined while it is incomplete.
 *
 * @param hasEnded whether the connection has ended
 * @throws if the bytes are not HTTP/1.1, or the reply is too long
 */
export function parseReply(bytes: Buffer, hasEnded: boolean): HttpReply | undefined {
  let start = 0;
  for (;;) {
    const end = bytes.indexOf("\r\n\r\n", start);
    if (end === -1 ? bytes.length - start > maxHeadBytes : end - start > maxHeadBytes || start > maxInterimBytes) {
      throw new Error("the head of the reply is too long");
    }
    if (end === -1) {
      // Bytes that begin differently can never become HTTP.
      if (bytes.length - start >= 7 && bytes.toString("latin1", start, start + 7) !== "HTTP/1.") throw notHttp();
      return undefined;
    }
    const [statusLine = "", ...lines] = bytes.toString("latin1", start, end).split("\r\n");
    const [, minor, code] = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/.exec(statusLine) ?? [];
    if (minor === undefined) throw notHttp();
    const status = Number(code);
    if (status === 101) throw new Error("the server switches to a protocol that nobody asked for");
    start = end + 4;
    if (status < 200) continue;
    const headers = parseHeaders(lines);
    const content = readContent(bytes, start, status, headers, hasEnded);
    if (content === undefined) return undefined;
    const isPersistent = minor === "1" && !/\bclose\b/i.test(headers.get("connection") ?? "");
    return { status, headers, body: content.body, isReusable: isPersistent && content.end === bytes.length };
  }
}

function parseHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, text] = /^([^\s:]+):([^\r\n]*)$/.exec(line) ?? [];
    if (name === undefined) throw notHttp();
    const key = name.toLowerCase();
    const value = text!.trim();
    const before = headers.get(key);
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

interface Content {
  readonly body: Buffer;
  /** Where it ends; undefined if its end was not searched for, or is the end of the connection. */
  readonly end: number | undefined;
}

const tooLong: Content = { body: noBody, end: undefined };

/** RFC 9112 section 6.3. Undefined while it is incomplete. */
function readContent(
  bytes: Buffer,
  start: number,
  status: number,
  headers: ReadonlyMap<string, string>,
  hasEnded: boolean,
): Content | undefined {
  if (status === 204 || status === 304) return { body: noBody, end: start };
  const coding = headers.get("transfer-encoding");
  if (coding !== undefined && /(?:^|,)\s*chunked$/i.test(coding)) return readChunks(bytes, start);
  const length = headers.get("content-length");
  if (coding !== undefined || length === undefined) {
    if (bytes.length - start > maxBodyBytes) return tooLong;
    return hasEnded ? { body: bytes.subarray(start), end: undefined } : undefined;
  }
  // Repeated values must be equal.
  const [size, ...others] = length.split(/\s*,\s*/);
  if (!/^\d{1,15}$/.test(size!) || others.some((other) => other !== size)) throw notHttp();
  const end = start + Number(size);
  if (end - start > maxBodyBytes) return tooLong;
  return end <= bytes.length ? { body: bytes.subarray(start, end), end } : undefined;
}

/** RFC 9112 section 7.1: chunks up to the empty one, and the trailers. */
function readChunks(bytes: Buffer, start: number): Content | undefined {
  // Chunk extensions and trailers can be endless, too.
  if (bytes.length - start > 2 * maxBodyBytes) return tooLong;
  const chunks: Buffer[] = [];
  let read = 0;
  let at = start;
  for (;;) {
    const lineEnd = endOfLine(bytes, at);
    if (lineEnd === undefined) return undefined;
    const [, digits] = /^([\da-f]{1,12})[ \t]*(?:;|$)/i.exec(bytes.toString("latin1", at, lineEnd)) ?? [];
    if (digits === undefined) throw notHttp();
    const size = Number.parseInt(digits, 16);
    at = lineEnd + 2;
    if (size === 0) break;
    read += size;
    if (read > maxBodyBytes) return tooLong;
    if (at + size + 2 > bytes.length) return undefined;
    if (bytes.toString("latin1", at + size, at + size + 2) !== "\r\n") throw notHttp();
    chunks.push(bytes.subarray(at, at + size));
    at += size + 2;
  }
  for (;;) {
    const lineEnd = endOfLine(bytes, at);
    if (lineEnd === undefined) return undefined;
    const isLast = lineEnd === at;
    at = lineEnd + 2;
    if (isLast) return { body: Buffer.concat(chunks), end: at };
  }
}

function endOfLine(bytes: Buffer, start: number): number | undefined {
  const end = bytes.indexOf("\r\n", start);
  if (end === -1 && bytes.length - start > maxHeadBytes) throw notHttp();
  return end === -1 ? undefined : end;
}

function notHttp(): Error {
  return new Error("the reply is no HTTP/1.1");
}
