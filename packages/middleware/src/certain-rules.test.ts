import assert from "node:assert/strict";
import { before, test } from "node:test";
import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { scalarZeroValue } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import * as schema from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { DefaultsSchema, PredefinedSchema } from "../test/gen/rules_proto2_test_pb.ts";
import {
  file_rules_test,
  MayChooseSchema,
  MustBeLeftSchema,
  PartSchema,
  Rank,
  type SimpleRules,
  SimpleRulesSchema,
} from "../test/gen/rules_test_pb.ts";
import { seededRandom } from "../test/seeded-random.ts";
import { certainRules, type IsCertain } from "./certain-rules.ts";

const { validate } = createValidator();
let isCertain: IsCertain;
before(() => {
  isCertain = certainRules(schema);
});

/** Valid, and each field with a rule is set. */
function valid(changes: Record<string, unknown> = {}): SimpleRules {
  const message = create(SimpleRulesSchema, {
    name: "annie",
    code: "de",
    nickname: "an",
    needed: "x",
    mayBeEmpty: "",
    count: 9,
    big: 2n,
    part: 0.5,
    above: -1n,
    below: 4,
    tags: ["a"],
    some: [0],
    rank: Rank.LOW,
    ranked: Rank.HIGH,
    agreed: true,
    asked: false,
    nonzero: -1,
    inner: { text: "ab" },
    other: {},
    parts: [{ text: "a" }, {}],
    labels: { a: "b" },
    plain: { text: "long enough" },
    choice: { case: "left", value: "l" },
    wrapped: "w",
  });
  return Object.assign(message, changes);
}

type Verdict = "certain" | "valid" | "not valid";

/** What the library says is asserted of all that is certain. */
function judge(message: Message, desc: DescMessage = SimpleRulesSchema): Verdict {
  const certain = isCertain(desc, message);
  const { kind } = validate(desc, message);
  if (certain) assert.equal(kind, "valid", `${desc.typeName} ${describe(message)} is certain`);
  if (certain) return "certain";
  return kind === "valid" ? "valid" : "not valid";
}

