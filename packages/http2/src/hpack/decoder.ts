import { ProtocolError } from "../errors.ts";
import { DynamicTable, defaultTableBytes, entryOverheadBytes } from "./dynamic-table.ts";
import { HeaderBlock, isLegalName, isLegalValue } from "./header-block.ts";
import { decodeHuffman, maxDecodedBytes } from "./huffman.ts";
import { type Cursor, decodeInteger } from "./integer.ts";
import { staticEntries, staticTable } from "./static-table.ts";

// Blocks up to this size are recognised when they come again: a gRPC request is some ten to sixty bytes after the first.
const maxKnownBytes = 128;
const knownSlots = 16;

// What Huffman codes are decoded into, before it becomes a string. Decoding never waits, so all decoders share it.
let scratch: Buffer = Buffer.alloc(256);

interface KnownBlock {
  readonly bytes: Buffer;
  readonly version: number;
  readonly block: HeaderBlock;
}

/** Decodes the header blocks of one direction of a connection, in the order they came (RFC 7541). */
export class Decoder {
  readonly #table: DynamicTable = new DynamicTable(defaultTableBytes);
  readonly #maxListBytes: number;
  readonly #cursor: Cursor = { at: 0, end: 0 };
  #isFlawed = false;
  // Blocks that left the table as it was, by hash. A hash is noted first and its block kept when it comes again, so that
  // blocks that never repeat cost no copy.
  #hashes: Int32Array | undefined;
  readonly #known: (KnownBlock | undefined)[] = [];

  /** `maxListBytes` bounds a list as RFC 9113 section 6.5.2 counts it; what is beyond is read for the table's sake only. */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /**
   * Decodes one whole block. A block whose bytes came before, while the table has not changed, gives the same object again.
   *
   * @throws ProtocolError COMPRESSION, after which nothing can be decoded any more.
   */
  decode(bytes: Buffer, start: number, end: number): HeaderBlock {
    const length = end - start;
    if (length > maxKnownBytes || length === 0) return this.#read(bytes, start, end);
    let hash = length;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (knownSlots - 1);
    const version = this.#table.version;
    const known = this.#known[slot];
    if (known !== undefined && known.version === version && equals(known.bytes, bytes, start, length))
      return known.block;
    const block = this.#read(bytes, start, end);
    // A size update (its pattern is 001) must not be skipped when it comes again.
    if (this.#table.version === version && !block.isTooLarge && (bytes[start]! & 0xe0) !== 0x20) {
      this.#remember(slot, hash, bytes, start, end, block);
    }
    return block;
  }

  #remember(slot: number, hash: number, bytes: Buffer, start: number, end: number, block: HeaderBlock): void {
    this.#hashes ??= new Int32Array(knownSlots);
    if (this.#hashes[slot] !== hash) {
      this.#hashes[slot] = hash;
      return;
    }
    const copy = Buffer.allocUnsafeSlow(end - start);
    bytes.copy(copy, 0, start, end);
    if (this.#known.length === 0) this.#known.length = knownSlots;
    this.#known[slot] = { bytes: copy, version: this.#table.version, block };
  }

  #read(bytes: Buffer, start: number, end: number): HeaderBlock {
    const table = this.#table;
    const cursor = this.#cursor;
    cursor.at = start;
    cursor.end = end;
    this.#isFlawed = false;
    let isFlawed = false;
    let isTooLarge = false;
    let listBytes = 0;
    let mayResize = true;
    const fields: string[] = [];
    while (cursor.at < end) {
      const first = bytes[cursor.at]!;
      let name: string;
      let value: string;
      if (first >= 0x80) {
        const index = decodeInteger(bytes, cursor, 7);
        if (index > staticEntries) {
          const entry = this.#checkedEntry(index);
          name = table.name(entry);
          value = table.value(entry);
          if (table.isFlawed(entry)) isFlawed = true;
        } else {
          if (index === 0) throw new ProtocolError("COMPRESSION", "index 0");
          name = staticTable[2 * index]!;
          value = staticTable[2 * index + 1]!;
        }
      } else if (first >= 0x40) {
        this.#isFlawed = false;
        name = this.#readName(bytes, decodeInteger(bytes, cursor, 6));
        value = this.#readText(bytes, false);
        table.insert(name, value, this.#isFlawed);
        if (this.#isFlawed) isFlawed = true;
      } else if (first >= 0x20) {
        if (!mayResize) throw new ProtocolError("COMPRESSION", "a size update after a field");
        this.#resize(decodeInteger(bytes, cursor, 5));
        continue;
      } else {
        const index = decodeInteger(bytes, cursor, 4);
        if (isTooLarge) {
          // Nobody will see it, and it does not change the table.
          if (index === 0) this.#skipText(bytes);
          else if (index > staticEntries) this.#checkedEntry(index);
          this.#skipText(bytes);
          continue;
        }
        this.#isFlawed = false;
        name = this.#readName(bytes, index);
        value = this.#readText(bytes, false);
        if (this.#isFlawed) isFlawed = true;
      }
      mayResize = false;
      listBytes += name.length + value.length + entryOverheadBytes;
      if (listBytes > this.#maxListBytes) isTooLarge = true;
      else fields.push(name, value);
    }
    return new HeaderBlock(fields, listBytes, isTooLarge, isFlawed);
  }

  // The position in the dynamic table of an index after the static one.
  #checkedEntry(index: number): number {
    const entry = index - staticEntries - 1;
    if (entry >= this.#table.count) throw new ProtocolError("COMPRESSION", `index ${index} is beyond the table`);
    return entry;
  }

  #resize(maxBytes: number): void {
    if (maxBytes > defaultTableBytes) throw new ProtocolError("COMPRESSION", `a table of ${maxBytes} bytes`);
    this.#table.resize(maxBytes);
  }

  #readName(bytes: Buffer, index: number): string {
    if (index === 0) return this.#readText(bytes, true);
    if (index <= staticEntries) return staticTable[2 * index]!;
    const entry = this.#checkedEntry(index);
    // A flawed name stays flawed with another value; a flawed value taints its name, which no honest peer will mind.
    if (this.#table.isFlawed(entry)) this.#isFlawed = true;
    return this.#table.name(entry);
  }

  #readText(bytes: Buffer, isName: boolean): string {
    const cursor = this.#cursor;
    const isHuffman = (bytes[cursor.at]! & 0x80) !== 0;
    const start = this.#skipLength(bytes);
    let source = bytes;
    let from = start;
    let to = cursor.at;
    if (isHuffman) {
      const room = maxDecodedBytes(to - from);
      if (scratch.length < room) scratch = Buffer.allocUnsafeSlow(room);
      to = decodeHuffman(bytes, from, to, scratch);
      source = scratch;
      from = 0;
    }
    const isLegal = isName ? isLegalName(source, from, to) : isLegalValue(source, from, to);
    if (!isLegal) this.#isFlawed = true;
    return source.toString("latin1", from, to);
  }

  #skipText(bytes: Buffer): void {
    this.#skipLength(bytes);
  }

  // Moves the cursor behind a string; says where its bytes begin.
  #skipLength(bytes: Buffer): number {
    const cursor = this.#cursor;
    const length = decodeInteger(bytes, cursor, 7);
    const start = cursor.at;
    if (length > cursor.end - start) throw new ProtocolError("COMPRESSION", "a string is cut off");
    cursor.at = start + length;
    return start;
  }
}

function equals(known: Buffer, bytes: Buffer, start: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (known[i] !== bytes[start + i]) return false;
  }
  return true;
}
