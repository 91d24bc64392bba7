import type { ServerResponse } from "node:http";
import type { Transform } from "node:stream";
import zlib from "node:zlib";
import { checkOptionNames } from "@clew/options";
import { optionError, optionInvalid } from "../../errors.ts";
import type { Filter } from "../route.ts";
import { chooseEncoding } from "./accept-encoding.ts";
import { addVary, beforeHead, toList } from "./response-head.ts";

/** A content encoding, by its name in HTTP. */
export type ContentEncoding = "zstd" | "br" | "gzip" | "deflate";

export interface CompressionOptions {
  /** The encodings that may be used; the first one if the caller has no preference. Default: zstd, br, gzip, deflate. */
  encodings?: readonly ContentEncoding[];
  /** Bodies known to be shorter than this are not compressed, in bytes. Default: 1024. */
  minBytes?: number;
  /**
   * Whether bodies of this content type, given without parameters and in lower case, should be compressed. Default: all forms of
   * text.
   */
  isCompressible?: (contentType: string) => boolean;
  /** The level of each encoding, on its own scale. Default: zstd 3, br 3, gzip 4, deflate 4. */
  levels?: Partial<Readonly<Record<ContentEncoding, number>>>;
}

interface ResolvedCompressionOptions {
  readonly encodings: readonly ContentEncoding[];
  readonly minBytes: number;
  readonly isCompressible: (contentType: string) => boolean;
  readonly levels: Readonly<Record<ContentEncoding, number>>;
}

// CPU time and result for 41 KB of JSON: zstd 3 0.14 ms to 6.6 KB, br 3 0.23 ms to 6.4 KB, br 4 0.38 ms to 6.4 KB, gzip 4 0.26
// ms to 7.4 KB, gzip 6 0.44 ms to 7.0 KB.
const defaultLevels: Readonly<Record<ContentEncoding, number>> = { zstd: 3, br: 3, gzip: 4, deflate: 4 };

// A stream keeps its window in memory: 512 KB instead of brotli's 4 MB.
const brotliWindowBits = 19;

// With zstd's higher levels a browser would need more than the 8 MB that it must support (RFC 9659).
const highestLevels: Readonly<Record<ContentEncoding, number>> = { zstd: 19, br: 11, gzip: 9, deflate: 9 };

const optionNames: Readonly<Record<keyof CompressionOptions, true>> = {
  encodings: true,
  minBytes: true,
  isCompressible: true,
  levels: true,
};

/** @throws CLEW_TRANSPORT_OPTION */
function resolveCompressionOptions(options: CompressionOptions): ResolvedCompressionOptions {
  checkOptionNames("compression", options, Object.keys(optionNames), optionError);
  const { encodings = ["zstd", "br", "gzip", "deflate"], minBytes = 1024 } = options;
  for (const encoding of encodings) {
    if (!Object.hasOwn(defaultLevels, encoding))
      throw optionInvalid("encodings", encoding, "of zstd, br, gzip and deflate");
  }
  for (const [encoding, level] of Object.entries(options.levels ?? {})) {
    const highest = highestLevels[encoding as ContentEncoding] ?? 0;
    if (!(Number.isInteger(level) && level >= 0 && level <= highest)) {
      throw optionInvalid(`levels.${encoding}`, level, `a whole number from 0 to ${highest}`);
    }
  }
  if (!(minBytes >= 0)) throw optionInvalid("minBytes", minBytes, "a number of bytes, 0 or more");
  return {
    encodings,
    minBytes,
    isCompressible: options.isCompressible ?? isCompressible,
    levels: { ...defaultLevels, ...(options.levels as Record<ContentEncoding, number> | undefined) },
  };
}

/** Content types that compress well, in addition to `text/*` and those that end with +json, +xml, +yaml. */
const compressibleTypes: ReadonlySet<string> = new Set([
  ...["javascript", "json", "json5", "jsonl", "graphql", "rtf", "sql", "toml", "vnd.ms-fontobject", "wasm"].map(
    inApplication,
  ),
  ...["x-javascript", "x-ndjson", "x-sh", "x-yaml", "xml", "yaml"].map(inApplication),
  ...["font/collection", "font/otf", "font/ttf", "image/bmp", "image/vnd.microsoft.icon", "image/x-icon"],
]);

