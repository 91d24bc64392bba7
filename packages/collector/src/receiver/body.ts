import type { IncomingMessage } from "node:http";
import { createGunzip, type Gunzip } from "node:zlib";

/** Why a body was not read: what the sender is told. */
export class BodyError extends Error {
  readonly status: 400 | 413 | 415;

  constructor(status: 400 | 413 | 415, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}

/**
 * Reads a body and undoes its gzip. It stops at `limitBytes`, counted after decompression: a few kilobytes of gzip can hold
 * gigabytes. Rejects with {@link BodyError}: 413 over the limit, 400 for bytes that are not gzip, 415 for another encoding.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") {
    throw new BodyError(415, `content encoding ${encoding.slice(0, 40)} is not known here; gzip or none would work`);
  }
  const isCompressed = encoding === "gzip";
  if (!isCompressed && Number(request.headers["content-length"] ?? 0) > limitBytes) throw tooLarge(limitBytes);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const gunzip: Gunzip | undefined = isCompressed ? createGunzip() : undefined;
    const source = gunzip ?? request;
    const fail = (error: BodyError): void => {
      source.off("data", onData);
      request.unpipe();
      gunzip?.destroy();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limitBytes) fail(tooLarge(limitBytes));
      else chunks.push(chunk);
    };
    source.on("data", onData);
    source.on("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)));
    gunzip?.on("error", (error) => fail(new BodyError(400, `the body is not gzip: ${error.message}`, error)));
    request.on("error", (error) => fail(new BodyError(400, "the sender went away", error)));
    request.on("close", () => {
      if (!request.complete) fail(new BodyError(400, "the sender went away"));
    });
    if (gunzip !== undefined) request.pipe(gunzip);
  });
}

function tooLarge(limitBytes: number): BodyError {
  return new BodyError(413, `the body is over the limit of ${limitBytes} bytes after decompression`);
}
