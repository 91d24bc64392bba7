// XML, YAML and MessagePack: what is written is read as the same message. Every test runs twice, once in a child process where
// code from strings is disallowed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import {
  create,
  createRegistry,
  type DescMessage,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  AnySchema,
  DurationSchema,
  Int64ValueSchema,
  NullValue,
  StructSchema,
  TimestampSchema,
  TypeSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import type { Codec, MessageCodec } from "@clew/rpc";
import { msgpackCodec } from "@clew/rpc/msgpack";
import { createXmlCodec, xmlCodec } from "@clew/rpc/xml";
import { createYamlCodec, yamlCodec } from "@clew/rpc/yaml";
import { TestAllTypesEdition2023Schema as Edition2023 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_edition2023_pb.ts";
import * as proto2 from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto2_pb.ts";
import { TestAllTypesProto3Schema as Proto3 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { RandomMessages } from "./random-message.ts";

const Proto2 = proto2.TestAllTypesProto2Schema;
const types = createRegistry(DurationSchema, AnySchema, proto2.file_google_protobuf_test_messages_proto2);
const roots: readonly DescMessage[] = [Proto2, Proto3, Edition2023];
const messageCount = Number(process.env.CODEC_MESSAGES ?? 40);

const isInterpreted = process.execArgv.includes("--disallow-code-generation-from-strings");
if (!isInterpreted) {
  test("without code generation all of this holds as well", () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ["--disallow-code-generation-from-strings", import.meta.filename];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8", env });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /pass \d\d/);
  });
}

function compile(codec: Codec, desc: DescMessage): MessageCodec<Message> {
  return codec.compile(desc);
}

/** A message without what no codec but protobuf's own carries, unknown fields, and for XML without text that it cannot hold. */
function plain<T>(value: T, isXml: boolean): T {
  if (typeof value === "string" && isXml) return value.replaceAll("\u0000", "?\r").replaceAll("\u001f", "\n") as T;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const copy = Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value) as object);
  for (const [name, inner] of Object.entries(value)) {
    if (name === "$unknown") continue;
    const entry = { value: plain<unknown>(inner, isXml), writable: true, enumerable: true, configurable: true };
    Object.defineProperty(copy, plain(name, isXml), entry);
  }
  return copy as T;
}

/** Bytes tell presence, -0 and NaN apart, where comparing messages would tell more than they mean. */
function bytesOf(desc: DescMessage, message: Message): Buffer {
  return Buffer.from(toBinary(desc, message));
}

const codecs: readonly [string, Codec][] = [
  ["xml", createXmlCodec({ types })],
  ["xml without zero values", createXmlCodec({ types, emitZeroValues: false, useProtoFieldNames: true })],
  ["yaml", createYamlCodec({ types })],
  ["yaml with numbers", createYamlCodec({ types, int64AsNumber: true, enumAsNumber: true, emitZeroValues: false })],
  ["msgpack", msgpackCodec],
];

for (const [name, codec] of codecs) {
  for (const desc of roots) {
    test(`${name}: random ${desc.typeName} come back as they were`, () => {
      const messages = new RandomMessages(20_251_122);
      const compiled = compile(codec, desc);
      for (let i = 0; i < messageCount; i++) {
        const message = plain(messages.next(desc), codec.name === "xml");
        const bytes = compiled.encode(message);
        if (compiled.encodeText !== undefined) {
          assert.equal(compiled.encodeText(message), Buffer.from(bytes).toString());
        }
        const decoded = compiled.decode(bytes);
        assert.deepEqual(bytesOf(desc, decoded), bytesOf(desc, message), `message ${i}: ${Buffer.from(bytes)}`);
      }
    });

    test(`${name}: damaged ${desc.typeName} are read or refused`, () => {
      const messages = new RandomMessages(7);
      const random = new RandomMessages(8);
      const compiled = compile(codec, desc);
      for (let i = 0; i < messageCount; i++) {
        const bytes = Buffer.from(compiled.encode(plain(messages.next(desc), codec.name === "xml")));
        random.damage(bytes);
        let message: Message;
        try {
          message = compiled.decode(bytes);
        } catch (error) {
          assert.ok(error instanceof Error, String(error));
          assert.match(error.message, /^cannot decode|recursion|invalid/, error.stack);
          continue;
        }
        assert.deepEqual(bytesOf(desc, compiled.decode(compiled.encode(message))), bytesOf(desc, message));
      }
    });
  }

  test(`${name}: nothing is the empty message, and what is nested too deep is refused`, () => {
    const compiled = codec.compile(Proto3);
    assert.deepEqual(compiled.decode(new Uint8Array(0)), create(Proto3));
    assert.deepEqual(codec.compile(Int64ValueSchema).decode(new Uint8Array(0)), create(Int64ValueSchema));
    const nest = (depth: number): Uint8Array => {
      let init: MessageInitShape<typeof Proto3> = {};
      for (let i = 1; i < depth; i++) init = { recursiveMessage: init };
      return compiled.encode(create(Proto3, init));
    };
    assert.ok(compiled.decode(nest(100)).recursiveMessage);
    assert.throws(() => compiled.decode(nest(101)), /depth|deep/);
  });
}

