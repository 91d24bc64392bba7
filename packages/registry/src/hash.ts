/**
 * FNV-1a with 32 bits, of bytes or of text as UTF-8 (http://www.isthe.com/chongo/tech/comp/fnv/). If `hash` is the hash of
 * preceding bytes, the result is the hash of both together.
 */
export function fnv1a32(bytes: Uint8Array | string, hash = 0x811c9dc5): number {
  let state = hash;
  for (const byte of typeof bytes === "string" ? Buffer.from(bytes) : bytes)
    state = Math.imul(state ^ byte, 0x01000193);
  return state >>> 0;
}

/**
 * Spreads a hash over all 32 bits (the finalizer of MurmurHash3): texts that differ only at their end have similar FNV-1a hashes.
 */
export function mix32(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
