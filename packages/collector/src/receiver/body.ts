import type { IncomingMessage } from "node:http";
import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from "node:zlib";
import { mergeChunks } from "@clew/transport/http";

/** The reason why a body was not read; it is sent to the sender. */
export class BodyError extends Error {
  readonly status: 400 | 413 | 415;

  constructor(status: 400 | 413 | 415, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}

/** By the names of Content-Encoding. */
const decoders: Readonly<Record<string, (limitBytes: number) => Gunzip | ZstdDecompress>> = {
  gzip: () => createGunzip(),
  // zstd allocates the window that the frame asks for. Every decoder must support 8 MiB (RFC 9659), and a body never needs more than
  // the limit.
  zstd: (limitBytes) => {
    const windowLog = Math.min(27, Math.max(23, Math.ceil(Math.log2(limitBytes))));
    return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: windowLog } });
  },
};

/** Empty data is never longer than this when it is compressed. */
const longestNothingBytes = 32;

/** The accepted compressions of a body, for Accept-Encoding. */
export const acceptedEncodings: string = Object.keys(decoders).join(", ");

/**
 * Reads a body and decompresses it. It stops at `limitBytes`, counted after decompression, because a few kilobytes of gzip can
 * contain gigabytes. Rejects with {@link BodyError}: 413 over the limit, 400 for invalid compressed data, 415 for another encoding.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  const createDecoder = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  if (createDecoder === undefined && encoding !== "identity") {
    const given = encoding.slice(0, 40);
    throw new BodyError(415, `content encoding ${given} is not supported; use ${acceptedEncodings}, or none`);
  }
  if (createDecoder === undefined && Number(request.headers["content-length"] ?? 0) > limitBytes)
    throw tooLarge(limitBytes);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let mergedChunks = 0;
    const decoder = createDecoder?.(limitBytes);
    const source = decoder ?? request;
    const fail = (error: BodyError): void => {
      source.off("data", onData);
      request.unpipe();
      decoder?.destroy();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limitBytes) {
        fail(tooLarge(limitBytes));
        return;
      }
      chunks.push(chunk);
      mergedChunks = mergeChunks(chunks, mergedChunks);
    };
    source.on("data", onData);
    source.on("end", () => {
      // Node 22 does not report truncated zstd. In the middle of a body its reader notices that; for an empty result nobody
      // would.
      const isLost = size === 0 && decoder !== undefined && decoder.bytesWritten > longestNothingBytes;
      if (isLost) fail(new BodyError(400, `the body is not ${encoding}: it is truncated`));
      else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size));
    });
    decoder?.on("error", (error) => fail(new BodyError(400, `the body is not ${encoding}: ${error.message}`, error)));
    request.on("error", (error) => fail(new BodyError(400, "the sender went away", error)));
    request.on("close", () => {
      if (!request.complete) fail(new BodyError(400, "the sender went away"));
    });
    if (decoder !== undefined) request.pipe(decoder);
  });
}

function tooLarge(limitBytes: number): BodyError {
  return new BodyError(413, `the body is over the limit of ${limitBytes} bytes after decompression`);
}
