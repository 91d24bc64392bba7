// protobuf-es is the judge: the same bytes, the same JSON and the same messages. Every test runs twice, with compiled codecs
// and in a child process where code from strings is disallowed.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  create,
  createFileRegistry,
  createRegistry,
  type DescMessage,
  equals,
  fromBinary,
  fromJson,
  getExtension,
  isMessage,
  type JsonValue,
  type Message,
  setExtension,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { AnySchema, DurationSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createJsonCodec, jsonCodec, type MessageCodec, protoCodec } from "@clew/rpc";
import { TestAllTypesEdition2023Schema as Edition2023 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_edition2023_pb.ts";
import { TestAllTypesProto2Schema as Proto2AsEdition } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto2_editions_pb.ts";
import * as proto2 from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto2_pb.ts";
import { TestAllTypesProto3Schema as Proto3AsEdition } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_editions_pb.ts";
import { TestAllTypesProto3Schema as Proto3 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { RandomMessages } from "./random-message.ts";
import { isInterpreted, testWithoutCodeGeneration } from "./without-code-generation.ts";

const Proto2 = proto2.TestAllTypesProto2Schema;
const types = createRegistry(DurationSchema, AnySchema, proto2.file_google_protobuf_test_messages_proto2);
const roots: readonly DescMessage[] = [Proto2, Proto3, Edition2023, Proto2AsEdition, Proto3AsEdition];
// More of them: CODEC_MESSAGES=20000 node --test packages/rpc/test/codec.test.ts
const messageCount = Number(process.env.CODEC_MESSAGES ?? 40);

testWithoutCodeGeneration(import.meta.filename);

function compile(codec: typeof protoCodec, desc: DescMessage): MessageCodec<Message> {
  return codec.compile(desc);
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** JSON values are the same for the same values in any order: an Any's type may come first or last. */
function parsed(json: string): JsonValue {
  return JSON.parse(json) as JsonValue;
}

for (const desc of roots) {
  test(`${desc.typeName}: random messages are written and read as protobuf-es does`, () => {
    const messages = new RandomMessages(20_251_121);
    const proto = compile(protoCodec, desc);
    for (let i = 0; i < messageCount; i++) {
      const message = messages.next(desc);
      const bytes = toBinary(desc, message);
      assert.deepEqual(Buffer.from(proto.encode(message)), Buffer.from(bytes), `message ${i}`);
      const decoded = proto.decode(bytes);
      // Deep equality looks at prototypes too, where the defaults of proto2 are.
      assert.deepStrictEqual(decoded, fromBinary(desc, Uint8Array.from(bytes)), `message ${i}`);
      assert.ok(isMessage(decoded, desc));
      assert.ok(equals(desc, decoded, fromBinary(desc, bytes), { unknown: true, registry: types }) || hasNaN(bytes));
      for (const emitZeroValues of [true, false]) {
        const json = compile(createJsonCodec({ types, emitZeroValues }), desc);
        const expected = JSON.stringify(toJson(desc, message, { registry: types, alwaysEmitImplicit: emitZeroValues }));
        const written = json.encodeText!(message);
        assert.deepStrictEqual(parsed(written), parsed(expected), `message ${i}`);
        assert.equal(text(json.encode(message)), written);
        assert.deepStrictEqual(
          json.decode(Buffer.from(written)),
          fromJson(desc, parsed(expected), { registry: types, ignoreUnknownFields: true }),
          `message ${i}`,
        );
      }
    }
  });

  test(`${desc.typeName}: damaged bytes are read or refused, never worse`, () => {
    const messages = new RandomMessages(7);
    const random = new RandomMessages(8);
    const proto = compile(protoCodec, desc);
    for (let i = 0; i < messageCount; i++) {
      const bytes = Buffer.from(toBinary(desc, messages.next(desc)));
      random.damage(bytes);
      let message: Message;
      try {
        message = proto.decode(bytes);
      } catch (error) {
        assert.ok(error instanceof Error, String(error));
        continue;
      }
      // What was taken can be written, and means the same to the next reader.
      const again = proto.encode(message);
      assert.deepStrictEqual(proto.encode(proto.decode(again)), again);
    }
  });
}

function hasNaN(bytes: Uint8Array): boolean {
  // A NaN is not equal to itself; its bytes in a double or a float end so.
  return /f87f|c07f/.test(Buffer.from(bytes).toString("hex"));
}

test("bytes cut short anywhere are refused, or are a shorter message", () => {
  const desc = Proto3;
  const proto = compile(protoCodec, desc);
  const whole = toBinary(
    desc,
    create(desc, { optionalString: "text", optionalNestedMessage: { a: 300 }, optionalFixed64: 7n }),
  );
  for (let size = 0; size < whole.length; size++) {
    let isTaken = true;
    try {
      fromBinary(desc, whole.subarray(0, size));
    } catch {
      isTaken = false;
    }
    if (isTaken) proto.decode(whole.subarray(0, size));
    else assert.throws(() => proto.decode(whole.subarray(0, size)), `${size} bytes`);
  }
});

test("a sub-message that comes twice is merged, a list is appended to, the last scalar stays", () => {
  const one = create(Proto3, { optionalNestedMessage: { a: 1 }, repeatedInt32: [1], optionalInt32: 1 });
  const two = create(Proto3, {
    optionalNestedMessage: { corecursive: { optionalInt32: 5 } },
    repeatedInt32: [2],
    optionalInt32: 2,
    optionalInt32Wrapper: 9,
  });
  const bytes = Buffer.concat([toBinary(Proto3, one), toBinary(Proto3, two)]);
  const decoded = protoCodec.compile(Proto3).decode(bytes);
  assert.equal(decoded.optionalNestedMessage?.a, 1);
  assert.equal(decoded.optionalNestedMessage?.corecursive?.optionalInt32, 5);
  assert.deepEqual(decoded.repeatedInt32, [1, 2]);
  assert.equal(decoded.optionalInt32, 2);
  assert.equal(decoded.optionalInt32Wrapper, 9);
});

test("packed lists are read where unpacked ones are declared, and the other way round", () => {
  const codec = protoCodec.compile(Proto3);
  // repeated_int32 = 31: a varint of its own, then two in a pack.
  const tag = (31 << 3) | 0;
  const bytes = Uint8Array.of((tag & 0x7f) | 0x80, tag >> 7, 1, ((tag | 2) & 0x7f) | 0x80, tag >> 7, 2, 2, 3);
  assert.deepEqual(codec.decode(bytes).repeatedInt32, [1, 2, 3]);
});

test("text that is no UTF-8 is refused in proto3 and passed on in proto2", () => {
  const bytes = Uint8Array.of(0x72, 1, 0xff); // optional_string = 14
  assert.throws(() => protoCodec.compile(Proto3).decode(bytes));
  assert.equal(protoCodec.compile(Proto2).decode(bytes).optionalString, "\ufffd");
  const long = Uint8Array.of(0x72, 40, ...new Array<number>(39).fill(0x61), 0xff);
  assert.throws(() => protoCodec.compile(Proto3).decode(long));
  // U+FFFD itself is a character like any other, and so is a byte-order mark.
  const replacement = toBinary(Proto3, create(Proto3, { optionalString: "\ufeff\ufffd" }));
  assert.equal(protoCodec.compile(Proto3).decode(replacement).optionalString, "\ufeff\ufffd");
});

test("messages nested more than a hundred deep are refused", () => {
  let bytes = new Uint8Array(0);
  let json = "{}";
  for (let depth = 0; depth < 120; depth++) {
    // recursive_message = 27
    const size = bytes.length;
    const length = size < 128 ? [size] : [(size & 0x7f) | 0x80, size >> 7];
    bytes = Uint8Array.of(0xda, 0x01, ...length, ...bytes);
    json = `{"recursiveMessage":${json}}`;
  }
  assert.throws(() => protoCodec.compile(Proto3).decode(bytes), /100/);
  assert.throws(() => jsonCodec.compile(Proto3).decode(Buffer.from(json)), /100/);
});

test("what is decoded keeps no reference to the bytes", () => {
  const message = create(Proto3, { optionalBytes: Uint8Array.of(1, 2, 3) });
  message.$unknown = [{ no: 9999, wireType: 2, data: Uint8Array.of(1, 5) }];
  const bytes = toBinary(Proto3, message);
  const decoded = protoCodec.compile(Proto3).decode(bytes);
  bytes.fill(0xee);
  assert.deepEqual(decoded.optionalBytes, Uint8Array.of(1, 2, 3));
  assert.deepEqual(decoded.$unknown?.[0]?.data, Uint8Array.of(1, 5));
});

test("of bytes that nobody will change a large field that is most of them is a view, any other a copy", (t) => {
  if (isInterpreted) return t.diagnostic("compiled codecs only");
  const codec = protoCodec.compile(Proto3);
  const large = create(Proto3, { optionalBytes: Buffer.alloc(10_000, "large"), optionalString: "s" });
  const written = toBinary(Proto3, large);
  const alone = new Uint8Array(written);
  const seen = codec.decodeOwned!(alone);
  assert.deepEqual(seen, codec.decode(alone));
  assert.equal(seen.optionalBytes.constructor, Uint8Array);
  assert.equal(seen.optionalBytes.buffer, alone.buffer);
  assert.notEqual(codec.decode(alone).optionalBytes.buffer, alone.buffer);

  // What would keep much more than it shows: small, one of several, or among other messages.
  const small = new Uint8Array(toBinary(Proto3, create(Proto3, { optionalBytes: Buffer.alloc(4000) })));
  assert.notEqual(codec.decodeOwned!(small).optionalBytes.buffer, small.buffer);
  const parts = create(Proto3, { repeatedBytes: [1, 2, 3].map((fill) => Buffer.alloc(8000, fill)) });
  const several = new Uint8Array(toBinary(Proto3, parts));
  for (const part of codec.decodeOwned!(several).repeatedBytes) assert.notEqual(part.buffer, several.buffer);
  const crowd = Buffer.concat([written, Buffer.alloc(65_536)]);
  const among = codec.decodeOwned!(crowd.subarray(0, written.length));
  assert.notEqual(among.optionalBytes.buffer, crowd.buffer);
  assert.ok(Buffer.alloc(10_000, "large").equals(among.optionalBytes));
});

test("encoded bytes stay as they are when more is encoded, and leave room where it is asked for", () => {
  const codec = protoCodec.compile(Proto3);
  const all = Array.from({ length: 3000 }, (_, i) => {
    const message = create(Proto3, { optionalString: `message ${i}`, optionalBytes: new Uint8Array(i * 7) });
    return { message, bytes: codec.encode(message), framed: codec.encodeAfter?.(5, message) };
  });
  for (const { message, bytes, framed } of all) {
    const expected = Buffer.from(toBinary(Proto3, message));
    assert.ok(expected.equals(bytes));
    if (framed === undefined) assert.ok(isInterpreted);
    else {
      assert.ok(expected.equals(framed.subarray(5)));
      framed.fill(0, 0, 5);
    }
  }
});

test("a value that its field cannot hold is refused by name", () => {
  const codec = protoCodec.compile(Proto3);
  const wrong = (init: object): Message => Object.assign(create(Proto3), init) as never;
  assert.throws(() => codec.encode(wrong({ optionalInt32: 2 ** 31 }) as never), /optional_int32.*int32/);
  assert.throws(() => codec.encode(wrong({ optionalUint32: -1 }) as never), /optional_uint32.*uint32/);
  assert.throws(() => codec.encode(wrong({ optionalInt64: 2n ** 63n }) as never), /optional_int64.*int64/);
  assert.throws(() => codec.encode(create(DurationSchema) as never), /google.protobuf.Duration/);
  assert.throws(() => jsonCodec.compile(Proto3).encode(create(DurationSchema) as never), /google.protobuf.Duration/);
  assert.throws(() => jsonCodec.compile(Proto3).encode(wrong({ optionalString: 5 }) as never), /optional_string/);
});

test("a required field that is missing is refused", () => {
  const message = create(proto2.TestAllRequiredTypesProto2Schema);
  assert.throws(() => protoCodec.compile(proto2.TestAllRequiredTypesProto2Schema).encode(message), /required/);
  assert.throws(() => jsonCodec.compile(proto2.TestAllRequiredTypesProto2Schema).encode(message), /required/);
});

test("extensions pass through bytes, and through JSON where their types are known", () => {
  const { extension_int32: number } = proto2;
  const message = create(Proto2, { optionalInt32: 1 });
  setExtension(message, number, 42);
  const proto = protoCodec.compile(Proto2);
  assert.equal(getExtension(proto.decode(proto.encode(message)), number), 42);
  const json = createJsonCodec({ types }).compile(Proto2);
  const written = json.encodeText!(message);
  assert.deepEqual(parsed(written), toJson(Proto2, message, { registry: types, alwaysEmitImplicit: true }));
  assert.match(written, /"\[protobuf_test_messages.proto2.extension_int32\]":42/);
  assert.equal(getExtension(json.decode(Buffer.from(written)), number), 42);
});

test("a name from outside becomes nobody's prototype", () => {
  const codec = jsonCodec.compile(Proto3);
  const message = codec.decode(Buffer.from('{"mapStringString":{"__proto__":"x"},"__proto__":{"optionalInt32":5}}'));
  assert.equal(Object.getPrototypeOf(message.mapStringString), Object.prototype);
  assert.deepEqual(Object.entries(message.mapStringString), [["__proto__", "x"]]);
  assert.equal(message.optionalInt32, 0);
  const proto = protoCodec.compile(Proto3);
  assert.deepEqual(Object.entries(proto.decode(proto.encode(message)).mapStringString), [["__proto__", "x"]]);
  assert.match(codec.encodeText!(message), /"mapStringString":\{"__proto__":"x"\}/);
});

test("names in a descriptor are names, whatever is in them", () => {
  const hostile = ['"];throw 1;//', "__proto__", "größe", "a\\\u2028\n`+f()+`", "x".repeat(200)];
  const files = create(FileDescriptorSetSchema, {
    file: [
      {
        name: "hostile.proto",
        package: "hostile",
        syntax: "proto3",
        messageType: [
          {
            name: "Names",
            field: hostile.map((jsonName, i) => ({
              name: `field_${i}`,
              number: i + 1,
              // optional string
              type: 9,
              label: 1,
              jsonName,
            })),
          },
        ],
      },
    ],
  });
  const desc = createFileRegistry(files).getMessage("hostile.Names")!;
  const message = create(
    desc,
    Object.fromEntries(hostile.map((name, i) => [`field${i}`, `value of ${name}`])) as never,
  );
  const json = compile(jsonCodec, desc);
  const written = json.encodeText!(message);
  assert.deepEqual(Object.keys(parsed(written) as object), hostile);
  assert.equal(text(json.encode(message)), written);
  assert.deepEqual(json.decode(Buffer.from(written)), message);
  const proto = compile(protoCodec, desc);
  assert.deepEqual(proto.decode(proto.encode(message)), message);
});
