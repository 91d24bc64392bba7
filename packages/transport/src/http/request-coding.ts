import { promisify } from "node:util";
import { brotliCompress, constants, gzip, zstdCompress } from "node:zlib";

/** What a client may compress its requests with. */
export type RequestCoding = "gzip" | "br" | "zstd";

const brotli = promisify(brotliCompress);
// Brotli's default is for files that are compressed once; this costs what gzip does, and makes less.
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

export const requestCodings: Readonly<Record<RequestCoding, (bytes: Uint8Array) => Promise<Uint8Array>>> = {
  gzip: promisify(gzip) as (bytes: Uint8Array) => Promise<Uint8Array>,
  br: (bytes) => brotli(bytes, brotliOptions),
  zstd: promisify(zstdCompress) as (bytes: Uint8Array) => Promise<Uint8Array>,
};

/** Bodies below this stay as they are: what fits one packet gains nothing. */
export const compressFromBytes = 1024;
