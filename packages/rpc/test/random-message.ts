import {
  create,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const strings = [
  "",
  "a",
  "plain text of some length, longer than any fast path for short text is",
  'quotes " and \\ backslashes',
  "line\nfeed \u0000 \u001f \u007f",
  "Göteborg",
  "\u2028 漢字",
  "😀 pair",
  "__proto__",
  "constructor",
  "x".repeat(300),
];
const doubles = [
  0,
  -0,
  1,
  -1.5,
  0.1,
  1e21,
  5e-324,
  1.7976931348623157e308,
  Number.NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  123456789.125,
];
const signed = [0, 1, -1, 127, 128, 16383, 16384, 2 ** 21, 2 ** 28, 2 ** 31 - 1, -(2 ** 31), -129];
const unsigned = [0, 1, 127, 128, 300, 16384, 2 ** 21 - 1, 2 ** 28, 2 ** 31, 2 ** 32 - 1];
const signed64 = [
  0n,
  1n,
  -1n,
  127n,
  128n,
  2n ** 31n,
  2n ** 32n,
  2n ** 35n - 1n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const unsigned64 = [0n, 1n, 300n, 2n ** 32n - 1n, 2n ** 35n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** Messages with some of their fields set, to values that are at the edges. */
export class RandomMessages {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  next(desc: DescMessage, depth = 0): Message {
    const message = this.#known(desc, depth) ?? this.#fill(desc, depth);
    if (depth === 0 && this.#chance(0.3)) {
      message.$unknown = [{ no: 536_870_000, wireType: 2, data: Uint8Array.of(2, 7, 9) }];
    }
    return message;
  }

  /** Changes some of the bytes. */
  damage(bytes: Uint8Array): void {
    for (let count = this.#below(4); count >= 0; count--) bytes[this.#below(bytes.length)] = this.#below(256);
  }

  #fill(desc: DescMessage, depth: number): Message {
    const message = create(desc) as Message & Record<string, unknown>;
    for (const field of desc.fields) {
      const isRequired = field.presence === 3;
      if (!isRequired && !this.#chance(depth > 2 ? 0.02 : 0.3)) continue;
      const isMessage = field.message !== undefined;
      if (isMessage && depth > 3) continue;
      const value = this.#field(field, depth);
      if (field.oneof !== undefined) message[field.oneof.localName] = { case: field.localName, value };
      else message[field.localName] = value;
    }
    return message;
  }

  #field(field: DescField, depth: number): unknown {
    if (field.fieldKind === "list") {
      return Array.from({ length: this.#below(4) }, () => this.#value(field, depth));
    }
    if (field.fieldKind === "map") {
      const entries = Array.from({ length: this.#below(4) }, () => [
        String(this.#scalar(field.mapKey)),
        this.#value(field, depth),
      ]);
      return Object.fromEntries(entries);
    }
    return this.#value(field, depth);
  }

  #value(field: DescField, depth: number): unknown {
    if (field.enum !== undefined) return this.#pick(field.enum.values).number;
    if (field.scalar !== undefined) {
      const value = this.#scalar(field.scalar);
      const isText = field.fieldKind !== "map" && (field as { longAsString?: boolean }).longAsString === true;
      return isText ? String(value) : value;
    }
    const desc = field.message!;
    if (desc.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value") {
      return this.#jsonObject(depth);
    }
    const isWrapper = /^google\.protobuf\.(\w+)Value$/.test(desc.typeName) && desc.fields.length === 1;
    if (isWrapper && field.fieldKind === "message" && field.oneof === undefined) {
      const inner = desc.fields[0]!;
      if (inner.scalar !== undefined) return this.#scalar(inner.scalar);
    }
    return this.next(desc, depth + 1);
  }

  #scalar(type: ScalarType): unknown {
    switch (type) {
      case ScalarType.STRING:
        return this.#pick(strings);
      case ScalarType.BYTES:
        return Uint8Array.from({ length: this.#below(5) }, () => this.#below(256));
      case ScalarType.BOOL:
        return this.#chance(0.5);
      case ScalarType.DOUBLE:
        return this.#pick(doubles);
      case ScalarType.FLOAT:
        return Math.fround(
          this.#pick([0, -0, 1.5, -3.25, 0.1, Number.NaN, Infinity, -Infinity, 3.4028234663852886e38]),
        );
      case ScalarType.INT32:
      case ScalarType.SINT32:
      case ScalarType.SFIXED32:
        return this.#pick(signed);
      case ScalarType.UINT32:
      case ScalarType.FIXED32:
        return this.#pick(unsigned);
      case ScalarType.UINT64:
      case ScalarType.FIXED64:
        return this.#pick(unsigned64);
      default:
        return this.#pick(signed64);
    }
  }

  // Messages that have rules of their own in JSON.
  #known(desc: DescMessage, depth: number): Message | undefined {
    switch (desc.typeName) {
      case "google.protobuf.Timestamp":
        return this.#create(desc, {
          seconds: this.#pick([0n, -1n, 1_760_000_000n, -62_135_596_800n, 253_402_300_799n]),
          nanos: this.#pick([0, 1, 120_000_000, 120_000, 999_999_999]),
        });
      case "google.protobuf.Duration": {
        const sign = this.#pick([1, -1]);
        return this.#create(desc, {
          seconds: BigInt(sign * this.#pick([0, 1, 3600, 315_576_000_000])),
          nanos: sign * this.#pick([0, 5, 1_000_000, 500_000_000]) || 0,
        });
      }
      case "google.protobuf.FieldMask":
        return this.#create(desc, { paths: ["foo_bar", "a", "foo.baz_q"].slice(this.#below(4)) });
      case "google.protobuf.Any": {
        if (this.#chance(0.3)) return this.#create(desc, {});
        return this.#create(desc, {
          typeUrl: "type.googleapis.com/google.protobuf.Duration",
          value: this.#pick([Uint8Array.of(8, 5), new Uint8Array(0)]),
        });
      }
      case "google.protobuf.Value":
        return this.#create(desc, { kind: this.#kind(depth) });
      case "google.protobuf.ListValue":
        return this.#create(desc, { values: [] });
      default:
        return undefined;
    }
  }

  #create(desc: DescMessage, init: object): Message {
    return create(desc, init as never);
  }

  #kind(depth: number): object {
    return this.#pick([
      { case: "nullValue", value: 0 },
      { case: "numberValue", value: 1.5 },
      { case: "stringValue", value: this.#pick(strings) },
      { case: "boolValue", value: depth % 2 === 0 },
    ]);
  }

  #jsonObject(depth: number): JsonObject {
    const values: JsonValue[] = [
      null,
      1.5,
      "text",
      true,
      [1, [null], { deep: "x" }],
      depth > 3 ? {} : { a: { b: [] } },
    ];
    return Object.fromEntries(values.slice(this.#below(6)).map((value, i) => [`key${i}`, value]));
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }
}
