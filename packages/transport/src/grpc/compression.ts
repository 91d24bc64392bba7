import {
  brotliCompress,
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  gunzipSync,
  gzip as gzipLater,
  gzipSync,
} from "node:zlib";
import type { Message } from "@bufbuild/protobuf";
import { type MessageCodec, ServiceError } from "@clew/rpc";
import { optionInvalid } from "../errors.ts";
import { encodeFrame, encodeMessageFrame, messageTooLarge } from "./frame.ts";

/** A way to make messages smaller, under its name in `grpc-encoding`. */
export interface Compression {
  readonly name: string;
  compress(bytes: Uint8Array): Uint8Array;
  /** The same on one of zlib's threads, while others have their turn. */
  compressLater(bytes: Uint8Array): Promise<Uint8Array>;
  /** @throws ServiceError 429 once more than `maxBytes` come out, 400 when the bytes were not compressed this way. */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array;
}

const gzip = createCompression("gzip", gzipSync, gzipLater, (bytes, maxBytes) =>
  gunzipSync(bytes, { maxOutputLength: maxBytes }),
);

// Its default quality of 11 is for files that are compressed once; 4 takes about as long as gzip.
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
const brotli = createCompression(
  "br",
  (bytes) => brotliCompressSync(bytes, brotliOptions),
  (bytes, done) => brotliCompress(bytes, brotliOptions, done),
  (bytes, maxBytes) => brotliDecompressSync(bytes, { maxOutputLength: maxBytes }),
);

function createCompression(
  name: string,
  compress: (bytes: Uint8Array) => Uint8Array,
  compressLater: (bytes: Uint8Array, done: (error: Error | null, result: Uint8Array) => void) => void,
  decompress: (bytes: Uint8Array, maxBytes: number) => Uint8Array,
): Compression {
  return {
    name,
    compress,
    compressLater: (bytes) =>
      new Promise((resolve, reject) => {
        compressLater(bytes, (error, result) => (error === null ? resolve(result) : reject(error)));
      }),
    decompress(bytes, maxBytes) {
      try {
        // It stops at the limit, so a small bomb costs no more than a large message.
        return decompress(bytes, maxBytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
          throw messageTooLarge(undefined, maxBytes);
        throw new ServiceError(400, "CODEC", `a message is not the ${name} it says it is`, { cause: error });
      }
    },
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
