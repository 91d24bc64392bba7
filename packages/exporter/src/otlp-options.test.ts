import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveOtlpOptions } from "./otlp-options.ts";

test("spans are compressed for the network, not for this machine", () => {
  const compressionTo = (endpoint: string): string => resolveOtlpOptions("traces", { endpoint, env: {} }).compression;
  for (const local of ["http://localhost:4318", "http://127.0.1.1:4318", "http://[::1]:4318"]) {
    assert.equal(compressionTo(local), "none", local);
  }
  for (const remote of ["http://10.0.0.1:4318", "https://127.0.0.1.example.com", "http://collector"]) {
    assert.equal(compressionTo(remote), "gzip", remote);
  }
});