describe("xml", () => {
  const all = xmlCodec.compile(Proto3);
  const small = createXmlCodec({ emitZeroValues: false, types });
  const written = (init: MessageInitShape<typeof Proto3>): string =>
    small.compile(Proto3).encodeText!(create(Proto3, init));
  const read = (xml: string, codec: Codec = xmlCodec) => codec.compile(Proto3).decode(Buffer.from(xml));

  test("elements are named as in JSON, repeated for lists, and hold key and value for maps", () => {
    const xml = written({
      optionalInt64: 2n ** 60n,
      optionalBool: true,
      optionalString: "a<b & c\r\n",
      optionalBytes: Uint8Array.of(251, 255),
      optionalNestedEnum: 2,
      optionalNestedMessage: { a: 5 },
      repeatedString: ["", " x "],
      mapStringString: { bolt: "12", "": "" },
      optionalDouble: -0,
      optionalTimestamp: create(TimestampSchema, { seconds: 1n }),
      optionalStruct: { a: [1, null] },
      optionalInt32Wrapper: 0,
    });
    assert.equal(
      xml,
      "<TestAllTypesProto3><optionalInt64>1152921504606846976</optionalInt64><optionalDouble>-0</optionalDouble>" +
        "<optionalBool>true</optionalBool><optionalString>a&lt;b &amp; c&#xD;\n</optionalString>" +
        "<optionalBytes>+/8=</optionalBytes><optionalNestedMessage><a>5</a></optionalNestedMessage>" +
        "<optionalNestedEnum>BAZ</optionalNestedEnum><repeatedString></repeatedString><repeatedString> x </repeatedString>" +
        "<mapStringString><key>bolt</key><value>12</value></mapStringString>" +
        "<mapStringString><key></key><value></value></mapStringString><optionalInt32Wrapper>0</optionalInt32Wrapper>" +
        "<optionalTimestamp>1970-01-01T00:00:01Z</optionalTimestamp>" +
        '<optionalStruct>{"a":[1,null]}</optionalStruct>' +
        "</TestAllTypesProto3>",
    );
  });

  test("is read with attributes, prefixes, comments, CDATA, space between elements, and both names", () => {
    const message = read(`\uFEFF<?xml version="1.0" encoding="utf-8"?>
      <!-- a comment --><m:any xmlns:m="urn:x" a="1">
        <m:optionalInt32> 7 </m:optionalInt32>
        <optional_string><![CDATA[<b>]]>&#x41;</optional_string>
        <optionalNestedEnum>1</optionalNestedEnum><optionalBool>1</optionalBool>
        <unknown><deep/></unknown>
      </m:any>`);
    assert.deepEqual(
      message,
      create(Proto3, { optionalInt32: 7, optionalString: "<b>A", optionalNestedEnum: 1, optionalBool: true }),
    );
  });

  test("messages that are not fields in JSON are text at the root as well", () => {
    const duration = xmlCodec.compile(DurationSchema);
    assert.equal(duration.encodeText!(create(DurationSchema, { seconds: 5n })), "<Duration>5s</Duration>");
    assert.equal(duration.decode(Buffer.from("<x> 5s\n</x>")).seconds, 5n);
    const value = xmlCodec.compile(ValueSchema);
    const none = create(ValueSchema, { kind: { case: "nullValue", value: NullValue.NULL_VALUE } });
    assert.equal(value.encodeText!(none), "<Value>null</Value>");
    assert.deepEqual(value.decode(Buffer.from("<Value>null</Value>")), none);
  });

  test("what is no such message is refused, and the error names the field", () => {
    for (const [content, error] of [
      ["<optionalInt32>x</optionalInt32>", /optional_int32/],
      ["<optionalInt32></optionalInt32>", /optional_int32/],
      ["<optionalInt32><a/></optionalInt32>", /optional_int32.*expected text/],
      ["<optionalInt32>1</optionalInt32><optional_int32>1</optional_int32>", /optional_int32.*twice/],
      ["<optionalBool>yes</optionalBool>", /optional_bool/],
      ["<optionalNestedMessage>text</optionalNestedMessage>", /optional_nested_message.*expected elements/],
      ["<mapStringString><key>a</key></mapStringString>", /map_string_string/],
      ["<mapInt32Int32><key>1</key><value>x</value></mapInt32Int32>", /map_int32_int32/],
      [
        "<mapStringString><key>a</key><value>1</value></mapStringString>".repeat(2),
        /map_string_string.*"a" is there twice/,
      ],
      ["<optionalStruct>{</optionalStruct>", /optional_struct.*JSON/],
      ["<optionalTimestamp>now</optionalTimestamp>", /Timestamp/],
      ["<oneofUint32>1</oneofUint32><oneofString>x</oneofString>", /oneof/],
    ] as const) {
      assert.throws(() => read(`<m>${content}</m>`), { message: error }, content);
    }
    assert.throws(() => read("<m><nope/></m>", createXmlCodec({ rejectUnknownFields: true })), /nope/);
    for (const xml of ["<m>", "<m></n>", "text", "<m/><m/>", "<m>&nope;</m>", "<m>\u0000</m>", '<m a="1" a="2"/>']) {
      assert.throws(() => read(xml), /^Error: cannot decode XML/, xml);
    }
    assert.throws(() => all.decode(Uint8Array.of(0x3c, 0x6d, 0x3e, 0xff)), /UTF-8/);
    assert.throws(() => read('<?xml version="1.0" encoding="latin1"?><m/>'), /UTF-8/);
  });

  test("no document type declaration: no entity grows, and nothing is fetched", () => {
    for (const declaration of [
      '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
      '<!DOCTYPE m SYSTEM "file:///etc/passwd">',
      "<!DOCTYPE m>",
    ]) {
      assert.throws(
        () => read(`${declaration}<m><optionalString>&b;</optionalString></m>`),
        /document type declaration/,
      );
    }
    assert.throws(() => read("<a>".repeat(100_000)), /nested/);
    const own = read("<m><mapStringString><key>__proto__</key><value>x</value></mapStringString><__proto__/></m>");
    assert.deepEqual(Object.entries(own.mapStringString), [["__proto__", "x"]]);
  });

  test("text that XML cannot hold is refused by its field", () => {
    for (const text of ["\u0000", "\u001f", "\ufffe", "\ud800"]) {
      assert.throws(() => written({ repeatedString: [text] }), /repeated_string.*U\+/);
    }
    assert.throws(() => written({ mapStringString: { "\u0001": "" } }), /map_string_string.*U\+0001/);
  });
});

