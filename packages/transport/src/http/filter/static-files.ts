import { randomBytes } from "node:crypto";
import { realpathSync, statSync } from "node:fs";
import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { checkOptionNames } from "@clew/options";
import { ServiceError } from "@clew/rpc";
import { lookup } from "mrmime";
import { optionError, optionInvalid } from "../../errors.ts";
import type { Route } from "../route.ts";
import { readAcceptEncoding } from "./accept-encoding.ts";
import { type ByteRange, readRange } from "./byte-range.ts";
import { isCompressible } from "./compression.ts";
import { evaluatePreconditions, isRangeCurrent, type Validators } from "./precondition.ts";
import { addVary } from "./response-head.ts";

export interface StaticFilesOptions {
  /** The folder whose files are served. Nothing outside of it is served. */
  root: string | URL;
  /** The URL path under which the files are served. Default: "/". */
  path?: string;
  /** The file that is served for a folder; false for none. Default: "index.html". */
  index?: string | false;
  /**
   * The file that is served for navigations (`Accept: text/html`) to a path that has no file and no extension, as single-page
   * apps need it. Default: none.
   */
  fallback?: string;
  /**
   * The `Cache-Control` of a file, by its path in the folder without a leading slash. Default: "no-cache": browsers keep the
   * file but revalidate it each time.
   */
  cacheControl?: string | ((path: string) => string);
  /** Additional headers for every file. Default: none. */
  headers?: Readonly<Record<string, string>>;
  /**
   * Whether files are served whose name, or the name of one of their folders, begins with a dot. `.well-known` (RFC 8615) is
   * always served. Default: false.
   */
  dotfiles?: boolean;
  /** Whether `app.js.br` and `app.js.gz` are sent instead of `app.js` to callers that accept them. Default: true. */
  precompressed?: boolean;
}

interface ResolvedStaticFilesOptions {
  /** Without links in it, and without a separator at its end. */
  readonly root: string;
  readonly path: string;
  readonly index: string | undefined;
  readonly fallback: string | undefined;
  readonly cacheControl: (path: string) => string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dotfiles: boolean;
  readonly precompressed: boolean;
}

const optionNames: Readonly<Record<keyof StaticFilesOptions, true>> = {
  root: true,
  path: true,
  index: true,
  fallback: true,
  cacheControl: true,
  headers: true,
  dotfiles: true,
  precompressed: true,
};

/** @throws CLEW_TRANSPORT_OPTION */
function resolveStaticFilesOptions(options: StaticFilesOptions): ResolvedStaticFilesOptions {
  checkOptionNames("staticFiles", options, Object.keys(optionNames), optionError);
  const { path = "/", index = "index.html", cacheControl = "no-cache" } = options;
  if (options.root === undefined) throw optionInvalid("root", undefined, "a folder that exists");
  const given = typeof options.root === "string" ? options.root : fileURLToPath(options.root);
  if (!statSync(given, { throwIfNoEntry: false })?.isDirectory()) {
    throw optionInvalid("root", `"${given}"`, "a folder that exists");
  }
  if (!path.startsWith("/")) throw optionInvalid("path", `"${path}"`, 'a path such as "/assets"');
  const real = realpathSync(given);
  return {
    root: real.endsWith(sep) ? real.slice(0, -1) : real,
    path: path.replace(/\/+$/, ""),
    index: index === false ? undefined : index,
    fallback: options.fallback,
    cacheControl: typeof cacheControl === "string" ? () => cacheControl : cacheControl,
    headers: options.headers ?? {},
    dotfiles: options.dotfiles ?? false,
    precompressed: options.precompressed ?? true,
  };
}

/** A file that is open. */
interface OpenFile {
  readonly handle: FileHandle;
  readonly size: number;
  readonly validators: Validators;
}

/** What is sent of a file that was found: itself, or its precompressed form. */
interface Found extends OpenFile {
  /** In the folder. */
  readonly path: string;
  readonly encoding: string | undefined;
}

/**
 * Creates a route that serves the files of a folder, with conditional requests and ranges (RFC 9110 sections 13 and 14), HEAD,
 * and precompressed files. It lists no folders and serves nothing outside of the folder. A path that a service or another route
 * has takes precedence over a file.
 *
 * @throws CLEW_TRANSPORT_OPTION
 */