function describe(message: Message): string {
  return JSON.stringify(message, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
}

function assertVerdict(verdict: Verdict, cases: readonly (readonly [name: string, value: unknown])[]): void {
  for (const [name, value] of cases) assert.equal(judge(valid({ [name]: value })), verdict, `${name} ${String(value)}`);
}

test("a message whose fields all keep their rules is certain", () => {
  assert.equal(judge(valid()), "certain");
});

test("the limits are certain, and what is beyond them is not", () => {
  assertVerdict("certain", [
    ["name", "ann"],
    ["name", "annabe"],
    ["nickname", "an"],
    ["count", 1],
    ["count", 9],
    ["big", 2n],
    ["big", 8n],
    ["part", 0],
    ["part", -0],
    ["part", 1],
    ["above", -1n],
    ["below", -Infinity],
    ["tags", ["a", "b", "c"]],
    ["rank", 0],
    ["choice", { case: "right", value: 3n }],
    ["choice", { case: "raw", value: new Uint8Array() }],
  ]);
  assertVerdict("not valid", [
    ["name", ""],
    ["name", "an"],
    ["name", "annabel"],
    ["code", "d"],
    ["code", "deu"],
    ["nickname", ""],
    ["nickname", "a"],
    ["count", 0],
    ["count", 10],
    ["big", 1n],
    ["big", 9n],
    ["part", -Number.MIN_VALUE],
    ["part", 1.0000001],
    ["part", Number.NaN],
    ["above", -2n],
    ["below", 5],
    ["below", Number.NaN],
    ["tags", []],
    ["tags", ["a", "b", "c", "d"]],
    ["rank", 2],
    ["choice", { case: "left", value: "" }],
    ["choice", { case: "right", value: 4n }],
  ]);
});

test("a character outside of the first plane counts as one", () => {
  assertVerdict("certain", [
    ["name", "😀😀😀"],
    ["name", "😀".repeat(6)],
    ["name", "an😀"],
    ["code", "😀😀"],
    ["code", "d😀"],
  ]);
  assertVerdict("not valid", [
    ["name", "😀"],
    ["name", "😀😀"],
    ["name", "a😀"],
    ["name", "😀".repeat(7)],
    ["code", "😀"],
  ]);
});

test("half a character is left to the library", () => {
  assertVerdict("valid", [
    ["name", "ann\ud83d"],
    ["name", "\ude00\ud83d\ude00\ud83d"],
  ]);
});

test("what is not set has no rule to keep but required", () => {
  assertVerdict("certain", [
    ["nickname", undefined],
    ["above", undefined],
    ["other", undefined],
    ["plain", undefined],
    ["wrapped", undefined],
    ["ranked", 7],
    ["nonzero", Number.NaN],
  ]);
  assertVerdict("not valid", [
    ["needed", ""],
    ["mayBeEmpty", undefined],
    ["some", []],
    ["ranked", 0],
    ["agreed", false],
    ["asked", undefined],
    ["nonzero", 0],
    ["inner", undefined],
    ["choice", { case: undefined }],
    ["choice", { case: "none" }],
  ]);
});

test("a oneof needs no member, but one that is required", () => {
  assert.equal(judge(create(MayChooseSchema), MayChooseSchema), "certain");
  assert.equal(judge(create(MayChooseSchema, { choice: { case: "right", value: "" } }), MayChooseSchema), "certain");
  assert.equal(judge(create(MayChooseSchema, { choice: { case: "left", value: "" } }), MayChooseSchema), "not valid");
  for (const broken of [null, undefined]) {
    const message = Object.assign(create(MayChooseSchema), { choice: broken });
    assert.equal(judge(message, MayChooseSchema), "not valid");
  }
  assert.equal(judge(create(MustBeLeftSchema), MustBeLeftSchema), "not valid");
  assert.equal(
    judge(create(MustBeLeftSchema, { choice: { case: "right", value: "" } }), MustBeLeftSchema),
    "not valid",
  );
  assert.equal(judge(create(MustBeLeftSchema, { choice: { case: "left", value: "" } }), MustBeLeftSchema), "certain");
});

test("messages inside are looked at", () => {
  const long = create(PartSchema, { text: "abc" });
  assertVerdict("not valid", [
    ["inner", long],
    ["other", long],
    ["parts", [create(PartSchema), long]],
  ]);
});

test("the default value of a field that is not set does not pass for a value", () => {
  assert.equal(judge(create(DefaultsSchema), DefaultsSchema), "not valid");
  assert.equal(judge(create(DefaultsSchema, { city: "Bonn" }), DefaultsSchema), "not valid");
  assert.equal(judge(create(DefaultsSchema, { name: "bo", city: "Bonn" }), DefaultsSchema), "certain");
  assert.equal(judge(create(DefaultsSchema, { name: "bo", city: "" }), DefaultsSchema), "not valid");
  assert.equal(judge(create(DefaultsSchema, { name: "bo", city: "Bonn", age: 1 }), DefaultsSchema), "not valid");
});

const wrong = [undefined, null, 5, 5n, "five", true, Symbol("x"), {}, [], [null], () => {}, { case: null }, new Date()];

test("of a value of a wrong type nothing is certain, and nothing is thrown", () => {
  for (const value of wrong) {
    assert.equal(isCertain(SimpleRulesSchema, value), false);
    for (const field of SimpleRulesSchema.members) {
      const name = field.localName;
      const right = (valid() as unknown as Record<string, unknown>)[name];
      const hasNoRules = ["any", "labels", "plain", "wrapped"].includes(name);
      if (hasNoRules || typeof value === typeof right) judge(valid({ [name]: value }));
      else if (value !== undefined) assert.equal(isCertain(SimpleRulesSchema, valid({ [name]: value })), false, name);
    }
  }
  assert.equal(isCertain(SimpleRulesSchema, { $typeName: SimpleRulesSchema.typeName }), false);
  assert.equal(isCertain(SimpleRulesSchema, { ...valid(), $typeName: "another" }), false);
  for (const inner of wrong) assert.equal(isCertain(SimpleRulesSchema, valid({ parts: [inner] })), false);
});

test("a message with a rule that is not simple is left to the library", () => {
  const other = file_rules_test.messages.find(({ name }) => name === "OtherRules")!;
  assert.equal(other.nestedMessages.length, 15);
  for (const desc of other.nestedMessages) {
    const message = create(desc);
    const [field] = desc.fields;
    const random = seededRandom(1);
    for (let i = 0; i < 50; i++) {
      assert.equal(isCertain(desc, message), false, desc.typeName);
      if (field !== undefined) set(message, field, randomValue(field, random));
    }
  }
});

test("a rule that somebody predefined is left to the library", () => {
  assert.equal(judge(create(PredefinedSchema, { name: "odd" }), PredefinedSchema), "not valid");
});

// The differential test: whatever is certain is valid by the library, too.
const lengths = [0, 1, 2, 3, 4, 6, 7];
const characters = ["a", "é", "語", "😀", "\ud83d", "\ude00"];
const numbers = [-3, -2, -1, -0, 0, 0.5, 1, 2, 3, 4, 5, 8, 9, 10, 2 ** 40, Infinity, -Infinity, Number.NaN];

function pick<T>(from: readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)]!;
}

