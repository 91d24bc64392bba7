import assert from "node:assert/strict";
import { test } from "node:test";
import { isValidSpanId, isValidTraceId } from "@opentelemetry/api";
import { createSpanId, createTraceId } from "./ids.ts";

test("ids are valid, and none comes twice, over many refills of the pool", () => {
  const seen = new Set<string>();
  for (let count = 0; count < 2000; count++) {
    const traceId = createTraceId();
    const spanId = createSpanId();
    assert.ok(isValidTraceId(traceId), traceId);
    assert.ok(isValidSpanId(spanId), spanId);
    assert.equal(traceId, traceId.toLowerCase());
    seen.add(traceId).add(spanId);
  }
  assert.equal(seen.size, 4000);
});
