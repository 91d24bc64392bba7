import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { SummaryPage, TraceStore } from "../contract.ts";
import { batchOf, epochMs, spanIdOf, type TestSpan, traceIdOf } from "../test-span.ts";
import { allPages, testTraceStore } from "../trace-store.contract.ts";
import { Reader } from "./reader.ts";
import { openSqliteStore, type SqliteStoreOptions } from "./sqlite-store.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clew-store-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function withStore(
  options: Partial<SqliteStoreOptions>,
  use: (store: TraceStore) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const store = await openSqliteStore({ file: join(folder, "traces.db"), ...options });
    try {
      await use(store);
    } finally {
      await store.close();
    }
  });
}

testTraceStore("sqlite", (use) => withStore({}, use));

test("keeps its spans over a restart, and goes on counting", () =>
  withFolder(async (folder) => {
    const file = join(folder, "below", "traces.db");
    const first = await openSqliteStore({ file });
    await first.ingest(batchOf({ trace: 1, id: 1 }, { trace: 2, id: 1 }));
    await first.close();
    const second = await openSqliteStore({ file });
    assert.deepEqual(
      await second.ingest(batchOf({ trace: 1, id: 1 }, { trace: 1, id: 2, parent: 1 }, { trace: 3, id: 1 })),
      {
        isFull: false,
        stored: 2,
        duplicates: 1,
      },
    );
    const { spans, traces } = await second.stats();
    assert.deepEqual({ spans, traces }, { spans: 4, traces: 3 });
    assert.equal((await second.search({})).summaries.length, 3);
    await second.close();
  }));

test("two stores write to one file, and neither mixes up the traces of the other", () =>
  withFolder(async (folder) => {
    const file = join(folder, "traces.db");
    const stores = await Promise.all([openSqliteStore({ file }), openSqliteStore({ file })]);
    for (let trace = 1; trace <= 20; trace++) {
      await stores[trace % 2]!.ingest(batchOf({ trace, id: 1, name: `op${trace}` }));
    }
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        stores[index % 2]!.ingest(batchOf({ trace: index + 1, id: 2, parent: 1 }, { trace: index + 100, id: 1 })),
      ),
    );
    const summaries = await allPages(stores[0]!, {}, 50);
    assert.equal(summaries.length, 40);
    for (const { traceId, rootOperation, spanCount } of summaries) {
      const trace = Number.parseInt(traceId, 16);
      assert.deepEqual([rootOperation, spanCount], trace < 100 ? [`op${trace}`, 2] : ["op", 1]);
    }
    for (const store of stores) await store.close();
  }));

test("a process killed while it writes loses nothing it was told is stored", { timeout: 300_000 }, () =>
  withFolder(async (folder) => {
    const file = join(folder, "traces.db");
    const script = join(folder, "write.ts");
    await writeFile(
      script,
      `import { openSqliteStore } from ${JSON.stringify(new URL("./sqlite-store.ts", import.meta.url).href)};
       import { batchOf } from ${JSON.stringify(new URL("../test-span.ts", import.meta.url).href)};
       const store = await openSqliteStore({ file: ${JSON.stringify(file)} });
       for (let trace = 1; ; trace++) {
         await store.ingest(batchOf({ trace, id: 1 }, { trace, id: 2, parent: 1 }));
         process.stdout.write(trace + "\\n");
       }`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (data: Buffer) => {
      output += data;
      if (output.split("\n").length > 50) child.kill("SIGKILL");
    });
    await once(child, "close");
    assert.equal(child.signalCode, "SIGKILL");
    const acknowledged = Number(output.slice(0, output.lastIndexOf("\n")).split("\n").at(-1));
    assert.ok(acknowledged >= 50);
    const store = await openSqliteStore({ file });
    assert.ok((await store.stats()).traces >= acknowledged);
    for (let trace = 1; trace <= acknowledged; trace++) {
      assert.equal((await store.span(traceIdOf(trace), spanIdOf(2)))!.parentSpanId, spanIdOf(1));
    }
    await store.ingest(batchOf({ trace: 1_000_000, id: 1 }));
    await store.close();
  }),
);

/** A span that takes about 1 KiB and does not compress. */
function largeSpan(trace: number): TestSpan {
  let noise = "";
  let state = trace + 1;
  while (noise.length < 1400) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    noise += state.toString(36);
  }
  return { trace, id: 1, name: `op ${Math.floor(trace / 100)}`, at: trace, attributes: { noise } };
}

