import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { findAttribute } from "./attributes.ts";
import { createResource, emptyResource, sdkVersion, serviceNameOf } from "./resource.ts";

function read(options: Parameters<typeof createResource>[0], ...keys: string[]): unknown[] {
  const { attributes } = createResource({ env: {}, ...options });
  return keys.map((key) => findAttribute(attributes, key));
}

test("a resource tells who this process is", () => {
  const [pid, host, sdk, instance] = read({}, "process.pid", "host.name", "telemetry.sdk.name", "service.instance.id");
  assert.equal(pid, process.pid);
  assert.equal(typeof host, "string");
  assert.equal(sdk, "clew");
  assert.match(String(instance), /^[0-9a-f-]{36}$/);
  assert.deepEqual(read({}, "service.instance.id"), [instance], "the same for traces, metrics and logs");
});

test("the code wins over OTEL_SERVICE_NAME, that over OTEL_RESOURCE_ATTRIBUTES, that over the default", () => {
  const attributes = { OTEL_RESOURCE_ATTRIBUTES: "service.name=c,service.version=1,team=red%20one" };
  const name = { OTEL_SERVICE_NAME: "b" };
  assert.deepEqual(read({}, "service.name"), ["unknown_service:node"]);
  assert.deepEqual(read({ env: attributes }, "service.name", "service.version", "team"), ["c", "1", "red one"]);
  assert.deepEqual(read({ env: { ...attributes, ...name } }, "service.name"), ["b"]);
  assert.deepEqual(
    read({ service: "a", version: "2", env: { ...attributes, ...name } }, "service.name", "service.version"),
    ["a", "2"],
  );
});

test("a malformed OTEL_RESOURCE_ATTRIBUTES counts for nothing", () => {
  for (const text of ["a=1,b", "=1", "a=%zz", ","]) {
    const { attributes } = createResource({ env: { OTEL_RESOURCE_ATTRIBUTES: text } });
    assert.equal(findAttribute(attributes, "a"), undefined, text);
  }
});

test("further attributes are added, and any value is taken", () => {
  assert.deepEqual(read({ attributes: { zone: "a", none: undefined, big: 5n } }, "zone", "none", "big"), [
    "a",
    undefined,
    5n,
  ]);
});

test("a resource always has a service to show", () => {
  assert.equal(serviceNameOf(createResource({ service: "user", env: {} })), "user");
  assert.equal(serviceNameOf(emptyResource), "unknown_service");
});

test("the version it tells is the package's", () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  assert.equal(sdkVersion, (manifest as { version: string }).version);
});
