import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDuration } from "./duration.ts";
import { type ConfigOf, type SchemaIssue, schemaOf } from "./schema.ts";
import { formatPath, type Path } from "./tree.ts";

const schema = schemaOf({
  server: { address: ":8000", port: 1, tls: false, timeoutMs: (value): number => parseDuration(value ?? "1s") },
  hosts: ["localhost"],
  any: [],
});

function check(value: unknown): { value?: unknown; problems: string[] } {
  const result = schema["~standard"].validate(value) as { value?: unknown; issues?: readonly SchemaIssue[] };
  const problems = (result.issues ?? []).map((issue) => `${formatPath(issue.path as Path)} ${issue.message}`);
  return { value: result.value, problems };
}

const defaults = { server: { address: ":8000", port: 1, tls: false, timeoutMs: 1_000 }, hosts: ["localhost"], any: [] };

test("what is missing, or a key without a value, gets its default", () => {
  assert.deepEqual(check({}).value, defaults);
  assert.deepEqual(check({ server: null, hosts: null }).value, defaults);
  assert.deepEqual(check({ server: { address: null } }).value, defaults);
});

test("what is given is kept, and parsers read it", () => {
  const { value, problems } = check({
    server: { address: ":1", tls: true, timeoutMs: "250ms" },
    hosts: [],
    any: [1, "a"],
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(value, { server: { address: ":1", port: 1, tls: true, timeoutMs: 250 }, hosts: [], any: [1, "a"] });
});

test("an unknown key is refused with those that are known", () => {
  assert.deepEqual(check({ server: { adress: ":1" }, x: 1 }).problems, [
    "x is unknown; known here: server, hosts, any",
    "server.adress is unknown; did you mean address? known here: address, port, tls, timeoutMs",
  ]);
  assert.deepEqual(check({ toString: 1 }).problems, ["toString is unknown; known here: server, hosts, any"]);
});

test("a value of another type is refused", () => {
  assert.deepEqual(
    check({ server: { address: 1, port: "1", tls: "no", timeoutMs: "soon" }, hosts: [1], any: {} }).problems,
    [
      "server.address must be a string, not 1",
      'server.port must be a number, not "1"',
      'server.tls must be a boolean, not "no"',
      'server.timeoutMs "soon" is not a duration; write it as 250ms, 1s, 1m30s, 1.5h or 2d, or as a number of milliseconds',
      "hosts must be a list of strings, not [1]",
      "any must be a list, not {}",
    ],
  );
  assert.deepEqual(check({ server: [] }).problems, [
    "server must be a map with the keys address, port, tls, timeoutMs",
  ]);
});

test("the type of the result is the type of the defaults, widened", () => {
  type Result = ConfigOf<{
    readonly a: "x";
    readonly b: 1;
    readonly c: true;
    readonly d: readonly ["y"];
    readonly e: () => Date;
  }>;
  const result: Result = { a: "other", b: 2, c: false, d: ["more", "items"], e: new Date(0) };
  // @ts-expect-error: a is a string
  const wrong: Result = { ...result, a: 1 };
  assert.equal(wrong.a, 1);
});