export function staticFiles(options: StaticFilesOptions): Route {
  const resolved = resolveStaticFilesOptions(options);
  return {
    verb: "GET",
    path: `${resolved.path}/{path=**}`,
    handle: async (request, response, { path = "" }) => {
      const found = await findFile(resolved, request, path);
      if (found === undefined) throw new ServiceError(404, "NOT_FOUND", `no file at ${path.slice(0, 200)}`);
      if (found === "folder") {
        redirect(request, response);
        return;
      }
      try {
        await send(resolved, found, request, response);
      } finally {
        await found.handle.close();
      }
    },
  };
}

async function findFile(
  options: ResolvedStaticFilesOptions,
  request: IncomingMessage,
  path: string,
): Promise<Found | "folder" | undefined> {
  if (!isSafe(path, options.dotfiles)) return undefined;
  // The folder that it all is served under, without its slash.
  if (path === "" && options.path !== "" && !splitTarget(request).path.endsWith("/")) return "folder";
  const isFolder = path === "" || path.endsWith("/");
  const { index, fallback } = options;
  if (!isFolder) {
    const file = await openVariant(options, request, path);
    if (file !== undefined) return file;
  }
  if (index !== undefined) {
    const file = await openVariant(options, request, isFolder ? path + index : `${path}/${index}`);
    if (file !== undefined && isFolder) return file;
    if (file !== undefined) {
      await file.handle.close();
      return "folder";
    }
  }
  if (fallback === undefined || extname(path) !== "" || !isNavigation(request)) return undefined;
  return await openVariant(options, request, fallback);
}

// The route gave no . and .. and left an escaped slash escaped. What is no name of a file on some system is none here.
function isSafe(path: string, dotfiles: boolean): boolean {
  const segments = path.split("/");
  return segments.every((segment, index) => {
    if (segment === "") return index === segments.length - 1;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused
    if (/[\x00-\x1f\\:]|%2f/i.test(segment)) return false;
    return dotfiles || !segment.startsWith(".") || (index === 0 && segment === ".well-known");
  });
}

function isNavigation({ headers }: IncomingMessage): boolean {
  return /(?:^|[,\s])(?:text\/html|application\/xhtml\+xml)(?:[;,\s]|$)/i.test(headers.accept ?? "");
}

const precompressedForms: readonly (readonly [encoding: string, extension: string])[] = [
  ["br", ".br"],
  ["gzip", ".gz"],
];

async function openVariant(
  options: ResolvedStaticFilesOptions,
  request: IncomingMessage,
  path: string,
): Promise<Found | undefined> {
  const plain = await openFile(options.root, path);
  if (plain === undefined) return undefined;
  if (options.precompressed && isVarying(path)) {
    const quality = readAcceptEncoding(request.headers["accept-encoding"]);
    const wanted = precompressedForms.filter(
      ([encoding]) => quality(encoding) > 0 && quality(encoding) >= quality("identity"),
    );
    for (const [encoding, extension] of wanted.sort(([one], [other]) => quality(other) - quality(one))) {
      const file = await openFile(options.root, path + extension);
      if (file === undefined) continue;
      // One that was forgotten when the file changed.
      if (file.validators.modifiedAt < plain.validators.modifiedAt) {
        await file.handle.close();
        continue;
      }
      await plain.handle.close();
      return { ...file, path, encoding };
    }
  }
  return { ...plain, path, encoding: undefined };
}

function isVarying(path: string): boolean {
  return isCompressible(lookup(path) ?? "");
}