describe("yaml", () => {
  const read = (yaml: string, codec: Codec = yamlCodec) => codec.compile(Proto3).decode(Buffer.from(yaml));

  test("is the JSON mapping in YAML's clothes", () => {
    const message = create(Proto3, {
      optionalInt64: 2n ** 60n,
      optionalString: "yes: no",
      optionalNestedEnum: 2,
      repeatedInt32: [1, 2],
      mapStringString: { "1": "null" },
      optionalTimestamp: create(TimestampSchema, { seconds: 1n }),
    });
    const codec = (int64AsNumber: boolean) => createYamlCodec({ emitZeroValues: false, int64AsNumber }).compile(Proto3);
    assert.equal(
      codec(false).encodeText!(message),
      'optionalInt64: "1152921504606846976"\noptionalString: "yes: no"\noptionalNestedEnum: BAZ\nrepeatedInt32:\n  - 1\n  - 2\n' +
        'mapStringString:\n  "1": "null"\noptionalTimestamp: 1970-01-01T00:00:01Z\n',
    );
    assert.match(codec(true).encodeText!(message), /^optionalInt64: 1152921504606846976\n/);
    assert.deepEqual(read(codec(true).encodeText!(message)), message);
  });

  test("is read as people write it", () => {
    const message = read(`
      # a comment
      optional_int64: 9223372036854775807
      optionalUint64: 0xff
      optionalDouble: -.inf
      optionalFloat: .nan
      mapInt32Int32: { 1: 2 }
      optionalString: |
        two
        lines
      optionalBoolWrapper: true
      nope: {}
    `);
    assert.equal(message.optionalInt64, 2n ** 63n - 1n);
    assert.equal(message.optionalUint64, 255n);
    assert.deepEqual([message.optionalDouble, message.optionalFloat], [-Infinity, Number.NaN]);
    assert.deepEqual(message.mapInt32Int32, { 1: 2 });
    assert.equal(message.optionalString, "two\nlines\n");
    assert.equal(message.optionalBoolWrapper, true);
    assert.deepEqual(read("# nothing\n"), create(Proto3));
  });

  test("what is no such message is refused, and nothing grows", () => {
    for (const [yaml, error] of [
      ["optionalInt32: x", /optional_int32/],
      ["optionalInt32: 1.5", /optional_int32/],
      ["optionalString: 5", /optional_string/],
      ["- 1", /TestAllTypesProto3/],
      ["optionalInt32: 1\noptionalInt32: 2", /unique/],
      ["optionalString: [", /YAML/],
      ["--- {}\n--- {}", /YAML/],
      ["optionalString: &a x\nrepeatedString: [*a]", /YAML.*alias/i],
      [`repeatedString: ${"[".repeat(5000)}`, /YAML/],
      [`optionalStruct: ${"[".repeat(300)}${"]".repeat(300)}`, /deep/],
    ] as const) {
      assert.throws(() => read(yaml), { message: error }, yaml.slice(0, 60));
    }
    assert.throws(() => read("nope: 1", createYamlCodec({ rejectUnknownFields: true })), /nope/);
    const own = read("mapStringString: { __proto__: x }\n__proto__: { optionalInt32: 1 }");
    assert.deepEqual(Object.entries(own.mapStringString), [["__proto__", "x"]]);
    assert.equal(own.optionalInt32, 0);
  });
});

