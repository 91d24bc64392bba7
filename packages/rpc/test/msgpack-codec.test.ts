import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { StructSchema, TimestampSchema, TypeSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { msgpackCodec } from "@clew/rpc/msgpack";
import { TestAllTypesProto3Schema as Proto3 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { testWithoutCodeGeneration } from "./without-code-generation.ts";

testWithoutCodeGeneration(import.meta.filename);

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
