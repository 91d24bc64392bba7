import { isUtf8 } from "node:buffer";
import { ServiceError } from "@clew/rpc";
import { optionInvalid } from "../errors.ts";

/** Limits for the parts of a `multipart/form-data` body. */
export interface MultipartLimits {
  /** The maximum number of parts. Default: 1000. */
  partLimit?: number;
  /** The maximum size of one part, in bytes. Default: that of the whole body. */
  partLimitBytes?: number;
  /** The maximum size of the headers of one part together, in bytes. Default: 8 KiB. */
  headerLimitBytes?: number;
  /** The maximum length of a field's name, in bytes. Default: 256. */
  nameLimitBytes?: number;
}

export type ResolvedMultipartLimits = Readonly<Required<MultipartLimits>>;

/** @throws CLEW_TRANSPORT_OPTION */
export function resolveMultipartLimits(limits: MultipartLimits = {}): ResolvedMultipartLimits {
  const resolved: ResolvedMultipartLimits = {
    partLimit: limits.partLimit ?? 1000,
    partLimitBytes: limits.partLimitBytes ?? Number.POSITIVE_INFINITY,
    headerLimitBytes: limits.headerLimitBytes ?? 8 * 1024,
    nameLimitBytes: limits.nameLimitBytes ?? 256,
  };
  for (const [name, limit] of Object.entries(resolved)) {
    if (!(limit >= 0)) throw optionInvalid(`multipart ${name}`, limit, "a number, 0 or more");
  }
  return resolved;
}

/** The head of a part, before its bytes. */
export interface PartHead {
  /** The name of the field that it is for. */
  readonly name: string;
  /**
   * The file name without its path; undefined when the part is not a file. It comes from the sender: never open a file by it.
   */
  readonly filename: string | undefined;
  /**
   * The content type with its parameters. If the sender gave none: `application/octet-stream` for a file, otherwise
   * `text/plain` (RFC 7578 section 4.4).
   */
  readonly contentType: string;
}

export type MultipartEvent =
  | { readonly kind: "part"; readonly head: PartHead }
  | { readonly kind: "data"; readonly bytes: Buffer }
  | { readonly kind: "end" }
  | { readonly kind: "over" };

type State = "preamble" | "delimiter" | "headers" | "body" | "over";

const partEnd: MultipartEvent = { kind: "end" };
const bodyOver: MultipartEvent = { kind: "over" };

// RFC 2046 section 5.1.1 lets a transport put blanks after a delimiter; nobody needs many.
const paddingLimit = 64;

const noBytes = Buffer.alloc(0);

/**
 * Takes a `multipart/form-data` body apart (RFC 7578, RFC 2046 section 5.1), in whatever pieces it comes. It has no more in memory
 * than a piece and the headers of a part.
 *
 *   preamble CRLF --boundary CRLF headers CRLF CRLF bytes CRLF --boundary CRLF ... CRLF --boundary-- epilogue
 */
export class MultipartParser {
  readonly #limits: ResolvedMultipartLimits;
  /** With the line break before it, which is no part's. */
  readonly #delimiter: Buffer;
  // The first delimiter may be at the very beginning.
  #bytes: Buffer = Buffer.from("\r\n");
  #state: State = "preamble";
  #isComplete = false;
  /** Of the part that is read. */
  #name: string | undefined;
  #count = 0;
  #length = 0;
  /** Where in the bytes to look on for the end of the headers. */
  #searched = 0;

  /** @throws ServiceError 400 CODEC for another content type, and for a boundary that is none */
  constructor(contentType: string | undefined, limits: ResolvedMultipartLimits) {
    this.#limits = limits;
    this.#delimiter = Buffer.from(`\r\n--${readBoundary(contentType)}`, "latin1");
  }

