const frameMagic = 0xfd2fb528;
/** Of 16 kinds of frames that a decoder passes over. */
const skippableMagic = 0x184d2a50;

const dictionaryIdBytes = [0, 1, 2, 4] as const;
const contentSizeBytes = [0, 2, 4, 8] as const;
/** A block of one byte, repeated. */
const repeated = 1;

/**
 * Whether the last frame of zstd is there to its end (RFC 8878 section 3.1): Node 22 takes one that breaks off for a whole one. What is
 * no frame is left to the decoder.
 *
 *     magic 4 | descriptor 1 | window 0-1 | dictionary 0-4 | content size 0-8 | block (head 3 | ...) ... | checksum 0-4
 */
export function isWholeZstd(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at < bytes.length) {
    if (at + 8 > bytes.length) return false;
    const magic = view.getUint32(at, true);
    if ((magic & 0xfffffff0) === skippableMagic) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    if (magic !== frameMagic) return true;
    const descriptor = bytes[at + 4]!;
    const isSingleSegment = (descriptor & 0x20) !== 0;
    const sizeBytes = isSingleSegment && descriptor >> 6 === 0 ? 1 : contentSizeBytes[(descriptor >> 6) as 0]!;
    at += 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes[(descriptor & 3) as 0] + sizeBytes;
    for (let isLast = false; !isLast; ) {
      if (at + 3 > bytes.length) return false;
      const head = view.getUint16(at, true) | (bytes[at + 2]! << 16);
      isLast = (head & 1) === 1;
      at += 3 + (((head >> 1) & 3) === repeated ? 1 : head >> 3);
    }
    if ((descriptor & 4) !== 0) at += 4;
  }
  return at === bytes.length;
}
