import {
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
  gunzip as gunzipLater,
  gunzipSync,
  gzip as gzipLater,
  gzipSync,
} from "node:zlib";
import type { Message } from "@bufbuild/protobuf";
import { type MessageCodec, ServiceError } from "@clew/rpc";
import { optionInvalid } from "../errors.ts";
import { encodeFrame, encodeMessageFrame, messageTooLarge } from "./frame.ts";

/** A compression, by its name in `grpc-encoding`. */
export interface Compression {
  readonly name: string;
  compress(bytes: Uint8Array): Uint8Array;
  /** Like {@link compress}, but on a thread of zlib, without blocking the event loop. */
  compressLater(bytes: Uint8Array): Promise<Uint8Array>;
  /** @throws ServiceError 429 when the result is larger than `maxBytes`, 400 when the bytes were not compressed this way. */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array;
  /** Like {@link decompress}, but on a thread of zlib. */
  decompressLater(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array>;
}

type Done = (error: Error | null, result: Uint8Array) => void;

interface Coder {
  readonly name: string;
  readonly compress: (bytes: Uint8Array) => Uint8Array;
  readonly compressLater: (bytes: Uint8Array, done: Done) => void;
  readonly decompress: (bytes: Uint8Array, limit: { readonly maxOutputLength: number }) => Uint8Array;
  readonly decompressLater: (bytes: Uint8Array, limit: { readonly maxOutputLength: number }, done: Done) => void;
}

const gzip = createCompression({
  name: "gzip",
  compress: gzipSync,
  compressLater: gzipLater,
  decompress: gunzipSync,
  decompressLater: gunzipLater,
});

// Its default quality of 11 is for files that are compressed once; 4 takes about as long as gzip.
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
const brotli = createCompression({
  name: "br",
  compress: (bytes) => brotliCompressSync(bytes, brotliOptions),
  compressLater: (bytes, done) => brotliCompress(bytes, brotliOptions, done),
  decompress: brotliDecompressSync,
  decompressLater: brotliDecompress,
});

function createCompression({ name, compress, compressLater, decompress, decompressLater }: Coder): Compression {
  // It stops at the limit, so a small bomb costs no more than a large message.
  const toError = (error: unknown, maxBytes: number): ServiceError =>
    (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE"
      ? messageTooLarge(undefined, maxBytes)
      : new ServiceError(400, "CODEC", `a message is declared as ${name}, but cannot be decompressed as ${name}`, {
          cause: error,
        });
  return {
    name,
    compress,
    compressLater: (bytes) =>
      new Promise((resolve, reject) => {
        compressLater(bytes, (error, result) => (error === null ? resolve(result) : reject(error)));
      }),
    decompress(bytes, maxBytes) {
      try {
        return decompress(bytes, { maxOutputLength: maxBytes });
      } catch (error) {
        throw toError(error, maxBytes);
      }
    },
    decompressLater: (bytes, maxBytes) =>
      new Promise((resolve, reject) => {
        decompressLater(bytes, { maxOutputLength: maxBytes }, (error, result) =>
          error === null ? resolve(result) : reject(toError(error, maxBytes)),
        );
      }),
  };
}

const compressions: ReadonlyMap<string, Compression> = new Map([gzip, brotli].map((one) => [one.name, one]));

/** Every encoding that is understood, as `grpc-accept-encoding` says it. */
export const acceptedEncodings = "gzip,br,identity";

/** Messages below this stay as they are: gzip adds 20 bytes and some 30 us, and what fits one packet gains nothing. */
export const compressFromBytes = 1024;

// From here on they are compressed on a thread; below, the way there and back is a large part of what it would save.
const compressLaterFromBytes = 32 * 1024;

/**
 * The frame of one message, compressed if it is large enough: at once, unless it is so large that compressing it would keep
 * everybody else waiting.
 */
export function encodeCompressibleFrame(
  codec: MessageCodec<Message>,
  message: Message,
  compression: Compression | undefined,
  fromBytes: number = compressFromBytes,
): Uint8Array | Promise<Uint8Array> {
  if (compression === undefined) return encodeMessageFrame(codec, message);
  const bytes = codec.encode(message);
  if (bytes.length < fromBytes) return encodeFrame(bytes, false);
  if (bytes.length < compressLaterFromBytes) return encodeFrame(compression.compress(bytes), true);
  return compression.compressLater(bytes).then((compressed) => encodeFrame(compressed, true));
}

// What may be inflated at once in one turn of the event loop, and for it; the rest is for the threads, and for later turns. 29 bytes
// of br can be 3 MiB: a packet of such messages kept everybody waiting for seconds.
const inflateTurnBytes = 64 * 1024;
// What came larger than this hardly fits.
const inflateAtOnceBytes = 16 * 1024;

let inflatedBytes = 0;

/** The bytes of a compressed message: at once, if that is little work and there was not too much of it in this turn of the event loop. */
export function inflateMessage(
  compression: Compression,
  bytes: Uint8Array,
  maxBytes: number,
): Uint8Array | Promise<Uint8Array> {
  const left = inflateTurnBytes - inflatedBytes;
  if (bytes.length > inflateAtOnceBytes || left < Math.max(1, bytes.length)) {
    return compression.decompressLater(bytes, maxBytes);
  }
  if (inflatedBytes === 0) setImmediate(beginTurn);
  try {
    const inflated = compression.decompress(bytes, Math.min(left, maxBytes));
    // One that becomes nothing is work as well.
    inflatedBytes += Math.max(inflated.length, bytes.length, 1);
    return inflated;
  } catch (error) {
    inflatedBytes = inflateTurnBytes;
    if ((error as ServiceError).code !== 429 || left >= maxBytes) throw error;
    return compression.decompressLater(bytes, maxBytes);
  }
}

function beginTurn(): void {
  inflatedBytes = 0;
}

/** The compression of that name. */
export function findCompression(name: string): Compression | undefined {
  return compressions.get(name);
}

/**
 * The compression that an option names; undefined for "identity".
 *
 * @throws CLEW_TRANSPORT_OPTION
 */
export function readCompression(option = "identity"): Compression | undefined {
  const found = compressions.get(option);
  if (found === undefined && option !== "identity") {
    throw optionInvalid("compression", option, '"gzip", "br" or "identity"');
  }
  return found;
}

/** Whether a `grpc-accept-encoding` header lists the name. */
export function isAccepted(header: string | undefined, name: string): boolean {
  return header?.split(",").some((one) => one.trim() === name) ?? false;
}
