/**
 * FNV-1a, 32 bits, of bytes, or of a text as UTF-8 (http://www.isthe.com/chongo/tech/comp/fnv/). With the hash of what comes
 * before as `hash` it goes on from there.
 */
export function fnv1a32(bytes: Uint8Array | string, hash = 0x811c9dc5): number {
  let state = hash;
  for (const byte of typeof bytes === "string" ? Buffer.from(bytes) : bytes)
    state = Math.imul(state ^ byte, 0x01000193);
  return state >>> 0;
}

/** Spreads a hash over all 32 bits (the finalizer of MurmurHash3): FNV-1a leaves texts that differ at their end close together. */
export function mix32(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