function inApplication(subtype: string): string {
  return `application/${subtype}`;
}

/** Whether a content type is some form of text. gRPC-Web and the streams of Connect have their own compression. */
export function isCompressible(contentType: string): boolean {
  if (/^application\/(?:grpc|connect)/.test(contentType)) return false;
  return /^text\/|\+(?:json|xml|yaml)$/.test(contentType) || compressibleTypes.has(contentType);
}

/**
 * Compresses replies according to the caller's `Accept-Encoding`. Streamed replies are flushed once per turn of the event loop,
 * so each event of an SSE stream leaves when it is written. These replies are not compressed: those that are encoded already,
 * parts (206), those with `no-transform`, short ones, and those that are not text. A strong ETag becomes a weak one.
 *
 * If a reply contains both a secret and text that the caller chose, its compressed length reveals something about the secret
 * (BREACH): do not compress such routes.
 *
 * @throws CLEW_TRANSPORT_OPTION
 */
export function compression(options: CompressionOptions = {}): Filter {
  const resolved = resolveCompressionOptions(options);
  return (next) => (request, response, variables) => {
    const isForbidden = hasNoTransform(request.headers["cache-control"]);
    if (!isForbidden) {
      const reply = new CompressedReply(response, resolved);
      const choice = chooseEncoding(request.headers["accept-encoding"], resolved.encodings);
      beforeHead(response, () => reply.begin(choice, request.method === "HEAD", request.headers["if-none-match"]));
    }
    return next(request, response, variables);
  };
}

const compressed = new WeakMap<ServerResponse, CompressedReply>();

/** The compressed size of a response's body in bytes; undefined if it was not compressed. */
export function compressedBytesOf(response: ServerResponse): number | undefined {
  return compressed.get(response)?.sentBytes;
}

function createEncoder(encoding: ContentEncoding, { levels }: ResolvedCompressionOptions): Encoder {
  const { constants } = zlib;
  const level = levels[encoding];
  switch (encoding) {
    case "zstd":
      return zlib.createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } });
    case "br": {
      const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN } = constants;
      return zlib.createBrotliCompress({
        params: { [BROTLI_PARAM_QUALITY]: level, [BROTLI_PARAM_LGWIN]: brotliWindowBits },
      });
    }
    case "gzip":
      return zlib.createGzip({ level });
    case "deflate":
      return zlib.createDeflate({ level });
  }
}

function flushKind(encoding: ContentEncoding): number {
  const { constants } = zlib;
  if (encoding === "zstd") return constants.ZSTD_e_flush;
  return encoding === "br" ? constants.BROTLI_OPERATION_FLUSH : constants.Z_SYNC_FLUSH;
}

type Encoder = Transform & zlib.Zlib;

type Callback = (error?: Error | null) => void;
type WriteArguments = [chunk?: unknown, encoding?: BufferEncoding | Callback, callback?: Callback];

/** Stands between a handler and its response: `write` and `end` go through an encoder, if the head says so. */
class CompressedReply {
  readonly #response: ServerResponse;
  readonly #options: ResolvedCompressionOptions;
  readonly #write: (chunk: Buffer) => boolean;
  readonly #end: (...given: WriteArguments) => ServerResponse;
  #encoder: Encoder | undefined;
  #flushKind = 0;
  sentBytes = 0;
  #flush: NodeJS.Immediate | undefined;

  constructor(response: ServerResponse, options: ResolvedCompressionOptions) {
    this.#response = response;
    this.#options = options;
    const write = response.write.bind(response) as (...given: WriteArguments) => boolean;
    this.#write = write;
    this.#end = response.end.bind(response) as (...given: WriteArguments) => ServerResponse;
    response.write = ((...given: WriteArguments): boolean => {
      if (!response.headersSent) response.writeHead(response.statusCode);
      return this.#encoder === undefined ? write(...given) : this.#encode(this.#encoder, given);
    }) as ServerResponse["write"];
    response.end = ((...given: WriteArguments): ServerResponse => {
      const [chunk] = given;
      if (!response.headersSent && chunk !== undefined && chunk !== null && typeof chunk !== "function") {
        // As `end` itself would have said it.
        if (!response.hasHeader("content-length") && !response.hasHeader("transfer-encoding")) {
          response.setHeader("content-length", lengthOf(given));
        }
        response.writeHead(response.statusCode);
      }
      return this.#encoder === undefined ? this.#end(...given) : this.#finish(this.#encoder, given);
    }) as ServerResponse["end"];
  }