function randomText(random: () => number): string {
  // Half of them of one-unit characters, for the limits.
  const some = random() < 0.5 ? ["a"] : characters;
  return Array.from({ length: pick(lengths, random) }, () => pick(some, random)).join("");
}

function randomValue(field: DescField, random: () => number): unknown {
  if (random() < 0.02) return pick(wrong, random);
  const { fieldKind: kind } = field;
  if (kind === "list") {
    return Array.from({ length: pick(lengths, random) }, () =>
      field.message === undefined ? randomText(random) : randomMessage(field.message, random),
    );
  }
  if (kind === "map") return { a: "b" };
  if (kind === "enum") return pick([0, 1, 2, 4], random);
  if (kind === "message") return random() < 0.1 ? "w" : randomMessage(field.message, random);
  const { scalar } = field;
  if (scalar === ScalarType.STRING) return randomText(random);
  if (scalar === ScalarType.BOOL) return random() < 0.5;
  if (scalar === ScalarType.BYTES) return new Uint8Array(pick(lengths, random));
  const number = pick(numbers, random);
  const isLong = typeof scalarZeroValue(scalar, false) === "bigint";
  return isLong ? BigInt(Number.isInteger(number) ? number : 1) : number;
}

function set(message: Message, { localName, oneof }: DescField, value: unknown): void {
  const given = oneof === undefined ? { [localName]: value } : { [oneof.localName]: { case: localName, value } };
  Object.assign(message, given);
}

function randomMessage(desc: DescMessage, random: () => number): Message {
  const message = create(desc);
  for (const field of desc.fields) if (random() < 0.7) set(message, field, randomValue(field, random));
  return message;
}

test("of random messages none is certain that the library does not call valid", () => {
  const random = seededRandom(20261122);
  const told: Record<Verdict, number> = { certain: 0, valid: 0, "not valid": 0 };
  for (let i = 0; i < 6000; i++) {
    // From a valid message, that a few fields decide; and from nothing, for what is seldom.
    const message = valid();
    for (let changes = 1 + (i % 3); changes > 0; changes--) {
      const field = pick(SimpleRulesSchema.fields, random);
      set(message, field, randomValue(field, random));
    }
    told[judge(message)]++;
    judge(randomMessage(SimpleRulesSchema, random));
    for (const desc of [DefaultsSchema, MayChooseSchema, MustBeLeftSchema]) judge(randomMessage(desc, random), desc);
  }
  assert.ok(told.certain > 1500, `${told.certain} of 6000 are certain`);
  assert.ok(told["not valid"] > 1500, `${told["not valid"]} of 6000 are not valid`);
  // Wrong types that no rule looks at, halves of characters, and messages in place of unwrapped values.
  assert.ok(told.valid < told.certain / 5, `${told.valid} valid ones are left to the library`);
});
