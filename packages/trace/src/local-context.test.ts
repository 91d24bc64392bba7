import assert from "node:assert/strict";
import { test } from "node:test";
import { isValidSpanId, isValidTraceId } from "@opentelemetry/api";
import { LocalContext } from "./local-context.ts";
import { bytes } from "./proto-writer.ts";

test("the bytes of ids are those of their digits, over many refills of the pool, and none comes twice", () => {
  const remote = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };
  const spanIds = new Set<string>();
  const traceIds = new Set<string>();
  // Those that were made before the pool was filled again are written as well.
  const kept: LocalContext[] = [];
  for (let count = 0; count < 2000; count++) {
    const root = LocalContext.root();
    const child = LocalContext.below(root);
    const grandchild = LocalContext.below(child);
    const entry = LocalContext.below(remote);
    assert.deepEqual([child.traceId, grandchild.traceId, entry.traceId], [root.traceId, root.traceId, remote.traceId]);
    kept.push(root, child, grandchild, entry);
    traceIds.add(root.traceId);
  }
  kept.push(LocalContext.of(remote.traceId, remote.spanId));
  kept.push(LocalContext.below(kept.at(-1)!));
  for (const context of kept) {
    context.writeIds(10, 40);
    assert.equal(bytes.toString("hex", 10, 26), context.traceId);
    assert.equal(bytes.toString("hex", 40, 48), context.spanId);
    assert.ok(isValidTraceId(context.traceId) && isValidSpanId(context.spanId));
    spanIds.add(context.spanId);
  }
  assert.deepEqual([traceIds.size, spanIds.size], [2000, kept.length]);
});
