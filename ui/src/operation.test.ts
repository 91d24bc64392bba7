import assert from "node:assert/strict";
import { test } from "node:test";
import { shortOperation, splitPath } from "./operation.ts";

test("the package of an RPC operation goes, other operations stay", () => {
  assert.equal(shortOperation("/demo.v1.Users/ListMessages"), "Users/ListMessages");
  assert.equal(shortOperation("/Users/ListMessages"), "Users/ListMessages");
  assert.equal(shortOperation("/v1/users/{id}"), "/v1/users/{id}");
  assert.equal(shortOperation("SELECT users"), "SELECT users");
});

test("a path is told apart from its verb", () => {
  assert.deepEqual(splitPath("GET /v1/users/1"), { verb: "GET", rest: "/v1/users/1" });
  assert.deepEqual(splitPath("nightly import"), { verb: "", rest: "nightly import" });
  assert.deepEqual(splitPath("/demo.v1.Users/ListMessages"), { verb: "", rest: "/demo.v1.Users/ListMessages" });
});
