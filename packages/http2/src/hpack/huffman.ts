import { ProtocolError } from "../errors.ts";

// The lengths of the codes of bytes 0 to 255 (RFC 7541 appendix B). The code is canonical: shorter codes come first, equally
// long ones in the order of their bytes, so the lengths say everything. EOS, the 257th, is thirty ones.
const lengths: Uint8Array = Uint8Array.from(
  `13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
   6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
   13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
   15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
   20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
   22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
   26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
   20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26`
    .trim()
    .split(/\s+/)
    .map(Number),
);

const codes: Uint32Array = assignCodes();

function assignCodes(): Uint32Array {
  const assigned = new Uint32Array(256);
  const order = [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  let code = 0;
  let length = 0;
  for (const symbol of order) {
    code <<= lengths[symbol]! - length;
    length = lengths[symbol]!;
    assigned[symbol] = code++;
  }
  return assigned;
}

// The decoder walks the code's tree four bits at a time. Every code has at least five bits, so a step gives at most one byte:
//
//     row = state * 16 + nibble        steps[row] = ┌ next state ┬ emits? ┬ byte ┐
//                                                   └ 16 bits    ┴ 8 bits ┴ 8    ┘   or -1, which is EOS
const emits = 0x100;
let decoder: Decoder | undefined;

interface Decoder {
  readonly steps: Int32Array;
  /** Whether a string may end in a state: its padding is the beginning of EOS. */
  readonly mayEndAt: Uint8Array;
}

function createDecoder(): Decoder {
  // Inner nodes by number, the root is 0: what follows on a 0 and on a 1. A leaf is -1 - byte.
  const eos = -257;
  const children: [number, number][] = [[0, 0]];
  const plant = (code: number, length: number, leaf: number): void => {
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const branch = (code >>> bit) & 1;
      let next = children[node]![branch]!;
      if (next === 0) {
        next = children.push([0, 0]) - 1;
        children[node]![branch] = next;
      }
      node = next;
    }
    children[node]![code & 1] = leaf;
  };
  for (let symbol = 0; symbol < 256; symbol++) plant(codes[symbol]!, lengths[symbol]!, -1 - symbol);
  plant(0x3fffffff, 30, eos);

  const table = new Int32Array(children.length * 16);
  for (let state = 0; state < children.length; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state;
      let emitted = 0;
      for (let bit = 3; bit >= 0; bit--) {
        node = children[node]![(nibble >>> bit) & 1]!;
        if (node === eos) break;
        if (node < 0) {
          emitted = emits | (-1 - node);
          node = 0;
        }
      }
      table[state * 16 + nibble] = node === eos ? -1 : (node << 16) | emitted;
    }
  }

  // A string is filled up with the first bits of EOS, fewer than eight (RFC 7541 section 5.2).
  const ends = new Uint8Array(children.length);
  for (let node = 0, bits = 0; bits < 8; bits++) {
    ends[node] = 1;
    node = children[node]![1];
  }
  return { steps: table, mayEndAt: ends };
}

/** How many bytes `text`, of characters up to U+00FF, takes when Huffman coded. */
export function huffmanBytes(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i)]!;
  return (bits + 7) >>> 3;
}

/** Writes `text` at `at`, where there is room for {@link huffmanBytes}. Returns where the next byte goes. */
export function encodeHuffman(bytes: Uint8Array, at: number, text: string): number {
  let position = at;
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    let code = codes[symbol]!;
    let length = lengths[symbol]!;
    if (length > 24) {
      // Seven bits may be pending: a code this long goes in two parts to stay within 32.
      pending = (pending << (length - 16)) | (code >>> 16);
      pendingBits += length - 16;
      while (pendingBits >= 8) {
        pendingBits -= 8;
        bytes[position++] = pending >>> pendingBits;
      }
      code &= 0xffff;
      length = 16;
    }
    pending = (pending << length) | code;
    pendingBits += length;
    while (pendingBits >= 8) {
      pendingBits -= 8;
      bytes[position++] = pending >>> pendingBits;
    }
  }
  if (pendingBits > 0) bytes[position++] = (pending << (8 - pendingBits)) | (0xff >>> pendingBits);
  return position;
}

/** How many bytes `length` Huffman-coded bytes can become. */
export function maxDecodedBytes(length: number): number {
  return Math.floor((length * 8) / 5);
}

/**
 * Decodes `bytes[start, end)` into `target` and returns how many bytes it became; `target` has room for
 * {@link maxDecodedBytes}.
 *
 * @throws ProtocolError COMPRESSION when EOS is in it, or the padding is not the beginning of EOS or a whole byte.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, target: Uint8Array): number {
  // Made when the first string comes: who imports the package may never decode one, and it takes 4 ms.
  decoder ??= createDecoder();
  const { steps, mayEndAt } = decoder;
  let length = 0;
  let state = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    let step = steps[(state << 4) | (byte >>> 4)]!;
    if (step < 0) throw new ProtocolError("COMPRESSION", "a string contains EOS");
    if ((step & emits) !== 0) target[length++] = step;
    step = steps[((step >>> 16) << 4) | (byte & 15)]!;
    if (step < 0) throw new ProtocolError("COMPRESSION", "a string contains EOS");
    if ((step & emits) !== 0) target[length++] = step;
    state = step >>> 16;
  }
  if (mayEndAt[state] === 0) throw new ProtocolError("COMPRESSION", "a string's padding is not the beginning of EOS");
  return length;
}
