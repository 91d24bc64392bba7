// JSON beyond what protobuf-es writes and reads alike, for which see codec.test.ts: policies, other forms, what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createRegistry, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema, DurationSchema, StructSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { createJsonCodec, jsonCodec } from "@clew/rpc";
import * as proto2 from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto2_pb.ts";
import { TestAllTypesProto3Schema as Proto3 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { testWithoutCodeGeneration } from "./without-code-generation.ts";

testWithoutCodeGeneration(import.meta.filename);

const types = createRegistry(DurationSchema, AnySchema, proto2.file_google_protobuf_test_messages_proto2);

/** JSON values are the same for the same values in any order: an Any's type may come first or last. */
function parsed(json: string): JsonValue {
  return JSON.parse(json) as JsonValue;
}

test("an option that there is not, or that holds no such thing, is told when the codec is made", () => {
  const cases: [object, RegExp][] = [
    [{ emitZeroValue: true }, /^JSON has no option emitZeroValue; its options are .*; did you mean emitZeroValues\?$/],
    [{ enumAsNumber: 1 }, /^option enumAsNumber is 1; it must be true or false$/],
    [{ int64AsNumber: "yes" }, /^option int64AsNumber is "yes"; it must be true, false or "safe"$/],
    [
      { types: [DurationSchema] },
      /^option types is a list; it must be a registry of types, made by createRegistry\(\) /,
    ],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => createJsonCodec(options), { code: "CLEW_RPC_JSON_OPTION", message });
  }
});

test("each server has its own JSON policy", () => {
  const message = create(Proto3, {
    optionalInt64: 2n ** 60n + 1n,
    repeatedInt64: [1n],
    mapInt64Int64: { 5: -5n },
    optionalInt64Wrapper: 7n,
    optionalNestedEnum: 2,
    optionalNestedMessage: { corecursive: { optionalUint64: 3n } },
  });
  const plain = { emitZeroValues: false };
  const written = (options: object): string =>
    createJsonCodec({ ...plain, ...options }).compile(Proto3).encodeText!(message);
  assert.equal(
    written({}),
    '{"optionalInt64":"1152921504606846977","optionalNestedMessage":{"corecursive":{"optionalUint64":"3"}},' +
      '"optionalNestedEnum":"BAZ","repeatedInt64":["1"],"mapInt64Int64":{"5":"-5"},"optionalInt64Wrapper":"7"}',
  );
  assert.equal(
    written({ int64AsNumber: true, enumAsNumber: true, useProtoFieldNames: true }),
    '{"optional_int64":1152921504606846977,"optional_nested_message":{"corecursive":{"optional_uint64":3}},' +
      '"optional_nested_enum":2,"repeated_int64":[1],"map_int64_int64":{"5":-5},"optional_int64_wrapper":7}',
  );
  const big = createJsonCodec({ int64AsNumber: "safe", emitZeroValues: false }).compile(Proto3);
  const edges = create(Proto3, {
    optionalInt64: -(2n ** 53n) + 1n,
    repeatedInt64: [2n ** 53n, 5n],
    optionalUint64Wrapper: 2n ** 64n - 1n,
  });
  assert.deepEqual(parsed(big.encodeText!(edges)), {
    optionalInt64: -9007199254740991,
    repeatedInt64: ["9007199254740992", 5],
    optionalUint64Wrapper: "18446744073709551615",
  });
});

test("both names of a field, and both forms of enums and integers are read", () => {
  const codec = jsonCodec.compile(Proto3);
  const read = (json: string) => codec.decode(Buffer.from(json));
  assert.equal(read('{"optional_int32":1}').optionalInt32, 1);
  assert.equal(read('{"optionalInt32":"1e2"}').optionalInt32, 100);
  assert.equal(read('{"optionalNestedEnum":"BAZ"}').optionalNestedEnum, 2);
  assert.equal(read('{"optionalNestedEnum":1}').optionalNestedEnum, 1);
  assert.equal(read('{"optionalInt64":5}').optionalInt64, 5n);
  assert.equal(read('{"optionalDouble":"-Infinity"}').optionalDouble, -Infinity);
  assert.deepEqual(Buffer.from(read('{"optionalBytes":"-_8"}').optionalBytes), Buffer.from([0xfb, 0xff]));
  assert.deepEqual(Buffer.from(read('{"optionalBytes":"+/8="}').optionalBytes), Buffer.from([0xfb, 0xff]));
  assert.deepEqual(read('{"optionalInt32":null,"repeatedInt32":null,"optionalNestedMessage":null}'), create(Proto3));
  assert.equal(read('{"optionalNestedEnum":"NO_SUCH","optionalInt32":3}').optionalInt32, 3);
});

