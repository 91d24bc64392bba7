import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { StructSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Codec } from "@clew/rpc";
import { createYamlCodec, yamlCodec } from "@clew/rpc/yaml";
import { TestAllTypesProto3Schema as Proto3 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { testWithoutCodeGeneration } from "./without-code-generation.ts";

testWithoutCodeGeneration(import.meta.filename);

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

  test("a key that comes twice is found in one go among very many", () => {
    // So many that work which grows with their square would not end.
    const lines = Array.from({ length: 200_000 }, (_, index) => `k${index}: 1`);
    const struct = yamlCodec.compile(StructSchema);
    assert.throws(() => struct.decode(Buffer.from([...lines, "k7: 2"].join("\n"))), /"k7" is not unique/);
    assert.throws(() => struct.decode(Buffer.from("a: [{b: {c: 1, c: 2}}]")), /"c" is not unique/);
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
