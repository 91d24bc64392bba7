import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readBody } from "./body.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that are held, without what waits for its collection. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("a body of single bytes takes little more than its bytes while it comes", async () => {
  const source = new PassThrough();
  const request = Object.assign(source, { headers: {}, complete: true }) as unknown as IncomingMessage;
  const before = heldBytes();
  const body = readBody(request, 10_000_000);
  const count = 1_000_000;
  for (let at = 0; at < count; at++) source.emit("data", Buffer.allocUnsafeSlow(1).fill(at % 251));
  const held = heldBytes() - before;
  assert.ok(held < 30_000_000, `${held} bytes`);
  source.emit("end");
  const bytes = await body;
  assert.equal(bytes.length, count);
  assert.equal(bytes[count - 1], (count - 1) % 251);
});