test("a JSON number is the integer that its digits say, also beyond 2^53", () => {
  const codec = createJsonCodec({ types }).compile(Proto3);
  const read = (json: string) => codec.decode(Buffer.from(json));
  assert.equal(read('{"optionalInt64":9007199254740993}').optionalInt64, 9007199254740993n);
  assert.equal(read('{"optionalInt64":-9223372036854775808}').optionalInt64, -(2n ** 63n));
  assert.equal(read('{"optionalUint64":18446744073709551615}').optionalUint64, 2n ** 64n - 1n);
  assert.equal(read('{"optionalInt64":9007199254740993.00}').optionalInt64, 9007199254740993n);
  assert.equal(read('{"optionalInt64":0.9007199254740993E16}').optionalInt64, 9007199254740993n);
  assert.equal(read('{"optionalInt64":1e18}').optionalInt64, 10n ** 18n);
  const all = read(
    '{"repeatedInt64":[1,9007199254740993],"mapInt64Int64":{"1":9007199254740993},"optionalInt64Wrapper":9007199254740993,' +
      '"optionalStruct":{"a":[9007199254740993]},"optionalValue":9007199254740993,"optionalDouble":9007199254740993,' +
      '"repeatedFloat":[9007199254740993],"optionalNestedMessage":{"corecursive":{"optionalFixed64":9007199254740993}},' +
      '"optionalAny":{"@type":"/google.protobuf.Duration","value":"9007199254s"},"optionalString":"9007199254740993"}',
  );
  assert.deepEqual(all.repeatedInt64, [1n, 9007199254740993n]);
  assert.deepEqual(all.mapInt64Int64, { 1: 9007199254740993n });
  assert.equal(all.optionalInt64Wrapper, 9007199254740993n);
  // The other numbers are doubles.
  assert.deepEqual(all.optionalStruct, { a: [9007199254740992] });
  assert.deepEqual(all.optionalValue?.kind, { case: "numberValue", value: 9007199254740992 });
  assert.equal(all.optionalDouble, 9007199254740992);
  assert.deepEqual(all.repeatedFloat, [9007199254740992]);
  assert.equal(all.optionalNestedMessage?.corecursive?.optionalFixed64, 9007199254740993n);
  for (const [json, error] of [
    ['{"optionalInt64":9223372036854775808}', /optional_int64.*9223372036854775808/],
    ['{"optionalUint64":18446744073709551616}', /optional_uint64.*18446744073709551616/],
    ['{"optionalInt64":9007199254740993.5}', /optional_int64/],
    ['{"optionalInt64":1e300}', /optional_int64/],
    [`{"optionalInt64":9007199254740993.${"0".repeat(100)}}`, /optional_int64/],
    ['{"repeatedInt64":[9007199254740993],"optionalInt32":9007199254740993}', /optional_int32.*9007199254740993/],
    ['{"repeatedInt64":[9007199254740993],"optionalNestedEnum":9007199254740993}', /enum/i],
    ['{"repeatedInt64":[9007199254740993],"optionalString":9007199254740993}', /optional_string/],
    ['{"repeatedInt64":[9007199254740993],"optionalBool":9007199254740993}', /optional_bool/],
  ] as const) {
    assert.throws(() => read(json), { message: error }, json);
  }
});