  /** Gives it the next piece. The bytes are part of what {@link next} returns. */
  feed(bytes: Buffer): void {
    if (this.#state !== "over") this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
  }

  /** There are no more pieces. */
  complete(): void {
    this.#isComplete = true;
  }

  /**
   * What comes next; undefined when it needs another piece for that.
   *
   * @throws ServiceError 400 CODEC or 413 BODY_TOO_LARGE naming the part
   */
  next(): MultipartEvent | undefined {
    const event = this.#advance();
    if (event === undefined && this.#isComplete) {
      const where = this.#state === "preamble" ? "before its first part" : `within ${this.#part}`;
      throw new ServiceError(400, "CODEC", `the multipart body ends ${where}`);
    }
    return event;
  }

  #advance(): MultipartEvent | undefined {
    if (this.#state === "preamble") {
      const at = this.#bytes.indexOf(this.#delimiter);
      if (at === -1) {
        this.#drop(Math.max(0, this.#bytes.length - this.#delimiter.length + 1));
        return undefined;
      }
      this.#drop(at + this.#delimiter.length);
      this.#state = "delimiter";
    }
    switch (this.#state) {
      case "delimiter":
        return this.#endDelimiter();
      case "headers":
        return this.#readHeaders();
      case "body":
        return this.#readBody();
      case "over":
        return bodyOver;
    }
  }

  #endDelimiter(): MultipartEvent | undefined {
    if (this.#bytes.length < 2) return undefined;
    if (this.#bytes[0] === 0x2d && this.#bytes[1] === 0x2d) {
      // What follows is an epilogue, for nobody.
      this.#state = "over";
      this.#bytes = noBytes;
      return bodyOver;
    }
    const end = this.#bytes.indexOf("\r\n");
    const padding = this.#bytes.toString(
      "latin1",
      0,
      Math.min(end === -1 ? this.#bytes.length : end, paddingLimit + 1),
    );
    if (padding.length > paddingLimit || !/^[ \t]*\r?$/.test(padding)) {
      throw this.#fail(400, "is followed by a boundary line with other text after it");
    }
    if (end === -1) return undefined;
    this.#count++;
    this.#name = undefined;
    if (this.#count > this.#limits.partLimit) {
      throw new ServiceError(413, "BODY_TOO_LARGE", `the multipart body has more than ${this.#limits.partLimit} parts`);
    }
    // The line break stays: headers that are none end with it and the next one.
    this.#drop(end);
    this.#searched = 0;
    this.#state = "headers";
    return this.#readHeaders();
  }

  #readHeaders(): MultipartEvent | undefined {
    const { headerLimitBytes, nameLimitBytes } = this.#limits;
    const end = this.#bytes.indexOf("\r\n\r\n", this.#searched);
    // The line break before them, and what may be the beginning of their end, are not theirs.
    if ((end === -1 ? this.#bytes.length - 3 : end) > headerLimitBytes + 2) {
      throw this.#fail(400, `has headers over the limit of ${headerLimitBytes} bytes`);
    }
    if (end === -1) {
      this.#searched = Math.max(0, this.#bytes.length - 3);
      return undefined;
    }
    const text = toText(this.#bytes.subarray(2, Math.max(2, end)), "utf-8");
    if (text === undefined) throw this.#fail(400, "has headers that are not UTF-8");
    const head = parseHead(text);
    if (typeof head === "string") throw this.#fail(400, head);
    if (Buffer.byteLength(head.name) > nameLimitBytes) {
      throw this.#fail(400, `has a name over the limit of ${nameLimitBytes} bytes`);
    }
    this.#name = head.name;
    this.#length = 0;
    // The last line break may be the one of the delimiter that follows at once.
    this.#drop(end + 4);
    this.#state = "body";
    return { kind: "part", head };
  }

  #readBody(): MultipartEvent | undefined {
    const at = this.#bytes.indexOf(this.#delimiter);
    if (at === 0) {
      this.#drop(this.#delimiter.length);
      this.#state = "delimiter";
      return partEnd;
    }
    // The beginning of a delimiter may be at the end.
    const length = at === -1 ? this.#bytes.length - this.#delimiter.length + 1 : at;
    if (length <= 0) return undefined;
    this.#length += length;
    const { partLimitBytes } = this.#limits;
    if (this.#length > partLimitBytes) throw this.#fail(413, `is over the limit of ${partLimitBytes} bytes`);
    const bytes = this.#bytes.subarray(0, length);
    this.#drop(length);
    return { kind: "data", bytes };
  }

  #drop(length: number): void {
    this.#bytes = this.#bytes.subarray(length);
  }

