// protobuf-es is the judge: the same messages, with the same properties in the same order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { DurationSchema, FieldMaskSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { DebugInfoSchema, ErrorInfoSchema, messageMaker, QuotaFailureSchema, RetryInfoSchema } from "@clew/rpc";
import { TestAllTypesEdition2023Schema as Edition2023 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_edition2023_pb.ts";
import { TestAllTypesProto2Schema as Proto2 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto2_pb.ts";
import { TestAllTypesProto3Schema as Proto3 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { HelloSchema } from "./gen/rpc_test_pb.ts";
import { createRandom, RandomMessages } from "./random-message.ts";
import { testWithoutCodeGeneration } from "./without-code-generation.ts";

testWithoutCodeGeneration(import.meta.filename);

const flat: readonly DescMessage[] = [
  HelloSchema,
  ErrorInfoSchema,
  DebugInfoSchema,
  DurationSchema,
  TimestampSchema,
  FieldMaskSchema,
];
const others: readonly DescMessage[] = [QuotaFailureSchema, RetryInfoSchema, Proto2, Proto3, Edition2023];

function assertSame(made: Message, expected: Message): void {
  assert.deepEqual(made, expected);
  assert.deepEqual(Object.keys(made), Object.keys(expected));
  assert.equal(Object.getPrototypeOf(made) === Object.prototype, Object.getPrototypeOf(expected) === Object.prototype);
}

for (const desc of [...flat, ...others]) {
  test(`${desc.typeName}: empty, and of what is given`, () => {
    const maker = messageMaker(desc);
    assertSame(maker.empty(), create(desc));
    assertSame(maker.from({}), create(desc));
    const random = createRandom(7);
    const messages = new RandomMessages(7);
    for (let round = 0; round < 50; round++) {
      const message = messages.next(desc) as Message & Record<string, unknown>;
      assert.equal(maker.from(message), message, "is one already");
      const { $typeName, ...given } = message;
      // Some of the members, a few of them null or unknown.
      const init: Record<string, unknown> = { unknown: 1 };
      for (const [name, value] of Object.entries(given)) {
        if (random() < 0.5) init[name] = value;
        else if (random() < 0.2) init[name] = null;
      }
      assertSame(maker.from(init), create(desc, init));
    }
  });
}

test("lists and maps are each message's own unless they are given", () => {
  const maker = messageMaker(DebugInfoSchema);
  type DebugInfo = Message & { stackEntries: string[] };
  const [one, other] = [maker.from({}), maker.from({})] as [DebugInfo, DebugInfo];
  one.stackEntries.push("a");
  assert.deepEqual(other.stackEntries, []);
  const given = ["b"];
  assert.equal((maker.from({ stackEntries: given }) as DebugInfo).stackEntries, given);
});