test("JSON that is not the message is refused, and the error names the field", () => {
  const codec = jsonCodec.compile(Proto3);
  for (const [json, error] of [
    ["[]", /TestAllTypesProto3/],
    ["3", /TestAllTypesProto3/],
    ['{"optionalInt32":1.5}', /optional_int32/],
    ['{"optionalInt32":2147483648}', /optional_int32/],
    ['{"optionalInt32":" 1"}', /optional_int32/],
    ['{"optionalInt32":""}', /optional_int32/],
    ['{"optionalUint32":-1}', /optional_uint32/],
    ['{"optionalInt64":"9223372036854775808"}', /optional_int64/],
    ['{"optionalInt64":1.5}', /optional_int64/],
    ['{"optionalUint64":"-1"}', /optional_uint64/],
    ['{"optionalString":1}', /optional_string/],
    ['{"optionalBool":"true"}', /optional_bool/],
    ['{"optionalFloat":1e39}', /optional_float/],
    ['{"optionalDouble":1e999}', /optional_double/],
    ['{"optionalBytes":"!"}', /optional_bytes/],
    ['{"optionalNestedEnum":1.5}', /NestedEnum|optional_nested_enum/],
    ['{"repeatedInt32":5}', /repeated_int32/],
    ['{"repeatedInt32":[null]}', /repeated_int32/],
    ['{"mapInt32Int32":{"x":1}}', /map_int32_int32/],
    ['{"mapInt32Int32":{"1":1,"01":2}}', /map_int32_int32/],
    ['{"mapBoolBool":{"yes":true}}', /map_bool_bool/],
    ['{"optional_int32":1,"optionalInt32":2}', /optional_int32|optionalInt32/],
    ['{"oneofUint32":1,"oneofString":"x"}', /oneof_field/],
    ['{"optionalTimestamp":"yesterday"}', /Timestamp/],
    ['{"optionalTimestamp":"0000-01-01T00:00:00Z"}', /Timestamp/],
    ['{"optionalDuration":"5"}', /Duration/],
    ['{"optionalFieldMask":"foo_bar"}', /FieldMask/],
    ['{"optionalFieldMask":"a..b"}', /FieldMask.*a\.\.b/],
    ['{"optionalFieldMask":"a,,b"}', /FieldMask/],
    ['{"optionalFieldMask":"a.1"}', /FieldMask/],
    ['{"optionalFieldMask":"a, b"}', /FieldMask/],
    ['{"optionalInt32":"0x10"}', /optional_int32/],
    ['{"optionalInt32":"+5"}', /optional_int32/],
    ['{"optionalInt64":"0x10"}', /optional_int64/],
    ['{"optionalInt64":"+5"}', /optional_int64/],
    ['{"optionalDouble":"0x10"}', /optional_double/],
    ['{"optionalDouble":"+Infinity"}', /optional_double/],
    ['{"optionalBytes":"===="}', /optional_bytes/],
    ['{"optionalBytes":"A"}', /optional_bytes/],
    ['{"mapInt32Int32":{"+5":1}}', /map_int32_int32/],
    ['{"mapInt32Int32":{"0x10":1}}', /map_int32_int32/],
    ['{"optionalTimestamp":"2025-02-30T00:00:00Z"}', /Timestamp/],
    ['{"optionalAny":{"@type":"type.googleapis.com/no.Such"}}', /no\.Such/],
    ['{"optionalString":"\\ud800"}', /./],
  ] as const) {
    assert.throws(() => codec.decode(Buffer.from(json)), { message: error }, json);
  }
});

test("a codec that refuses unknown fields refuses names that come twice", () => {
  const codec = createJsonCodec({ rejectUnknownFields: true }).compile(Proto3);
  const read = (json: string) => codec.decode(Buffer.from(json));
  assert.throws(() => read('{"noSuchField":1}'), /noSuchField/);
  assert.throws(() => read('{"optionalNestedEnum":"NO_SUCH"}'), /NestedEnum|optional_nested_enum/);
  assert.throws(() => read('{"optionalInt32":1,"optionalString":"","optionalInt32":1}'), /optionalInt32/);
  assert.throws(() => read('{"optionalNestedMessage":{"a":1,"\\u0061":1}}'), /a/);
  // The same names in different objects, and in text.
  const json =
    '{"repeatedNestedMessage":[{"a":1},{"a":2}],"optionalString":"\\"a\\":1,\\\\","repeatedString":["a","a"]}';
  assert.deepEqual(
    read(json).repeatedNestedMessage.map(({ a }) => a),
    [1, 2],
  );
});

test("well-known types have their own JSON", () => {
  const codec = createJsonCodec({ types, emitZeroValues: false }).compile(Proto3);
  const packed = create(AnySchema, {
    typeUrl: "type.googleapis.com/google.protobuf.Duration",
    value: toBinary(DurationSchema, create(DurationSchema, { seconds: 1n, nanos: 500_000_000 })),
  }) as Any;
  const message = create(Proto3, {
    optionalTimestamp: create(TimestampSchema, { seconds: 1_760_000_000n, nanos: 1_000 }),
    optionalDuration: create(DurationSchema, { nanos: -1 }),
    optionalFieldMask: { paths: ["foo_bar", "baz"] },
    optionalStruct: { list: [1, null], text: "ö" },
    optionalAny: packed,
    optionalBytesWrapper: Uint8Array.of(255),
  });
  const json =
    '{"optionalBytesWrapper":"/w==","optionalDuration":"-0.000000001s","optionalTimestamp":"2025-10-09T08:53:20.000001Z",' +
    '"optionalFieldMask":"fooBar,baz","optionalStruct":{"list":[1,null],"text":"ö"},' +
    '"optionalAny":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}}';
  assert.deepEqual(parsed(codec.encodeText!(message)), parsed(json));
  assert.deepStrictEqual(codec.decode(Buffer.from(json)), message);
  const wrong = create(Proto3, { optionalTimestamp: { seconds: 10n ** 12n } });
  assert.throws(() => codec.encodeText!(wrong), /Timestamp/);
  const struct = createJsonCodec().compile(StructSchema);
  assert.deepEqual(parsed(struct.encodeText!(struct.decode(Buffer.from('{"a":[true,{"b":null}]}')))), {
    a: [true, { b: null }],
  });
});
