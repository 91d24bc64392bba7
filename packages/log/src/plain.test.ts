import assert from "node:assert/strict";
import { test } from "node:test";
import { type Plain, toPlain as plainOf } from "./plain.ts";
import { createRedaction, type Redaction } from "./redaction.ts";

const none = createRedaction([]);

function toPlain(value: unknown, redaction: Redaction): Plain | undefined {
  return plainOf(value, "field", redaction, { left: Number.POSITIVE_INFINITY });
}

/** The JSON of a copy: what would be written. */
function written(value: unknown, redaction: Redaction = none): unknown {
  return JSON.parse(JSON.stringify(toPlain(value, redaction)));
}

test("plain values stay as they are", () => {
  for (const value of ["text", "", 1.5, -0.25, true, false, null]) assert.equal(toPlain(value, none), value);
  assert.deepEqual(written({ a: [1, { b: "c" }], d: null }), { a: [1, { b: "c" }], d: null });
});

test("what JSON has no word for is written as text", () => {
  assert.equal(toPlain(10n ** 20n, none), "100000000000000000000");
  assert.equal(toPlain(Number.NaN, none), "NaN");
  assert.equal(toPlain(Number.NEGATIVE_INFINITY, none), "-Infinity");
  assert.equal(toPlain(new Date(0), none), "1970-01-01T00:00:00.000Z");
  assert.equal(toPlain(new Date(Number.NaN), none), "Invalid Date");
  assert.equal(toPlain(new URL("http://a/b"), none), "http://a/b");
  assert.equal(toPlain(Buffer.from("abc"), none), "[3 bytes]");
  assert.equal(toPlain(new ArrayBuffer(4), none), "[4 bytes]");
  assert.deepEqual(written(new Map([["a", 1]])), { a: 1 });
  assert.deepEqual(written(new Set([1, 2])), [1, 2]);
});

test("functions and symbols are left out, and hold their place in a list", () => {
  assert.equal(
    toPlain(() => 1, none),
    undefined,
  );
  assert.deepEqual(written({ a: () => 1, b: Symbol("s"), c: undefined, d: 1 }), { d: 1 });
  assert.deepEqual(written([() => 1, 2]), [null, 2]);
});

test("an error has its name, code, reason, message, what it carries, stack and cause chain", () => {
  const root = Object.assign(new Error("connect refused"), { code: "ECONNREFUSED", port: 3306 });
  const error = Object.assign(new TypeError("no user 7", { cause: root }), {
    code: 404,
    reason: "USER_NOT_FOUND",
    metadata: {},
  });
  const { stack, cause, ...rest } = written(error) as Record<string, unknown>;
  assert.deepEqual(rest, { name: "TypeError", code: 404, reason: "USER_NOT_FOUND", message: "no user 7" });
  assert.match(String(stack), /no user 7\n\s+at /);
  const { stack: _, ...causeRest } = cause as Record<string, unknown>;
  assert.deepEqual(causeRest, { name: "Error", code: "ECONNREFUSED", message: "connect refused", port: 3306 });
});

test("an error's metadata is written when there is some, and an aggregate's errors", () => {
  const error = Object.assign(new AggregateError([new Error("one"), "two"], "both"), { metadata: { id: "7" } });
  const plain = written(error) as { metadata: unknown; errors: [{ message: string }, string] };
  assert.deepEqual(plain.metadata, { id: "7" });
  assert.equal(plain.errors[0].message, "one");
  assert.equal(plain.errors[1], "two");
});

test("a circle is named, the same object twice is written twice", () => {
  const shared = { a: 1 };
  const circle: Record<string, unknown> = { first: shared, second: shared };
  circle.self = circle;
  assert.deepEqual(written(circle), { first: { a: 1 }, second: { a: 1 }, self: "[circular]" });
  const error = new Error("x");
  error.cause = error;
  assert.equal((written(error) as { cause: unknown }).cause, "[circular]");
});

test("what throws when it is read is named, and the rest is written", () => {
  const nasty = {
    get bad(): string {
      throw new Error("no");
    },
    good: 1,
    json: {
      toJSON(): string {
        throw new Error("never");
      },
    },
  };
  assert.deepEqual(written(nasty), { bad: "[threw Error: no]", good: 1, json: "[threw Error: never]" });
  const proxy = new Proxy(
    {},
    {
      ownKeys: () => {
        throw {
          toString: () => {
            throw 1;
          },
        };
      },
    },
  );
  assert.equal(toPlain(proxy, none), "[threw]");
});

test("depth and number of values are bounded", () => {
  let deep: unknown = "end";
  for (let n = 0; n < 50; n += 1) deep = { deep };
  assert.match(JSON.stringify(written(deep)), /"\[too deep\]"/);
  // Ten levels of ten values each would be 10^10 values.
  let wide: unknown = "end";
  for (let n = 0; n < 9; n += 1) wide = Array.from({ length: 10 }, () => wide);
  assert.ok(JSON.stringify(written(wide)).length < 100_000);
  assert.match(JSON.stringify(written(wide)), /more left out/);
  assert.equal((written(Array.from({ length: 5_000 }, (_, n) => n)) as unknown[]).length, 1_001);
  assert.equal(
    Object.keys(written(Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, n]))) as object).length,
    1_001,
  );
});

test("masked keys are masked at any depth and in any case, also in errors and maps", () => {
  const redact = createRedaction(["password", "authorization"]);
  const value = {
    user: { Password: "secret", name: "ann" },
    list: [{ AUTHORIZATION: ["secret"] }],
    map: new Map([["password", "secret"]]),
    error: Object.assign(new Error("x"), { password: "secret" }),
  };
  const text = JSON.stringify(written(value, redact));
  assert.doesNotMatch(text, /secret/);
  assert.equal(text.match(/"\*\*\*"/g)?.length, 4);
  assert.match(text, /"name":"ann"/);
});

test("a key called __proto__ is a key", () => {
  const value = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}') as object;
  const plain = toPlain(value, none) as Record<string, unknown>;
  assert.equal(plain.a, 1);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  assert.match(JSON.stringify(plain), /"__proto__":\{"polluted":true\}/);
});