  /** Decides, when the head is about to go out. */
  begin(choice: ContentEncoding | undefined, isHead: boolean, ifNoneMatch: string | undefined): void {
    const response = this.#response;
    const { statusCode } = response;
    const etag = response.getHeader("etag");
    if (statusCode === 304) {
      // What was sent compressed has the weak form; so this refreshes that one (RFC 9110 section 15.4.5).
      addVary(response, "Accept-Encoding");
      if (typeof etag === "string" && toList(ifNoneMatch).includes(`W/${etag}`))
        response.setHeader("etag", `W/${etag}`);
      return;
    }
    if (statusCode < 200 || statusCode === 204 || statusCode === 205 || statusCode === 206) return;
    const { isCompressible, minBytes } = this.#options;
    const contentType = String(response.getHeader("content-type") ?? "");
    const type = contentType.split(";", 1)[0]!.trim().toLowerCase();
    if (response.hasHeader("content-encoding") || !isCompressible(type)) return;
    if (hasNoTransform(toList(response.getHeader("cache-control")).join(","))) return;
    const length = response.getHeader("content-length");
    if (length !== undefined && Number(length) < minBytes) return;
    addVary(response, "Accept-Encoding");
    if (choice === undefined) return;
    response.setHeader("content-encoding", choice);
    response.removeHeader("content-length");
    // A part of these bytes cannot be asked for.
    response.removeHeader("accept-ranges");
    if (typeof etag === "string" && etag.startsWith('"')) response.setHeader("etag", `W/${etag}`);
    if (!isHead) this.#open(choice);
  }

  #open(choice: ContentEncoding): void {
    const response = this.#response;
    const encoder = createEncoder(choice, this.#options);
    this.#encoder = encoder;
    compressed.set(response, this);
    this.#flushKind = flushKind(choice);
    encoder.on("data", (bytes: Buffer) => {
      this.sentBytes += bytes.length;
      if (!this.#write(bytes)) encoder.pause();
    });
    encoder.on("end", () => this.#end());
    // Who waits for it has filled the encoder, which empties into the response.
    encoder.on("drain", () => response.emit("drain"));
    encoder.on("error", (error) => response.destroy(error));
    // Node's own pipeline() and server take up all the listeners that it finds normal.
    if (response.getMaxListeners() > 0) response.setMaxListeners(response.getMaxListeners() + 1);
    response.on("drain", () => encoder.resume());
    response.once("close", () => {
      clearImmediate(this.#flush);
      encoder.destroy();
    });
  }

  #encode(encoder: Encoder, given: WriteArguments): boolean {
    const goesOn = (encoder as { write(...given: WriteArguments): boolean }).write(...given);
    // Many writes in a row are one flush.
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      if (!encoder.destroyed && !encoder.writableEnded) encoder.flush(this.#flushKind);
    });
    return goesOn;
  }

  #finish(encoder: Encoder, given: WriteArguments): ServerResponse {
    if (encoder.writableEnded) return this.#response;
    clearImmediate(this.#flush);
    const callback = given.find((one): one is Callback => typeof one === "function");
    if (callback !== undefined) this.#response.once("finish", callback);
    const [chunk, encoding] = given;
    if (chunk === undefined || chunk === null || typeof chunk === "function") encoder.end();
    else if (typeof encoding === "string") encoder.end(chunk, encoding);
    else encoder.end(chunk);
    return this.#response;
  }
}

function lengthOf([chunk, encoding]: WriteArguments): number {
  if (typeof chunk === "string") return Buffer.byteLength(chunk, typeof encoding === "string" ? encoding : "utf8");
  return (chunk as Uint8Array).byteLength;
}

/** Whether a Cache-Control forbids to change the bytes (RFC 9111 sections 5.2.1.6 and 5.2.2.6). */
function hasNoTransform(cacheControl: string | undefined): boolean {
  return cacheControl !== undefined && /(?:^|,)\s*no-transform\s*(?:,|$)/i.test(cacheControl);
}
