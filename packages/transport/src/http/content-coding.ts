import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from "node:zlib";
import { ServiceError } from "@clew/rpc";
import { bodyTooLarge } from "./body.ts";
import { isWholeZstd } from "./zstd-frames.ts";

type Inflate = (bytes: Uint8Array, limit: { readonly maxOutputLength: number }) => Promise<Uint8Array>;

const inflateZlib = promisify(inflate) as Inflate;
const inflateBare = promisify(inflateRaw) as Inflate;
const inflateZstd = promisify(zstdDecompress) as Inflate;

const inflaters: Readonly<Record<string, Inflate | undefined>> = {
  gzip: promisify(gunzip) as Inflate,
  "x-gzip": promisify(gunzip) as Inflate,
  // Some senders leave the wrapper of RFC 1950 out, which RFC 9110 section 8.4.1.2 tells readers to expect.
  deflate: (bytes, limit) => (hasZlibHeader(bytes) ? inflateZlib : inflateBare)(bytes, limit),
  br: promisify(brotliDecompress) as Inflate,
  zstd: async (bytes, limit) => {
    if (!isWholeZstd(bytes)) throw new Error("it breaks off");
    return inflateZstd(bytes, limit);
  },
  identity: async (bytes) => bytes,
};

/** What a body may be compressed with, for Accept-Encoding. */
export const acceptedCodings = "gzip, deflate, br, zstd";

// Each coding is work for who reads; nobody needs more than one.
const maxCodings = 2;

/** Whether every coding of a Content-Encoding is known. */
export function canDecodeContent(encoding: string): boolean {
  const codings = splitCodings(encoding);
  return codings.length <= maxCodings && codings.every((coding) => Object.hasOwn(inflaters, coding));
}

/**
 * A body without its Content-Encoding, which {@link canDecodeContent} said yes to. Not more than `limitBytes` are ever made of it.
 *
 * @throws ServiceError 413 BODY_TOO_LARGE, 400 CODEC when it is not what it says
 */
export async function decodeContent(bytes: Uint8Array, encoding: string, limitBytes: number): Promise<Uint8Array> {
  let decoded = bytes;
  // The last one was applied last (RFC 9110 section 8.4).
  for (const coding of splitCodings(encoding).reverse()) {
    if (coding === "identity") continue;
    try {
      // zlib refuses a limit of 0.
      decoded = await inflaters[coding]!(decoded, { maxOutputLength: Math.max(1, limitBytes) });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw bodyTooLarge(limitBytes);
      throw new ServiceError(400, "CODEC", `the body is not ${coding}, as its content encoding says`, { cause });
    }
  }
  if (decoded.length > limitBytes) throw bodyTooLarge(limitBytes);
  return decoded;
}

function splitCodings(encoding: string): string[] {
  return encoding
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "");
}

function hasZlibHeader(bytes: Uint8Array): boolean {
  const [first = 0, second = 0] = bytes;
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0;
}
