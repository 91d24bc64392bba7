import assert from "node:assert/strict";
import { test } from "node:test";
import { areSameInstances, createInstance, formatInstance, parseInstance } from "./instance.ts";

// As kratos.md section 8.1 has it: what a Go service writes.
const written =
  '{"id":"5f0c","name":"helloworld","version":"v1.0.0","metadata":{"region":"eu","weight":"50"},' +
  '"endpoints":["http://10.0.0.5:8000","grpc://10.0.0.5:9000"]}';

test("reads what Kratos writes, and writes the same bytes", () => {
  const instance = parseInstance(written);
  assert.deepEqual(instance, {
    id: "5f0c",
    name: "helloworld",
    version: "v1.0.0",
    metadata: { region: "eu", weight: "50" },
    endpoints: ["http://10.0.0.5:8000", "grpc://10.0.0.5:9000"],
  });
  assert.equal(formatInstance(instance), written);
  assert.equal(formatInstance({ ...instance, metadata: { weight: "50", region: "eu" } }), written);
});

test("metadata and endpoints that are null or missing are none, and unknown keys do not matter", () => {
  const bare = { id: "1", name: "a", version: "", metadata: {}, endpoints: [] };
  assert.deepEqual(parseInstance('{"id":"1","name":"a","version":"","metadata":null,"endpoints":null}'), bare);
  assert.deepEqual(parseInstance({ id: "1", name: "a", lease: 7 }), bare);
  assert.equal(formatInstance(parseInstance(bare)), '{"id":"1","name":"a","version":"","metadata":{},"endpoints":[]}');
});

test("what is no instance is refused, and the error names the field", () => {
  const cases: [unknown, RegExp][] = [
    ["{", /an instance is "\{"; it must be a JSON object/],
    ["[]", /an instance is a list; it must be a JSON object/],
    [null, /an instance is null/],
    [{ name: "a" }, /an instance's id is undefined; it must be a non-empty string/],
    [{ id: "1", name: "" }, /an instance's name is ""/],
    [{ id: 1, name: "a" }, /an instance's id is 1/],
    [{ id: "1", name: "a", version: 2 }, /an instance's version is 2; it must be a string/],
    [
      { id: "1", name: "a", metadata: [] },
      /an instance's metadata is a list; it must be an object of strings, or null/,
    ],
    [{ id: "1", name: "a", metadata: { weight: 5 } }, /an instance's metadata\.weight is 5; it must be a string/],
    [{ id: "1", name: "a", endpoints: "x" }, /an instance's endpoints is "x"; it must be a list of URLs/],
    [{ id: "1", name: "a", endpoints: ["grpc://a:1", {}] }, /an instance's endpoints\[1\] is an object/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => parseInstance(value), { code: "CLEW_REGISTRY_INSTANCE", message }, String(message));
  }
});

test("an instance is made with URLs, without the slash at their end, and is frozen", () => {
  const instance = createInstance({ id: "1", name: "a", endpoints: [new URL("http://10.0.0.5:8000"), "grpc://b:1"] });
  assert.deepEqual(instance.endpoints, ["http://10.0.0.5:8000", "grpc://b:1"]);
  assert.ok([instance, instance.metadata, instance.endpoints].every(Object.isFrozen));
  assert.throws(() => createInstance({ id: "1", name: "a", endpoints: ["10.0.0.5:8000"] }), {
    code: "CLEW_REGISTRY_INSTANCE",
    message: /an instance's endpoint is "10\.0\.0\.5:8000"; it must be a URL such as/,
  });
});

test("instances are the same in whatever order their endpoints and metadata stand", () => {
  const one = parseInstance({
    id: "1",
    name: "a",
    metadata: { x: "1", y: "2" },
    endpoints: ["http://a:1", "grpc://a:2"],
  });
  const other = { ...one, metadata: { y: "2", x: "1" }, endpoints: one.endpoints.toReversed() };
  assert.ok(areSameInstances([one], [other]));
  assert.ok(!areSameInstances([one], [{ ...one, version: "v2" }]));
  const second = { ...one, id: "2" };
  assert.ok(areSameInstances([one, second], [second, other]));
  assert.ok(!areSameInstances([one], [one, second]));
  assert.ok(!areSameInstances([one, one], [one, second]));
});

test("metadata of any name is kept and harms nothing", () => {
  const { metadata } = parseInstance('{"id":"1","name":"a","metadata":{"__proto__":"x","constructor":"y"}}');
  assert.deepEqual(Object.entries(metadata), [
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
  assert.equal(({} as { x?: string }).x, undefined);
});
