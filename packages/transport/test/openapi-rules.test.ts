// Schemas against the judges of messages: protovalidate for rules, our JSON codec for what a message looks like.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
  create,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { createJsonCodec, type JsonCodecOptions } from "@clew/rpc";
import { createOpenApi } from "@clew/transport/openapi";
import type { ValidateFunction } from "ajv/dist/2020.js";
import { TestAllTypesEdition2023Schema } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_edition2023_pb.ts";
import { TestAllTypesProto2Schema } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto2_pb.ts";
import { TestAllTypesProto3Schema } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { ConstraintsSchema, ConstraintsTaker } from "./gen/test/v1/constraints_pb.ts";
import { schemaCompiler } from "./openapi-checker.ts";

const validator = createValidator();
let check: ValidateFunction;

before(() => {
  const compile = schemaCompiler(createOpenApi({ services: [ConstraintsTaker] }));
  check = compile({ $ref: "#/components/schemas/test.v1.Constraints" });
});

const base: JsonObject = { needed: "x", left: "a" };

/** Values of each field, those that its rule takes and others. */
const candidates: Readonly<Record<string, readonly JsonValue[]>> = {
  textConst: ["x", "", "y"],
  textLen: ["ab", "äö", "a", "abc", "🙂🙂", "🙂"],
  textBetween: ["a", "ab", "abcd", "abcde", ""],
  textBytes: ["a", "ab", "abcd", "abcde", "ä", "äö", "🙂", ""],
  textPattern: ["a", "aab", "b", "abb", ""],
  textAffixes: ["a.mz)", "a.xz)", "abmz)", "a.m", "x"],
  textWithout: ["abc", "a/xb", "/x", "/\nx", "a\n/x"],
  textIn: ["a", "b", "c", ""],
  textNotIn: ["a", "b", "c", ""],
  email: ["ann@example.com", "ann", "", "ann@", "a b@example.com"],
  uuid: ["123e4567-e89b-12d3-a456-426614174000", "123e4567", ""],
  ip: ["127.0.0.1", "::1", "127.0.0.256", "localhost", ""],
  hostname: ["example.com", "a-b", "-a", "a b", ""],
  uri: ["https://example.com/x?y#z", "/x", "not a uri", ""],
  header: ["x-name", ":path", "x name", "x+y", ""],
  tuuid: ["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-426614174000", ""],
  insensitive: ["abc", "ABC", "abd"],
  above: [3, 4, -1, 0],
  between: [-2, -1, 0, 4, 5],
  outside: [-1, 0, 2, 4, 5],
  oneOf: [0, 1, 2, 3],
  part: [0, 0.5, 1, -0.1, "NaN"],
  finite: [0, 1.5, "NaN", "Infinity"],
  longIn: ["1", "9007199254740993", "2"],
  longBelow: ["4", "5", "-9"],
  zeroPasses: [0, 3, 4],
  yes: [true, false],
  size: ["SIZE_UNSPECIFIED", "SMALL", "LARGE", "HUGE"],
  seal: ["AA==", "AAA=", "AAAA", "AAAAAA==", "AAAAAAA=", ""],
  names: [[], ["ab"], ["ab", "cd"], ["ab", "ab"], ["a"], ["ab", "cd", "ef"]],
  counts: [{}, { a: 0 }, { a: -1 }, { A: 1 }, { a: 1, b: 2 }, { a: 1, b: 2, c: 3 }],
  hold: ["1s", "5s", "6s"],
  skipped: ["", "x"],
  needed: ["x", ""],
  left: ["", "x"],
};

/** What only words tell: the schema takes more. */
const toldInWords: ReadonlySet<string> = new Set(["textBytes", "insensitive", "longBelow", "hold", "seal"]);

