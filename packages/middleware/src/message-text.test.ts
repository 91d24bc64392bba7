import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Color, SecretsSchema } from "../test/gen/middleware_test_pb.ts";
import { formatMessage } from "./message-text.ts";

type SecretsInit = MessageInitShape<typeof SecretsSchema> & object;

function format(init: SecretsInit, maxChars = 10_000): string {
  return formatMessage(reflect(SecretsSchema, create(SecretsSchema, init)), maxChars);
}

test("a message is written like its JSON; what has no value is left out", () => {
  const text = format({
    userName: 'ann "a"',
    big: 2n ** 60n,
    ratio: 0.5,
    color: Color.RED,
    at: { seconds: 7n },
    isNew: true,
    contact: { case: "phone", value: "555" },
    numbers: { 1: "one" },
    list: [{ userName: "bob" }, {}],
  });
  assert.deepEqual(JSON.parse(text), {
    userName: 'ann "a"',
    big: "1152921504606846976",
    ratio: 0.5,
    color: "COLOR_RED",
    at: { seconds: "7" },
    isNew: true,
    phone: "555",
    numbers: { 1: "one" },
    list: [{ userName: "bob" }, {}],
  });
  assert.equal(format({}), "{}");
  assert.equal(format({ color: 9 as Color }), '{"color":9}');
});

test("fields with debug_redact are not shown, however deep, whatever their kind", () => {
  const secret: SecretsInit = {
    password: "hunter2",
    tokens: ["hunter2"],
    contact: { case: "person", value: { userName: "hunter2" } },
  };
  const text = format({
    ...secret,
    inner: { ...secret, inner: secret },
    list: [secret],
    byName: { a: secret },
  });
  assert.doesNotMatch(text, /hunter2/);
  const masked = { password: "***", tokens: "***", person: "***" };
  assert.deepEqual(JSON.parse(text), {
    ...masked,
    inner: { ...masked, inner: masked },
    list: [masked],
    byName: { a: masked },
  });
});

test("bytes and the content of an Any are only their length", () => {
  const any = anyPack(SecretsSchema, create(SecretsSchema, { password: "hunter2" }));
  assert.equal(
    format({ blob: new Uint8Array(5), any }),
    '{"blob":"<5 bytes>","any":{"typeUrl":"type.googleapis.com/middleware.test.Secrets","value":"<9 bytes>"}}',
  );
});

test("what is too long is cut, and no more is looked at than fits", () => {
  assert.equal(format({ userName: "ann" }, 18), '{"userName":"ann"}');
  assert.equal(format({ userName: "anna" }, 18), '{"userName":"anna"...');
  assert.equal(format({ userName: "x".repeat(1e6) }, 20), `{"userName":"${"x".repeat(7)}...`);
  let looked = 0;
  const list = Array.from({ length: 1000 }, () => create(SecretsSchema, { userName: "ann" }));
  for (const one of list) {
    Object.defineProperty(one, "userName", {
      get() {
        looked++;
        return "ann";
      },
    });
  }
  assert.equal(format({ list }, 100).length, 103);
  assert.ok(looked < 50, `${looked}`);
  assert.match(
    format({ numbers: Object.fromEntries(list.map((_, i) => [i, "x"])) }, 50),
    /^\{"numbers":\{"0":"x".*\.\.\.$/,
  );
});
