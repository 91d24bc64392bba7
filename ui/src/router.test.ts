import assert from "node:assert/strict";
import { test } from "node:test";
import { routeOf } from "./router.ts";

test("the list, the services, a trace, and nothing else", () => {
  assert.deepEqual(routeOf("/"), { page: "traces" });
  assert.deepEqual(routeOf("/services"), { page: "services" });
  assert.deepEqual(routeOf(`/trace/${"AB".repeat(16)}`), { page: "trace", traceId: "ab".repeat(16) });
  assert.deepEqual(
    routeOf("/trace/1f"),
    { page: "trace", traceId: `${"0".repeat(30)}1f` },
    "leading zeros may be left out",
  );
  for (const path of ["/trace/", "/trace/xyz", `/trace/${"a".repeat(33)}`, "/trace/ab/cd", "/services/user"]) {
    assert.deepEqual(routeOf(path), { page: "unknown" }, path);
  }
});