for (const [name, values] of Object.entries(candidates)) {
  test(`${name}: the schema and protovalidate agree`, () => {
    const verdicts = new Set<boolean>();
    for (const value of values) {
      const json: JsonObject = { ...base, [name]: value };
      const isValid = validator.validate(ConstraintsSchema, fromJson(ConstraintsSchema, json)).kind === "valid";
      const isTaken = check(json);
      verdicts.add(isValid);
      const told = `${JSON.stringify(value)}: ${isValid ? "valid" : "invalid"}, ${JSON.stringify(check.errors)}`;
      if (isValid || !toldInWords.has(name)) assert.equal(isTaken, isValid, told);
    }
    // Some pass, and some do not: otherwise this judged nothing.
    assert.equal(verdicts.size, name === "skipped" || name === "left" ? 1 : 2);
  });
}

test("a oneof that has to be set: the schema and protovalidate agree", () => {
  for (const json of [{ needed: "x" }, { needed: "x", right: 1 }, { needed: "x", right: 0 }] as JsonObject[]) {
    const isValid = validator.validate(ConstraintsSchema, fromJson(ConstraintsSchema, json)).kind === "valid";
    assert.equal(check(json), isValid, JSON.stringify(json));
  }
  assert.equal(check({ needed: "x", left: "a", right: 1 }), false);
});

test("what may not be empty is required", () => {
  assert.equal(check({ left: "a" }), false);
  assert.equal(validator.validate(ConstraintsSchema, fromJson(ConstraintsSchema, { left: "a" })).kind, "invalid");
});

/** A message with every field set, some levels deep. */
function fill(desc: DescMessage, depth: number, takesOptional: boolean): Message {
  const message = create(desc) as Message & Record<string, unknown>;
  for (const field of desc.fields) {
    if (field.message?.typeName.startsWith("google.protobuf.")) continue;
    const one =
      field.message !== undefined
        ? depth > 0
          ? fill(field.message, depth - 1, takesOptional)
          : undefined
        : field.enum !== undefined
          ? field.enum.values.at(-1)!.number
          : sampleOf(field.scalar!);
    if (one === undefined) continue;
    const value = field.fieldKind === "list" ? [one, one] : field.fieldKind === "map" ? { 1: one } : one;
    if (field.fieldKind === "map" && field.mapKey === 8) continue;
    if (field.oneof === undefined) message[field.localName] = value;
    else if (takesOptional) message[field.oneof.localName] = { case: field.localName, value };
  }
  return message;
}

function sampleOf(scalar: number): unknown {
  if (scalar === 8) return true;
  if (scalar === 9) return "text";
  if (scalar === 12) return new Uint8Array([1, 2, 250]);
  if (scalar === 1 || scalar === 2) return Number.NaN;
  return [3, 4, 6, 16, 18].includes(scalar) ? 9007199254740993n : 7;
}

const everyType = [TestAllTypesProto3Schema, TestAllTypesProto2Schema, TestAllTypesEdition2023Schema] as const;
const policies: readonly JsonCodecOptions[] = [
  {},
  { emitZeroValues: false },
  { enumAsNumber: true, int64AsNumber: "safe", useProtoFieldNames: true },
];

for (const desc of everyType) {
  test(`${desc.typeName} as our JSON writes it is of its schema`, () => {
    for (const json of policies) {
      const service = {
        ...ConstraintsTaker,
        methods: ConstraintsTaker.methods.slice(0, 1).map((method) => ({ ...method, input: desc, output: desc })),
      };
      const document = createOpenApi({ services: [service as typeof ConstraintsTaker], json });
      const checkAll = schemaCompiler(document)({ $ref: `#/components/schemas/${desc.typeName}` });
      const codec = createJsonCodec(json).compile(desc);
      for (const message of [create(desc as DescMessage), fill(desc, 2, false), fill(desc, 1, true)]) {
        const value = JSON.parse(Buffer.from(codec.encode(message as never)).toString());
        assert.ok(checkAll(value), `${JSON.stringify(json)}: ${JSON.stringify(checkAll.errors?.slice(0, 3))}`);
      }
      assert.equal(checkAll({ [json.useProtoFieldNames ? "optional_int32" : "optionalInt32"]: "seven" }), false);
    }
    assert.ok(toJson(desc as DescMessage, create(desc as DescMessage)));
  });
}
