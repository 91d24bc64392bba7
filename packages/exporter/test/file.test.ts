import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { FileExporter, type FileOptions } from "@clew/exporter";
import { decodeSpans, encodeJsonRequest } from "@clew/trace/otel";
import { makeSpans } from "./make-spans.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "clew-file-"));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  return folder;
}

function exporterTo(path: string, options: FileOptions = {}): FileExporter {
  const exporter = new FileExporter({ path, ...options });
  cleanUps.push(() => exporter.shutdown());
  return exporter;
}

const spansIn = (path: string): string[] =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => decodeSpans(encodeJsonRequest(line)).map(({ spanId }) => spanId));

test("each batch is one line of OTLP's JSON, in a folder that is made", async () => {
  const path = join(makeFolder(), "deep", "traces.jsonl");
  const exporter = exporterTo(path);
  const spans = makeSpans(5);
  const results = await Promise.all([exporter.export(spans.slice(0, 3)), exporter.export(spans.slice(3))]);
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ["exported", "exported"],
  );
  assert.deepEqual(
    spansIn(path),
    spans.map(({ spanId }) => spanId),
  );
  const text = readFileSync(path, "utf8");
  assert.equal(text.split("\n").length, 3);
  assert.ok(text.endsWith("}\n"));
  const { exported, writtenBytes, lastError } = exporter.stats();
  assert.deepEqual([exported, writtenBytes, lastError], [5, text.length, undefined]);
});

test("what another run left stays, and the file goes on", async () => {
  const path = join(makeFolder(), "traces.jsonl");
  const spans = makeSpans(2);
  const first = exporterTo(path);
  await first.export(spans.slice(0, 1));
  await first.shutdown();
  await exporterTo(path).export(spans.slice(1));
  assert.deepEqual(
    spansIn(path),
    spans.map(({ spanId }) => spanId),
  );
});

for (const sync of ["batch", "file", "never"] as const) {
  test(`a full file makes room for another, and only so many are kept (sync: ${sync})`, async () => {
    const folder = makeFolder();
    const path = join(folder, "traces.jsonl");
    const exporter = exporterTo(path, { maxBytes: 3000, keptFiles: 2, sync });
    const spans = makeSpans(40);
    for (const span of spans) assert.equal((await exporter.export([span])).outcome, "exported");
    await exporter.shutdown();
    assert.deepEqual(readdirSync(folder).sort(), ["traces.jsonl", "traces.jsonl.1", "traces.jsonl.2"]);
    const kept = [".2", ".1", ""].flatMap((end) => spansIn(`${path}${end}`));
    for (const end of ["", ".1", ".2"]) assert.ok(statSync(`${path}${end}`).size <= 3000);
    // The newest, in order, without a gap.
    assert.deepEqual(
      kept,
      spans.slice(-kept.length).map(({ spanId }) => spanId),
    );
    assert.ok(exporter.stats().rotations > 2);
  });
}

test("no file need be kept", async () => {
  const folder = makeFolder();
  const exporter = exporterTo(join(folder, "t"), { maxBytes: 1, keptFiles: 0 });
  for (const span of makeSpans(3)) await exporter.export([span]);
  assert.deepEqual(readdirSync(folder), ["t"]);
  assert.equal(spansIn(join(folder, "t")).length, 1);
});

test("a place that cannot be written makes the spans the caller's again, until it can", async () => {
  const folder = makeFolder();
  const blocked = join(folder, "blocked");
  writeFileSync(blocked, "a file where a folder should be");
  const exporter = exporterTo(join(blocked, "traces.jsonl"));
  const spans = makeSpans(1);
  const { outcome, error } = await exporter.export(spans);
  assert.deepEqual([outcome, /EEXIST|ENOTDIR/.test(error?.message ?? "")], ["unavailable", true]);
  assert.deepEqual([exporter.stats().failedWrites, exporter.stats().exported], [1, 0]);
  rmSync(blocked);
  mkdirSync(blocked);
  assert.equal((await exporter.export(spans)).outcome, "exported");
  assert.equal(exporter.stats().lastError, undefined);
});

test("after a shutdown nothing is written", async () => {
  const path = join(makeFolder(), "t");
  const exporter = exporterTo(path);
  await exporter.export(makeSpans(1));
  await exporter.shutdown();
  assert.equal((await exporter.export(makeSpans(1))).outcome, "failed");
  assert.equal(spansIn(path).length, 1);
});

test("options that cannot work are refused", () => {
  for (const options of [
    { path: "" },
    { maxBytes: 0 },
    { keptFiles: -1 },
    { keptFiles: 1.5 },
    { sync: "now" as "never" },
  ]) {
    assert.throws(() => new FileExporter(options), { code: "CLEW_EXPORTER_FILE_OPTION" });
  }
});
