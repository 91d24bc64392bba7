import { headerNameInvalid, headersOdd, headerValueInvalid } from "../errors.ts";
import { DynamicTable, defaultTableBytes, entryOverheadBytes } from "./dynamic-table.ts";
import { type HeaderFields, isSendableName, isSendableValue } from "./header-block.ts";
import { encodeHuffman, huffmanBytes } from "./huffman.ts";
import { encodeInteger } from "./integer.ts";
import { staticEntries, staticNames } from "./static-table.ts";

// Secrets are sent as never-indexed literals, so that no hop keeps them in a table that others may probe (RFC 7541 section 7.1.3).
const secretNames: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"]);

// How many literals are remembered, to index a field the second time it is sent.
const recentFields = 8;
const memoSlots = 4;
// A literal costs its text and up to six bytes for each of index and lengths; two size updates may go before the first.
const fieldRoom = 18;
const resizeRoom = 12;

/** The dynamic entries of one name, by their number: the newest, and the one of each value. */
interface DynamicName {
  newest: number;
  readonly values: Map<string, number>;
}

/** A list that is all in the tables, and its block, good while the table has not changed. */
interface Memo {
  readonly fields: HeaderFields;
  readonly block: Uint8Array;
  readonly version: number;
}

/**
 * Encodes the header blocks of one direction of a connection, in the order they are sent (RFC 7541).
 *
 * What enters the dynamic table: a field the second time it is sent, so that values which never repeat (a timeout, a trace
 * id) do not push out those that do; and the first field of a name, so that the name needs no text again. What is in the
 * table is sent as one or two bytes, and a list that is there as a whole is recognised as a whole.
 */
export class Encoder {
  readonly #table: DynamicTable = new DynamicTable(defaultTableBytes);
  /** Numbers the entries: the next one's, and the oldest one's that is still there. */
  #nextNumber = 0;
  #oldestNumber = 0;
  readonly #names: Map<string, DynamicName> = new Map();
  readonly #recent: string[] = [];
  #recentAt = 0;
  readonly #memos: Memo[] = [];
  #memoAt = 0;
  // The smallest size the table had to take since the last block, or -1: the decoder is told with the next one.
  #smallestResize = -1;
  #isPure = true;

