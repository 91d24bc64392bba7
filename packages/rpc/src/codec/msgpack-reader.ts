import { viewAsBuffer } from "./buffer-view.ts";
import { levelLimit } from "./depth-limit.ts";

/** A value as it is read. Whole numbers that a double does not hold are bigints; a map keeps its keys as they are. */
export type MsgpackValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly MsgpackValue[]
  | ReadonlyMap<MsgpackValue, MsgpackValue>;

/**
 * Reads the one value that `bytes` are. Nothing refers to them afterwards.
 *
 * @throws Error when they are something else, or nested too deep
 */
export function readMsgpack(bytes: Uint8Array): MsgpackValue {
  const reader = new MsgpackReader(viewAsBuffer(bytes));
  const value = reader.read(1);
  if (!reader.isAtEnd) throw problem("there is more after the value");
  return value;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class MsgpackReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  read(depth: number): MsgpackValue {
    const type = this.#uint(1);
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    if (type < 0x90) return this.#map(type & 0x0f, depth);
    if (type < 0xa0) return this.#array(type & 0x0f, depth);
    if (type < 0xc0) return this.#string(type & 0x1f);
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#uint(1));
      case 0xc5:
        return this.#binary(this.#uint(2));
      case 0xc6:
        return this.#binary(this.#uint(4));
      case 0xca:
        return this.#bytes.readFloatBE(this.#take(4));
      case 0xcb:
        return this.#bytes.readDoubleBE(this.#take(8));
      case 0xcc:
        return this.#uint(1);
      case 0xcd:
        return this.#uint(2);
      case 0xce:
        return this.#uint(4);
      case 0xcf:
        return toInteger(this.#bytes.readBigUInt64BE(this.#take(8)));
      case 0xd0:
        return this.#bytes.readInt8(this.#take(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#take(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#take(4));
      case 0xd3:
        return toInteger(this.#bytes.readBigInt64BE(this.#take(8)));
      case 0xd9:
        return this.#string(this.#uint(1));
      case 0xda:
        return this.#string(this.#uint(2));
      case 0xdb:
        return this.#string(this.#uint(4));
      case 0xdc:
        return this.#array(this.#uint(2), depth);
      case 0xdd:
        return this.#array(this.#uint(4), depth);
      case 0xde:
        return this.#map(this.#uint(2), depth);
      case 0xdf:
        return this.#map(this.#uint(4), depth);
      default:
        // Extensions; no message has one.
        throw problem(`a value has the type 0x${type.toString(16)}, which has no meaning here`);
    }
  }

  /** Where the next `size` bytes begin. */
  #take(size: number): number {
    const at = this.#at;
    if (size > this.#bytes.length - at) throw problem("it ends too early");
    this.#at = at + size;
    return at;
  }

  #uint(size: 1 | 2 | 4): number {
    return this.#bytes.readUIntBE(this.#take(size), size);
  }

  #string(size: number): string {
    const at = this.#take(size);
    try {
      return decoder.decode(this.#bytes.subarray(at, at + size));
    } catch {
      throw problem("a string is not UTF-8");
    }
  }

  #binary(size: number): Uint8Array {
    const at = this.#take(size);
    const value = new Uint8Array(size);
    value.set(this.#bytes.subarray(at, at + size));
    return value;
  }

  #array(size: number, depth: number): MsgpackValue[] {
    this.#enter(size, depth);
    const values: MsgpackValue[] = [];
    for (let i = 0; i < size; i++) values.push(this.read(depth + 1));
    return values;
  }

  #map(size: number, depth: number): Map<MsgpackValue, MsgpackValue> {
    this.#enter(2 * size, depth);
    const map = new Map<MsgpackValue, MsgpackValue>();
    for (let i = 0; i < size; i++) {
      const key = this.read(depth + 1);
      if (map.has(key)) throw problem(`the key ${String(key).slice(0, 30)} occurs twice`);
      map.set(key, this.read(depth + 1));
    }
    return map;
  }

  // Each value takes a byte at least: a size beyond what is there is refused before anything is made for it.
  #enter(values: number, depth: number): void {
    if (depth > levelLimit) throw problem(`values are nested more than ${levelLimit} deep`);
    if (values > this.#bytes.length - this.#at) throw problem("it ends too early");
  }
}

function toInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function problem(text: string): Error {
  return new Error(`cannot decode MessagePack: ${text}`);
}