  get #part(): string {
    return this.#name === undefined ? `part ${this.#count} of the multipart body` : labelPart(this.#name);
  }

  #fail(code: 400 | 413, problem: string): ServiceError {
    return new ServiceError(code, code === 413 ? "BODY_TOO_LARGE" : "CODEC", `${this.#part} ${problem}`);
  }
}

/** `part "avatar"`, cut short. */
function labelPart(name: string): string {
  return `part "${name.length > 100 ? `${name.slice(0, 100)}...` : name}"`;
}

/** Whether a content type is `multipart/form-data`. */
export function isMultipart(contentType: string | undefined): boolean {
  return contentType !== undefined && /^multipart\/form-data\s*(?:;|$)/i.test(contentType);
}

function readBoundary(contentType: string | undefined): string {
  if (!isMultipart(contentType)) {
    const given = contentType === undefined ? "no content type" : `the content type "${contentType.slice(0, 100)}"`;
    throw new ServiceError(400, "CODEC", `the body has ${given}; multipart/form-data would work`);
  }
  const boundary = parseParameters(contentType!)?.get("boundary");
  // RFC 2046 section 5.1.1. Some senders use other visible characters; what counts is that it ends where they say.
  if (boundary === undefined || !/^[\x20-\x7e]{0,69}[\x21-\x7e]$/.test(boundary)) {
    throw new ServiceError(400, "CODEC", "the content type multipart/form-data has no boundary of 1 to 70 characters");
  }
  return boundary;
}

/** The head in a part's header lines, or what is wrong with them. */
function parseHead(text: string): PartHead | string {
  let disposition: Map<string, string> | undefined;
  let contentType: string | undefined;
  // A line that begins with a blank goes on with the one before.
  for (const line of text.replace(/\r\n[ \t]+/g, " ").split("\r\n")) {
    if (line === "") continue;
    // Blanks are for trim: a pattern that wants them at the end begins anew at each blank before.
    const match = /^([\w!#$%&'*+.^`|~-]+):(.*)$/.exec(line);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused
    if (match === null || /[\x00-\x08\x0a-\x1f\x7f]/.test(line)) return "has a malformed header";
    const name = match[1]!;
    const value = match[2]!.trim();
    switch (name.toLowerCase()) {
      case "content-disposition":
        disposition = /^form-data\s*(?:;|$)/i.test(value) ? parseParameters(value) : undefined;
        break;
      case "content-type":
        contentType = value;
        break;
      case "content-transfer-encoding":
        // RFC 7578 section 4.7 does away with those that change the bytes.
        if (!/^(?:binary|7bit|8bit)$/i.test(value))
          return `has the transfer encoding "${value.slice(0, 40)}"; binary would work`;
        break;
    }
  }
  const name = disposition?.get("name");
  if (name === undefined) return 'has no content-disposition such as form-data; name="field"';
  const path = disposition?.get("filename");
  const filename = path === undefined ? undefined : unescapeName(path).replace(/^.*[/\\]/s, "");
  return {
    name: unescapeName(name),
    filename,
    contentType: contentType || (filename === undefined ? "text/plain" : "application/octet-stream"),
  };
}

const parameter = /\s*;\s*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*)?/sy;

/** The parameters of a header by lower-case name, the first of each; undefined when they are malformed. */
function parseParameters(header: string): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  const start = header.indexOf(";");
  parameter.lastIndex = start === -1 ? header.length : start;
  while (parameter.lastIndex < header.length) {
    const match = parameter.exec(header);
    if (match === null) return undefined;
    const [, name, quoted, bare] = match;
    if (name === undefined || parameters.has(name.toLowerCase())) continue;
    // A backslash before anything else is one of a Windows path, from clients that do not escape it.
    parameters.set(name.toLowerCase(), quoted?.replace(/\\(["\\])/g, "$1") ?? bare ?? "");
  }
  return parameters;
}

/** Browsers write these three so (HTML section 4.10.21.8), and curl. */
function unescapeName(text: string): string {
  return text.replace(/%(22|0d|0a)/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** Bytes as text; undefined when they are none in that charset, or nobody knows it. */
export function toText(bytes: Uint8Array, charset: string): string | undefined {
  // A TextDecoder costs more than most texts.
  if (charset === "utf-8")
    return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString() : undefined;
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
