/** Writes MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), each value in the shortest form that it has. */
export class MsgpackWriter {
  #bytes: Buffer = Buffer.allocUnsafe(256);
  #at = 0;

  /** What was written; the caller's own. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  writeNil(): void {
    this.#byte(0xc0);
  }

  writeBool(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2);
  }

  /** A whole number of 53 bits or fewer. */
  writeInt(value: number): void {
    if (value >= 0) {
      if (value < 0x80) this.#byte(value);
      else if (value < 0x100) this.#head(0xcc, 1, value);
      else if (value < 0x10000) this.#head(0xcd, 2, value);
      else if (value <= 0xffffffff) this.#head(0xce, 4, value);
      else this.writeBigInt(BigInt(value));
    } else if (value >= -0x20) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#head(0xd0, 1, value & 0xff);
    else if (value >= -0x8000) this.#head(0xd1, 2, value & 0xffff);
    else if (value >= -0x80000000) this.#head(0xd2, 4, value >>> 0);
    else this.writeBigInt(BigInt(value));
  }

  /** A whole number of 64 bits, signed or not. */
  writeBigInt(value: bigint): void {
    if (value >= -0x80000000n && value <= 0xffffffffn) {
      this.writeInt(Number(value));
      return;
    }
    this.#need(9);
    this.#bytes[this.#at] = value < 0n ? 0xd3 : 0xcf;
    this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), this.#at + 1);
    this.#at += 9;
  }

  writeFloat(value: number): void {
    this.#need(5);
    this.#bytes[this.#at] = 0xca;
    this.#bytes.writeFloatBE(value, this.#at + 1);
    this.#at += 5;
  }

  writeDouble(value: number): void {
    this.#need(9);
    this.#bytes[this.#at] = 0xcb;
    this.#bytes.writeDoubleBE(value, this.#at + 1);
    this.#at += 9;
  }

  writeString(value: string): void {
    const size = Buffer.byteLength(value);
    if (size < 0x20) this.#byte(0xa0 | size);
    else if (size < 0x100) this.#head(0xd9, 1, size);
    else if (size < 0x10000) this.#head(0xda, 2, size);
    else this.#head(0xdb, 4, size);
    this.#need(size);
    this.#at += this.#bytes.write(value, this.#at);
  }

  writeBinary(value: Uint8Array): void {
    const size = value.length;
    if (size < 0x100) this.#head(0xc4, 1, size);
    else if (size < 0x10000) this.#head(0xc5, 2, size);
    else this.#head(0xc6, 4, size);
    this.#need(size);
    this.#bytes.set(value, this.#at);
    this.#at += size;
  }

  /** The values follow. */
  beginArray(size: number): void {
    if (size < 0x10) this.#byte(0x90 | size);
    else if (size < 0x10000) this.#head(0xdc, 2, size);
    else this.#head(0xdd, 4, size);
  }

  /** Keys and values follow in turn. */
  beginMap(size: number): void {
    if (size < 0x10) this.#byte(0x80 | size);
    else if (size < 0x10000) this.#head(0xde, 2, size);
    else this.#head(0xdf, 4, size);
  }

  #byte(value: number): void {
    this.#need(1);
    this.#bytes[this.#at++] = value;
  }

  #head(type: number, size: 1 | 2 | 4, value: number): void {
    this.#need(5);
    this.#bytes[this.#at] = type;
    this.#at = this.#bytes.writeUIntBE(value, this.#at + 1, size);
  }

  #need(size: number): void {
    if (this.#at + size <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#at + size));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
