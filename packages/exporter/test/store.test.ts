import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StoreExporter, startTracing } from "@clew/exporter";
import { openSqliteStore } from "@clew/store";
import { withSpan } from "@clew/trace";

test("spans of this process are in the store, with no socket between", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "clew-store-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "deep", "traces.db");
  const tracing = startTracing({ service: "user", exporter: new StoreExporter({ sqlite: { file } }), env: {} });
  const traceId = withSpan("work", (span) => span.spanContext().traceId);
  await tracing.shutdown();
  assert.equal(tracing.stats().exported, 1);
  const store = await openSqliteStore({ file });
  t.after(() => store.close());
  assert.deepEqual(await store.services(), ["user"]);
  assert.notEqual(await store.trace(traceId), null);

  // A store that is open already, and stays so.
  const again = startTracing({ service: "other", exporter: new StoreExporter({ store }), env: {} });
  withSpan("more", () => {});
  await again.shutdown();
  assert.deepEqual(await store.services(), ["other", "user"]);
});

test("a store that cannot be opened keeps the spans waiting, and the app running", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "clew-store-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "traces.db");
  writeFileSync(file, "this is somebody else's file, and no database ".repeat(100));
  const exporter = new StoreExporter({ sqlite: { file } });
  const tracing = startTracing({ exporter, batch: { shutdownTimeoutMs: 200 }, env: {} });
  withSpan("work", () => {});
  await tracing.flush();
  assert.equal(tracing.stats().waiting, 1);
  await tracing.shutdown();
  assert.equal(tracing.stats().dropped, 1);
});