  /** Takes the peer's SETTINGS_HEADER_TABLE_SIZE; at most 4096 bytes of it are used. */
  resize(peerMaxBytes: number): void {
    const maxBytes = Math.min(peerMaxBytes, defaultTableBytes);
    if (maxBytes === this.#table.maxBytes && this.#smallestResize < 0) return;
    this.#smallestResize = this.#smallestResize < 0 ? maxBytes : Math.min(this.#smallestResize, maxBytes);
    while (this.#table.bytes > maxBytes) this.#dropOldest();
    this.#table.resize(maxBytes);
  }

  /**
   * How many bytes the block of a list can take at most.
   *
   * @throws TypeError CLEW_HTTP2_HEADER_VALUE when something in it is no string.
   */
  maxBytes(fields: HeaderFields): number {
    let bytes = resizeRoom;
    for (let i = 0; i < fields.length; i++) {
      const text = fields[i];
      if (typeof text !== "string") throw headerValueInvalid(String(fields[i & ~1]), text);
      bytes += text.length;
    }
    return bytes + (fields.length >> 1) * fieldRoom;
  }

  /**
   * Writes the block of a list at `at`, where there is room for {@link maxBytes}. Returns where it ends. The block must be
   * sent, and before any later one.
   *
   * @throws TypeError CLEW_HTTP2_HEADER_NAME, CLEW_HTTP2_HEADER_VALUE or CLEW_HTTP2_HEADERS; then nothing needs to be sent.
   */
  encode(fields: HeaderFields, bytes: Buffer, at: number): number {
    const version = this.#table.version;
    if (this.#smallestResize < 0) {
      for (let i = 0; i < this.#memos.length; i++) {
        const memo = this.#memos[i]!;
        if (memo.version === version && isSameList(memo.fields, fields)) {
          const block = memo.block;
          for (let k = 0; k < block.length; k++) bytes[at + k] = block[k]!;
          return at + block.length;
        }
      }
    }
    if ((fields.length & 1) !== 0) throw headersOdd(fields.length);
    let position = at;
    if (this.#smallestResize >= 0) position = this.#encodeResize(bytes, position);
    this.#isPure = position === at;
    try {
      for (let i = 0; i < fields.length; i += 2) {
        position = this.#encodeField(fields[i]!, fields[i + 1]!, bytes, position);
      }
    } catch (error) {
      // The decoder will never see this block, and so not what it put into the table: both begin anew, empty.
      if (this.#table.version !== version || position !== at) this.#clear();
      throw error;
    }
    if (this.#isPure && fields.length > 0) this.#memorise(fields, bytes.subarray(at, position));
    return position;
  }

  /** Throws what {@link encode} would, for a list that is to be encoded later. */
  check(fields: HeaderFields): void {
    this.maxBytes(fields);
    if ((fields.length & 1) !== 0) throw headersOdd(fields.length);
    for (let i = 0; i < fields.length; i += 2) {
      if (!isSendableName(fields[i]!)) throw headerNameInvalid(fields[i]!);
      if (!isSendableValue(fields[i + 1]!)) throw headerValueInvalid(fields[i]!, fields[i + 1]);
    }
  }

  #memorise(fields: HeaderFields, block: Uint8Array): void {
    this.#memos[this.#memoAt] = { fields: fields.slice(), block: Uint8Array.from(block), version: this.#table.version };
    this.#memoAt = (this.#memoAt + 1) % memoSlots;
  }

  #encodeResize(bytes: Buffer, at: number): number {
    const maxBytes = this.#table.maxBytes;
    let position = at;
    if (this.#smallestResize < maxBytes) position = encodeInteger(bytes, position, 5, 0x20, this.#smallestResize);
    this.#smallestResize = -1;
    return encodeInteger(bytes, position, 5, 0x20, maxBytes);
  }

  #clear(): void {
    while (this.#table.count > 0) this.#dropOldest();
    this.#smallestResize = 0;
  }

  #encodeField(name: string, value: string, bytes: Buffer, at: number): number {
    const fixed = staticNames.get(name);
    const fixedIndex = fixed?.values.get(value);
    if (fixedIndex !== undefined) {
      bytes[at] = 0x80 | fixedIndex;
      return at + 1;
    }
    const dynamic = this.#names.get(name);
    const number = dynamic?.values.get(value);
    if (number !== undefined) return encodeInteger(bytes, at, 7, 0x80, this.#indexOf(number));

    this.#isPure = false;
    if (!isSendableName(name)) throw headerNameInvalid(name);
    if (!isSendableValue(value)) throw headerValueInvalid(name, value);
    const nameIndex = fixed !== undefined ? fixed.index : dynamic !== undefined ? this.#indexOf(dynamic.newest) : 0;
    if (secretNames.has(name)) return this.#encodeLiteral(4, 0x10, nameIndex, name, value, bytes, at);
    const entryBytes = name.length + value.length + entryOverheadBytes;
    const isWorthAnEntry = (nameIndex === 0 || this.#wasSeen(name, value)) && entryBytes <= this.#table.maxBytes >> 1;
    if (!isWorthAnEntry) return this.#encodeLiteral(4, 0, nameIndex, name, value, bytes, at);
    const end = this.#encodeLiteral(6, 0x40, nameIndex, name, value, bytes, at);
    this.#insert(name, value, entryBytes);
    return end;
  }

  #encodeLiteral(
    prefixBits: number,
    pattern: number,
    nameIndex: number,
    name: string,
    value: string,
    bytes: Buffer,
    at: number,
  ): number {
    let position = encodeInteger(bytes, at, prefixBits, pattern, nameIndex);
    if (nameIndex === 0) position = encodeText(name, true, bytes, position);
    // Coding costs more than it saves where the same text will hardly come again.
    return encodeText(value, pattern === 0x40, bytes, position);
  }

  #indexOf(number: number): number {
    return staticEntries + this.#nextNumber - number;
  }

  #insert(name: string, value: string, entryBytes: number): void {
    while (this.#table.count > 0 && this.#table.bytes + entryBytes > this.#table.maxBytes) this.#dropOldest();
    this.#table.insert(name, value, false);
    const number = this.#nextNumber++;
    const known = this.#names.get(name);
    if (known === undefined) this.#names.set(name, { newest: number, values: new Map([[value, number]]) });
    else {
      known.newest = number;
      known.values.set(value, number);
    }
  }

  #dropOldest(): void {
    const oldest = this.#table.count - 1;
    const name = this.#table.name(oldest);
    const known = this.#names.get(name)!;
    const number = this.#oldestNumber++;
    if (known.newest === number) this.#names.delete(name);
    else known.values.delete(this.#table.value(oldest));
    this.#table.dropOldest();
  }

  // Whether this field was sent lately; the next time, it was.
  #wasSeen(name: string, value: string): boolean {
    const recent = this.#recent;
    for (let i = 0; i < recent.length; i += 2) {
      if (recent[i + 1] === value && recent[i] === name) return true;
    }
    recent[this.#recentAt] = name;
    recent[this.#recentAt + 1] = value;
    this.#recentAt = (this.#recentAt + 2) % (2 * recentFields);
    return false;
  }
}

function isSameList(one: HeaderFields, other: HeaderFields): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) {
    if (one[i] !== other[i]) return false;
  }
  return true;
}

function encodeText(text: string, mayCode: boolean, bytes: Buffer, at: number): number {
  const length = text.length;
  if (mayCode) {
    const coded = huffmanBytes(text);
    if (coded < length) return encodeHuffman(bytes, encodeInteger(bytes, at, 7, 0x80, coded), text);
  }
  const start = encodeInteger(bytes, at, 7, 0, length);
  // A call into C++ costs as much as some forty bytes written here.
  if (length > 40) bytes.write(text, start, "latin1");
  else for (let i = 0; i < length; i++) bytes[start + i] = text.charCodeAt(i);
  return start + length;
}
