import assert from "node:assert/strict";
import { test } from "node:test";
import { isLocalHost, isLocalOrigin } from "./access.ts";

test("knows the names that can only be this machine", () => {
  for (const host of ["localhost", "LOCALHOST", "app.localhost", "127.0.0.1", "127.8.9.10", "[::1]"]) {
    assert.equal(isLocalHost(host), true, host);
  }
  for (const host of [
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "[::2]",
    "notlocalhost",
  ]) {
    assert.equal(isLocalHost(host), false, host);
  }
});

test("knows the origins of this machine's pages", () => {
  for (const origin of ["http://localhost:3000", "https://localhost", "http://127.0.0.1:8080", "http://[::1]:5173"]) {
    assert.equal(isLocalOrigin(origin), true, origin);
  }
  for (const origin of [
    "null",
    "https://evil.example",
    "http://localhost.evil.example",
    "file://localhost",
    "chrome-extension://localhost",
  ]) {
    assert.equal(isLocalOrigin(origin), false, origin);
  }
});
