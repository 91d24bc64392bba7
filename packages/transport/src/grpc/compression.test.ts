import assert from "node:assert/strict";
import { it } from "node:test";
import { findCompression, isAccepted } from "./compression.ts";

const gzip = findCompression("gzip")!;

it("gives back what it was given, up to exactly the limit", () => {
  const bytes = Buffer.alloc(100_000, "abc");
  const small = gzip.compress(bytes);
  assert.ok(small.length < 1000);
  assert.ok(bytes.equals(gzip.decompress(small, 100_000)));
});

it("stops inflating at the limit", () => {
  const bomb = gzip.compress(Buffer.alloc(50_000_000));
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => gzip.decompress(bomb, 1000), { code: 429 });
  assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
});

it("refuses what is no gzip, and gzip that is cut short", () => {
  const whole = gzip.compress(Buffer.alloc(1000));
  for (const bytes of [Buffer.from("hello"), whole.subarray(0, whole.length - 4), Buffer.alloc(0)]) {
    assert.throws(() => gzip.decompress(bytes, 10_000), { code: 400, reason: "CODEC" });
  }
});

it("finds a name in grpc-accept-encoding", () => {
  assert.ok(isAccepted("identity, deflate,gzip", "gzip"));
  assert.ok(!isAccepted("identity,xgzip", "gzip"));
  assert.ok(!isAccepted(undefined, "gzip"));
});