test(
  "at its limit of bytes the oldest traces go, as wholes, and with them their operations",
  { timeout: 300_000 },
  () =>
    withStore({ maxBytes: 1024 * 1024 }, async (store) => {
      for (let batch = 0; batch < 60; batch++) {
        const spans = Array.from({ length: 50 }, (_, index) => largeSpan(batch * 50 + index + 1));
        assert.equal((await store.ingest(batchOf(...spans))).stored, 50);
        assert.ok((await store.stats()).bytes <= 1024 * 1024);
      }
      const summaries = await allPages(store, {}, 1000);
      const kept = summaries.map((summary) => Number.parseInt(summary.traceId, 16));
      assert.ok(kept.length >= 300 && kept.length < 3000, `${kept.length} kept`);
      // The newest, without a gap.
      assert.deepEqual(
        kept,
        kept.map((_, index) => 3000 - index),
      );
      const { spans, traces, oldestMs } = await store.stats();
      assert.deepEqual([spans, traces, oldestMs], [kept.length, kept.length, summaries.at(-1)!.startMs]);
      assert.equal(await store.trace(traceIdOf(1)), null);
      assert.notEqual(await store.trace(traceIdOf(3000)), null);
      const operations = await store.operations();
      assert.equal(operations.length, new Set(kept.map((trace) => Math.floor(trace / 100))).size);
    }),
);

test("traces older than the limit of age go", async () => {
  let nowMs = 1_000_000;
  await withStore({ maxAgeMs: 60_000, now: () => nowMs }, async (store) => {
    await store.ingest(batchOf({ trace: 1, id: 1 }, { trace: 2, id: 1 }));
    nowMs += 50_000;
    await store.ingest(batchOf({ trace: 3, id: 1 }, { trace: 2, id: 2, parent: 1 }));
    assert.equal((await store.stats()).traces, 3);
    nowMs += 20_000;
    await store.ingest(batchOf({ trace: 4, id: 1 }));
    const ids = (await store.search({})).summaries.map((summary) => Number.parseInt(summary.traceId, 16));
    assert.deepEqual(ids, [4, 3]);
    assert.equal((await store.stats()).spans, 2);
  });
});

test("says full, counts and stores nothing when too much waits", () =>
  withStore({ maxWaitingBytes: 1000 }, async (store) => {
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        store.ingest(batchOf(largeSpan(index + 1), { trace: index + 1, id: 2 })),
      ),
    );
    assert.deepEqual(
      results.map((result) => result.isFull),
      [false, ...Array(9).fill(true)],
    );
    assert.deepEqual(results[9], { isFull: true, stored: 0, duplicates: 0 });
    const { spans, droppedSpans } = await store.stats();
    assert.deepEqual({ spans, droppedSpans }, { spans: 2, droppedSpans: 18 });
    assert.equal((await store.ingest(batchOf({ trace: 99, id: 1 }))).isFull, false);
  }));

test("a write that fails is told to its sender with the file's name, and the next one may succeed", () =>
  withFolder(async (folder) => {
    const file = join(folder, "traces.db");
    const store = await openSqliteStore({ file });
    await store.ingest(batchOf({ trace: 1, id: 1 }));
    const other = new DatabaseSync(file);
    other.exec("ALTER TABLE span RENAME TO moved");
    await assert.rejects(store.ingest(batchOf({ trace: 2, id: 1 })), {
      code: "CLEW_STORE_WRITE",
      message: /^writing to .*traces\.db failed: no such table: (?:main\.)?span$/,
    });
    await assert.rejects(store.skeleton(traceIdOf(1)), {
      code: "CLEW_STORE_READ",
      message: /^reading from .*traces\.db failed: no such table: (?:main\.)?span$/,
    });
    other.exec("ALTER TABLE moved RENAME TO span");
    other.close();
    assert.equal((await store.ingest(batchOf({ trace: 2, id: 1 }))).stored, 1);
    assert.equal((await store.stats()).traces, 2);
    await store.close();
  }));

test("a search that must look at spans ends its page where it has looked at enough, and goes on from there", () =>
  withFolder(async (folder) => {
    const file = join(folder, "traces.db");
    const store = await openSqliteStore({ file });
    const traces = Array.from({ length: 10 }, (_, index) => index + 1);
    await store.ingest(
      batchOf(
        ...traces.flatMap((trace): TestSpan[] => [
          { trace, id: 1, at: trace },
          { trace, id: 2, parent: 1, service: "profile", at: trace },
          // The oldest alone is what is looked for, and the others have both services.
          { trace, id: 3, parent: trace === 1 ? 1 : 2, service: "message", at: trace },
        ]),
      ),
    );
    await store.close();
    for (const [limits, pages] of [
      [{ traces: 4, spans: 1000 }, 3],
      [{ traces: 1000, spans: 6 }, 5],
      [{ traces: 1000, spans: 1 }, 10],
    ] as const) {
      const reader = new Reader(file, limits);
      const found: string[][] = [];
      let next: string | null = null;
      do {
        const page: SummaryPage = reader.search(
          { caller: "user", service: "message" },
          { limit: 5, ...(next !== null && { before: next }) },
        );
        found.push(page.summaries.map(({ traceId }) => traceId));
        next = page.next;
      } while (next !== null);
      reader.close();
      assert.deepEqual(found, [...Array(pages - 1).fill([]), [traceIdOf(1)]]);
    }
  }));