/** Opens a file of the folder, links followed; undefined when there is none, or it lies elsewhere. */
async function openFile(root: string, path: string): Promise<OpenFile | undefined> {
  let handle: FileHandle | undefined;
  try {
    const real = await realpath(join(root, path));
    if (!real.startsWith(root + sep)) return undefined;
    // What is no file may wait for ever to be opened.
    if (!(await stat(real)).isFile()) return undefined;
    handle = await open(real);
    const { size, mtimeNs } = await handle.stat({ bigint: true });
    const etag = `"${size.toString(36)}-${mtimeNs.toString(36)}"`;
    return { handle, size: Number(size), validators: { etag, modifiedAt: Number(mtimeNs / 1_000_000_000n) } };
  } catch (error) {
    await handle?.close();
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && ["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "EACCES"].includes(code)) return undefined;
    throw error;
  }
}

// Relative, so that no host can be smuggled in, and right behind a proxy that takes a prefix away.
function redirect(request: IncomingMessage, response: ServerResponse): void {
  const { path, query } = splitTarget(request);
  response.writeHead(301, { location: `./${path.slice(path.lastIndexOf("/") + 1)}/${query}` });
  response.end();
}

/** Path and query of a request, the latter with its question mark. */
function splitTarget(request: IncomingMessage): { path: string; query: string } {
  const target = request.url!;
  const mark = target.indexOf("?");
  return mark === -1 ? { path: target, query: "" } : { path: target.slice(0, mark), query: target.slice(mark) };
}

async function send(
  options: ResolvedStaticFilesOptions,
  found: Found,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { path, encoding, size, validators } = found;
  const { headers } = request;
  const status = evaluatePreconditions(headers, validators);
  if (status === 412) {
    throw new ServiceError(412, "PRECONDITION_FAILED", "the file is not the requested version");
  }
  const range = request.method === "GET" && isRangeCurrent(headers, validators) ? headers.range : undefined;
  const ranges = status === 304 || range === undefined ? undefined : readRange(range, size);
  if (ranges === "unsatisfiable") {
    response.setHeader("content-range", `bytes */${size}`);
    throw new ServiceError(
      416,
      "RANGE_NOT_SATISFIABLE",
      `the file has ${size} bytes; the requested ranges are outside of it, or too many`,
    );
  }

  response.setHeader("etag", validators.etag);
  response.setHeader("last-modified", new Date(validators.modifiedAt * 1000).toUTCString());
  response.setHeader("cache-control", options.cacheControl(path));
  if (options.precompressed && isVarying(path)) addVary(response, "Accept-Encoding");
  for (const [name, value] of Object.entries(options.headers)) response.setHeader(name, value);
  if (status === 304) {
    response.writeHead(304);
    response.end();
    return;
  }

  const contentType = contentTypeOf(path);
  response.setHeader("content-type", contentType);
  if (encoding !== undefined) response.setHeader("content-encoding", encoding);
  response.setHeader("accept-ranges", "bytes");
  response.setHeader("x-content-type-options", "nosniff");
  if (ranges === undefined) {
    await sendBody(
      response,
      200,
      size,
      request.method === "HEAD" ? undefined : read(found, { start: 0, end: size - 1 }),
    );
  } else if (ranges.length === 1) {
    const [one] = ranges as [ByteRange];
    response.setHeader("content-range", `bytes ${one.start}-${one.end}/${size}`);
    await sendBody(response, 206, one.end - one.start + 1, read(found, one));
  } else {
    const boundary = randomBytes(12).toString("hex");
    response.setHeader("content-type", `multipart/byteranges; boundary=${boundary}`);
    const heads = ranges.map(
      ({ start, end }) =>
        `\r\n--${boundary}\r\ncontent-type: ${contentType}\r\ncontent-range: bytes ${start}-${end}/${size}\r\n\r\n`,
    );
    const tail = `\r\n--${boundary}--\r\n`;
    const bytes = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
    const length = heads.join("").length + bytes + tail.length;
    const parts = async function* (): AsyncGenerator<Buffer> {
      for (const [index, one] of ranges.entries()) {
        yield Buffer.from(heads[index]!);
        yield* read(found, one);
      }
      yield Buffer.from(tail);
    };
    await sendBody(response, 206, length, parts());
  }
}

/** Yields the bytes of a range as they are requested. Fails for a file that was shortened meanwhile. */
async function* read({ handle }: OpenFile, { start, end }: ByteRange): AsyncGenerator<Buffer> {
  for (let at = start; at <= end; ) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(64 * 1024, end - at + 1));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new Error("the file was shortened while it was sent");
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

async function sendBody(
  response: ServerResponse,
  status: number,
  length: number,
  body: AsyncIterable<Buffer> | undefined,
): Promise<void> {
  response.writeHead(status, { "content-length": length });
  if (body === undefined || length === 0) {
    response.end();
    return;
  }
  try {
    await pipeline(Readable.from(body, { objectMode: false }), response);
  } catch (error) {
    // The caller left; that is no failure.
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}

function contentTypeOf(path: string): string {
  const type = lookup(path) ?? "application/octet-stream";
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}