describe("msgpack", () => {
  const codec = msgpackCodec.compile(Proto3);
  const hex = (init: MessageInitShape<typeof Proto3>): string =>
    Buffer.from(codec.encode(create(Proto3, init))).toString("hex");
  const key = (name: string): string => Buffer.from(name).toString("hex");
  const read = (text: string) => codec.decode(Buffer.from(text, "hex"));

  test("has the bytes of the specification under the names of Go", () => {
    const int32 = `81ad${key("OptionalInt32")}`;
    for (const [value, bytes] of [
      [1, "01"],
      [127, "7f"],
      [128, "cc80"],
      [256, "cd0100"],
      [65536, "ce00010000"],
      [-1, "ff"],
      [-32, "e0"],
      [-33, "d0df"],
      [-129, "d1ff7f"],
      [-32769, "d2ffff7fff"],
    ] as const) {
      assert.equal(hex({ optionalInt32: value }), int32 + bytes, String(value));
      assert.equal(read(int32 + bytes).optionalInt32, value);
    }
    assert.equal(hex({ optionalInt64: -(2n ** 63n) }), `81ad${key("OptionalInt64")}d38000000000000000`);
    assert.equal(hex({ optionalUint64: 2n ** 64n - 1n }), `81ae${key("OptionalUint64")}cfffffffffffffffff`);
    assert.equal(hex({ optionalFloat: 1.5 }), `81ad${key("OptionalFloat")}ca3fc00000`);
    assert.equal(hex({ optionalDouble: 1.5 }), `81ae${key("OptionalDouble")}cb3ff8000000000000`);
    assert.equal(hex({ optionalBool: true }), `81ac${key("OptionalBool")}c3`);
    assert.equal(hex({ optionalString: "ü" }), `81ae${key("OptionalString")}a2c3bc`);
    assert.equal(hex({ optionalBytes: Uint8Array.of(1, 2) }), `81ad${key("OptionalBytes")}c4020102`);
    assert.equal(hex({ optionalNestedEnum: 2 }), `81b2${key("OptionalNestedEnum")}02`);
    assert.equal(hex({ repeatedInt32: [1, 2] }), `81ad${key("RepeatedInt32")}920102`);
    assert.equal(hex({ mapInt32Int32: { 5: -1 } }), `81ad${key("MapInt32Int32")}8105ff`);
    assert.equal(
      hex({ oneofField: { case: "oneofUint32", value: 7 } }),
      `81aa${key("OneofField")}81ab${key("OneofUint32")}07`,
    );
    const second = create(TimestampSchema, { seconds: 1n });
    assert.equal(hex({ optionalTimestamp: second }), `81b1${key("OptionalTimestamp")}81a7${key("Seconds")}01`);
  });

  test("reads what Go writes: github.com/vmihailenco/msgpack 5.4.1 on the structs of google.golang.org/protobuf", () => {
    const type = msgpackCodec
      .compile(TypeSchema)
      .decode(
        Buffer.from(
          "87a44e616d65a5706b672e54a64669656c6473928aa44b696e64d200000003ab43617264696e616c697479d200000000a64e756d626572" +
            "d20000012ca44e616d65a16ea75479706555726ca175aa4f6e656f66496e646578d2ffffffffa65061636b6564c3a74f7074696f6e73" +
            "9182a44e616d65a16fa556616c756582a75479706555726ca178a556616c7565c4020102a84a736f6e4e616d65a16aac44656661756c" +
            "7456616c7565a0c0a64f6e656f667392a161a162a74f7074696f6e73c0ad536f75726365436f6e74657874c0a653796e746178d20000" +
            "0001a745646974696f6ea0",
          "hex",
        ),
      );
    const option = { name: "o", value: { typeUrl: "x", value: Uint8Array.of(1, 2) } };
    const field = { kind: 3, number: 300, name: "n", typeUrl: "u", oneofIndex: -1, packed: true, jsonName: "j" };
    assert.deepStrictEqual(
      type,
      create(TypeSchema, {
        name: "pkg.T",
        fields: [{ ...field, options: [option] }, {}],
        oneofs: ["a", "b"],
        syntax: 1,
      }),
    );
    const struct = "81a64669656c647381a16181a44b696e6481ab4e756d62657256616c7565cb3ff8000000000000";
    const kind = { case: "numberValue" as const, value: 1.5 };
    const expected = create(StructSchema, { fields: { a: create(ValueSchema, { kind }) } });
    assert.deepStrictEqual(msgpackCodec.compile(StructSchema).decode(Buffer.from(struct, "hex")), expected);
    assert.equal(Buffer.from(msgpackCodec.compile(StructSchema).encode(expected)).toString("hex"), struct);
  });

  test("long text, bytes, lists and maps have heads of their size", () => {
    for (const size of [31, 32, 255, 256, 65535, 65536]) {
      const message = create(Proto3, {
        optionalString: "x".repeat(size),
        optionalBytes: Buffer.alloc(size, 7),
        repeatedInt32: Array.from({ length: size }, (_, i) => i),
        mapInt32Int32: Object.fromEntries(Array.from({ length: size }, (_, i) => [i, 1])),
      });
      const decoded = codec.decode(codec.encode(message));
      assert.equal(decoded.optionalString, message.optionalString);
      assert.deepEqual(Buffer.from(decoded.optionalBytes), message.optionalBytes);
      assert.deepEqual(decoded.repeatedInt32, message.repeatedInt32);
      assert.equal(Object.keys(decoded.mapInt32Int32).length, size);
    }
  });

  test("fields are found by all of their names, nil is nothing, and what is not known is passed over", () => {
    const names = ["OptionalInt32", "optionalInt32", "optional_int32"];
    for (const name of names) {
      assert.equal(read(`81${(0xa0 + name.length).toString(16)}${key(name)}05`).optionalInt32, 5, name);
    }
    // As Go writes: every field, int64 in nine bytes, nil for what is not there.
    const go =
      `85ad${key("OptionalInt64")}d30000000000000007ae${key("RepeatedString")}c0b5${key("OptionalNestedMessage")}c0` +
      `aa${key("OneofField")}c0a4${key("Nope")}8101a178`;
    assert.deepEqual(read(go), create(Proto3, { optionalInt64: 7n }));
  });

  test("the names of Go are those that protoc-gen-go makes", () => {
    const fields = Proto3.fields.filter(({ number }) => number > 400 && number < 419);
    const names = fields.map((field) => {
      const bytes = Buffer.from(codec.encode(create(Proto3, { [field.localName]: 1 })));
      return bytes.subarray(2, -1).toString();
    });
    assert.deepEqual(names, [
      ...["Fieldname1", "FieldName2", "XFieldName3", "Field_Name4_", "Field0Name5", "Field_0Name6", "FieldName7"],
      ...["FieldName8", "Field_Name9", "Field_Name10", "FIELD_NAME11", "FIELDName12", "XFieldName13", "X_FieldName14"],
      ...["Field_Name15", "Field__Name16", "FieldName17__", "FieldName18__"],
    ]);
  });

  test("what is no such message is refused, and the error names the field", () => {
    const int32 = `81ad${key("OptionalInt32")}`;
    for (const [bytes, error] of [
      ["05", /TestAllTypesProto3.*a map/],
      [`${int32}a178`, /optional_int32/],
      [`${int32}ce80000000`, /optional_int32/],
      [`${int32}cb3ff8000000000000`, /optional_int32/],
      [`${int32}c3`, /optional_int32/],
      [`81ae${key("OptionalString")}05`, /optional_string/],
      [`81ae${key("OptionalString")}a1ff`, /UTF-8/],
      [`81ac${key("OptionalBool")}01`, /optional_bool/],
      [`81ad${key("OptionalBytes")}a178`, /optional_bytes/],
      [`81ae${key("OptionalUint64")}ff`, /optional_uint64/],
      [`81ad${key("RepeatedInt32")}91a178`, /repeated_int32/],
      [`81ad${key("RepeatedInt32")}05`, /repeated_int32.*an array/],
      [`81ad${key("MapInt32Int32")}81a17801`, /map_int32_int32/],
      [`81ad${key("MapInt32Int32")}820101 0101`.replace(" ", ""), /twice/],
      [`81aa${key("OneofField")}82ab${key("OneofUint32")}01ab${key("OneofString")}a0`, /oneof_field/],
      ["", undefined],
      ["8000", /more after/],
      ["81", /too early/],
      ["c1", /0xc1/],
      ["d6ff00000000", /0xd6/],
      ["ddffffffff", /too early/],
      ["dfffffffff", /too early/],
      ["c6ffffffff", /too early/],
      ["91".repeat(1000), /deep/],
    ] as const) {
      if (error === undefined) assert.deepEqual(read(bytes), create(Proto3));
      else assert.throws(() => read(bytes), { message: error }, bytes.slice(0, 80));
    }
    const wrong = create(Proto3, { optionalNestedMessage: { a: 1 } });
    wrong.optionalNestedMessage!.a = "x" as never;
    assert.throws(() => codec.encode(wrong), /NestedMessage\.a/);
  });

  test("decoding keeps no reference to the bytes, and a name from outside is nobody's prototype", () => {
    const bytes = Buffer.from(
      codec.encode(create(Proto3, { optionalBytes: Uint8Array.of(7), mapStringString: { a: "b" } })),
    );
    const message = codec.decode(bytes);
    bytes.fill(0);
    assert.deepEqual([...message.optionalBytes], [7]);
    const own = read(`81af${key("MapStringString")}81a9${key("__proto__")}a178`);
    assert.equal(Object.getPrototypeOf(own.mapStringString), Object.prototype);
  });
});