test("refuses a file that is not its own, and leaves it as it was", () =>
  withFolder(async (folder) => {
    const text = join(folder, "notes.txt");
    await writeFile(text, "x".repeat(5000));
    await assert.rejects(openSqliteStore({ file: text }), {
      code: "CLEW_STORE_FOREIGN",
      message: `${text} is not a trace store of Clew: it is not a database; give the path of another file, or of a new one`,
    });
    const other = join(folder, "other.db");
    const database = new DatabaseSync(other);
    database.exec("CREATE TABLE user (id INTEGER)");
    database.close();
    await assert.rejects(openSqliteStore({ file: other }), {
      code: "CLEW_STORE_FOREIGN",
      message: /other\.db is not a trace store of Clew: it is a database of another program/,
    });
    const newer = join(folder, "newer.db");
    await (await openSqliteStore({ file: newer })).close();
    const ours = new DatabaseSync(newer);
    ours.exec("PRAGMA user_version = 99");
    ours.close();
    await assert.rejects(openSqliteStore({ file: newer }), {
      code: "CLEW_STORE_VERSION",
      message: /newer\.db has layout 99, but this version of Clew supports layouts only up to 2/,
    });
    await assert.rejects(openSqliteStore({ file: folder }), { code: "CLEW_STORE_OPEN" });
    await assert.rejects(openSqliteStore({ file: join(text, "below.db") }), { code: "CLEW_STORE_OPEN" });
  }));

test("puts a file of an older layout aside and begins a new one", () =>
  withFolder(async (folder) => {
    const file = join(folder, "traces.db");
    const older = new DatabaseSync(file);
    older.exec("CREATE TABLE trace (id BLOB); PRAGMA application_id = 0x436c6577; PRAGMA user_version = 1");
    older.close();
    const store = await openSqliteStore({ file });
    assert.equal((await store.stats()).spans, 0);
    await store.close();
    const aside = new DatabaseSync(`${file}.layout-1`, { readOnly: true });
    assert.equal(aside.prepare("SELECT count(*) AS count FROM trace").get()!.count, 0);
    aside.close();
    // The one of today stays where it is.
    await (await openSqliteStore({ file })).close();
    assert.equal(existsSync(`${file}.layout-2`), false);
  }));

test("refuses options that cannot work", async () => {
  const cases: [unknown, RegExp][] = [
    ["x.db", /^the options of openSqliteStore are "x.db"; they must be an object with any of file, /],
    [undefined, /^the options of openSqliteStore are undefined; /],
    [{ file: "x", maxByte: 5 }, /^openSqliteStore has no option maxByte; its options are file, maxBytes, /],
    [{}, /^option file is undefined; it must be the path of a file$/],
    [{ file: "" }, /^option file is ""; it must be the path of a file$/],
    [{ file: "x", maxBytes: 5 }, /^option maxBytes is 5; it must be a number from 1048576$/],
    [{ file: "x", maxBytes: "1 GiB" }, /^option maxBytes is "1 GiB"; it must be a number from 1048576$/],
    [{ file: "x", maxAgeMs: Number.NaN }, /^option maxAgeMs is NaN; it must be a number from 1$/],
    [{ file: "x", maxWaitingBytes: 0 }, /^option maxWaitingBytes is 0; it must be a number from 1$/],
    [{ file: "x", now: 5 }, /^option now is 5; it must be a function$/],
  ];
  for (const [options, message] of cases)
    await assert.rejects(openSqliteStore(options as SqliteStoreOptions), { code: "CLEW_STORE_OPTION", message });
});

test("a map with databases ends where much had to be opened for them, and comes further when it is asked again", () =>
  withFolder(async (folder) => {
    const file = join(folder, "traces.db");
    const store = await openSqliteStore({ file });
    for (const trace of [1, 2, 3, 4]) {
      await store.ingest(batchOf({ trace, id: 1, kind: 3, at: trace, attributes: { "db.system.name": "sqlite" } }));
    }
    await store.close();
    const reader = new Reader(file, { traces: 100, spans: 100, chunks: 2 });
    const look = (): (number | null)[] => {
      const { spanCount, cutAtMs, backings } = reader.serviceMap({ fromUs: 0, toUs: 1e18 }, { maxBackings: 1 });
      return [spanCount, cutAtMs, backings[0]!.callCount];
    };
    assert.deepEqual(look(), [2, epochMs + 2, 2]);
    assert.deepEqual(look(), [4, null, 4]);
    assert.equal(reader.serviceMap({ fromUs: 0, toUs: 1e18 }, {}).spanCount, 4);
    reader.close();
  }));
