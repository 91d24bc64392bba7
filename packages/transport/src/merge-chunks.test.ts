import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeChunks } from "./merge-chunks.ts";

test("single bytes become few chunks, and stay in their order", () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
  const chunks: Buffer[] = [];
  let merged = 0;
  for (let at = 0; at < bytes.length; at++) {
    chunks.push(bytes.subarray(at, at + 1));
    merged = mergeChunks(chunks, merged);
  }
  assert.ok(chunks.length < 1000, `${chunks.length} chunks`);
  assert.ok(Buffer.concat(chunks).equals(bytes));
});
