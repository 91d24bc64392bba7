/** Bytes that are not the protobuf message they should be: where, and what is wrong there. */
export class MalformedError extends Error {
  override readonly name: string = "MalformedError";
  readonly code: string = "CLEW_TRACE_MALFORMED";
  /** Bytes from the start of the whole message. -1 when the message was not protobuf. */
  readonly offset: number;

  constructor(offset: number, what: string) {
    super(offset < 0 ? what : `at byte ${offset}: ${what}`);
    this.offset = offset;
  }
}

const TWO_32 = 4294967296;

/**
 * Walks protobuf fields in place. A reader stands on one message at a time; {@link enter} narrows it to a message inside, and
 * {@link leave} widens it again. Nothing is copied, and every offset is one of the outermost bytes.
 *
 *     while (reader.next()) {
 *       if (reader.tag === tag(1, LENGTH)) ...           // a field of another wire type counts as unknown, as protobuf says
 *       else reader.skip();
 *     }
 */
export class ProtoReader {
  readonly bytes: Buffer;
  /** Where the reader stands. */
  at: number;
  /** Where the message it stands in ends. */
  end: number;
  /** Field number * 8 + wire type of the field that {@link next} found. */
  tag = 0;

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
    this.end = end;
  }

  /** Reads the next field's tag; false at the end of the message. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const start = this.at;
    this.tag = this.varint();
    if (this.tag < 8 || this.tag >= TWO_32) throw new MalformedError(start, `${this.tag} is no field tag`);
    return true;
  }

  /** A varint as a number; exact up to 2^53, which covers every enum, length and count. */
  varint(): number {
    let value = 0;
    let factor = 1;
    const start = this.at;
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) throw new MalformedError(start, "a varint runs past the end of its message");
      const byte = this.bytes[this.at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw new MalformedError(start, "a varint is longer than 10 bytes");
  }

  /** An int64 varint, exact. */
  int64(): bigint {
    let value = 0n;
    const start = this.at;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.at >= this.end) throw new MalformedError(start, "a varint runs past the end of its message");
      const byte = this.bytes[this.at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new MalformedError(start, "a varint is longer than 10 bytes");
  }

  /** Where a fixed field of this many bytes starts; the reader stands behind it. */
  fixed(size: 4 | 8): number {
    const start = this.at;
    if (start + size > this.end)
      throw new MalformedError(start, `a ${size}-byte field runs past the end of its message`);
    this.at += size;
    return start;
  }

  /** A fixed64 of nanoseconds, in microseconds: a double keeps a quarter of one for dates of this century. */
  nanosAsMicros(): number {
    const start = this.fixed(8);
    const low = this.bytes.readUInt32LE(start);
    const high = this.bytes.readUInt32LE(start + 4);
    return high * 4294967.296 + low / 1000;
  }

  fixed64(): bigint {
    return this.bytes.readBigUInt64LE(this.fixed(8));
  }

  double(): number {
    return this.bytes.readDoubleLE(this.fixed(8));
  }

  /** Reads a length and gives where its bytes end; the reader stands on the first of them. */
  length(): number {
    const start = this.at;
    const length = this.varint();
    const end = this.at + length;
    if (end > this.end) {
      throw new MalformedError(start, `a field of ${length} bytes runs ${end - this.end} past the end of its message`);
    }
    return end;
  }

  /** Narrows to the message in the current field. Returns what {@link leave} needs to go back. */
  enter(): number {
    const end = this.length();
    const outer = this.end;
    this.end = end;
    return outer;
  }

  /** Goes behind the message entered last. */
  leave(outer: number): void {
    this.at = this.end;
    this.end = outer;
  }

  string(): string {
    const end = this.length();
    const value = this.bytes.toString("utf8", this.at, end);
    this.at = end;
    return value;
  }

  /** The bytes of the current field, in lower-case hex. */
  hex(): string {
    const end = this.length();
    const value = this.bytes.toString("hex", this.at, end);
    this.at = end;
    return value;
  }

  /** The bytes of the current field, as a view. */
  slice(): Uint8Array {
    const end = this.length();
    const value = this.bytes.subarray(this.at, end);
    this.at = end;
    return value;
  }

  /** Passes the current field by. */
  skip(): void {
    switch (this.tag & 7) {
      case VARINT:
        this.varint();
        return;
      case FIXED64:
        this.fixed(8);
        return;
      case LENGTH:
        this.at = this.length();
        return;
      case FIXED32:
        this.fixed(4);
        return;
      default:
        throw new MalformedError(
          this.at,
          `field ${this.tag >>> 3} has wire type ${this.tag & 7}, which proto3 does not use`,
        );
    }
  }
}

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
export const FIXED32 = 5;

/** Reads the message in the current field with `read`. */
export function readMessage<T>(reader: ProtoReader, read: (reader: ProtoReader) => T): T {
  const outer = reader.enter();
  const message = read(reader);
  reader.leave(outer);
  return message;
}
