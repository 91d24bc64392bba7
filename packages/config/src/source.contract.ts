import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadConfig } from "./config.ts";
import type { Source } from "./source.ts";
import type { Tree } from "./tree.ts";

/** A source under test, and the functions that change its data. */
export interface SourceHarness {
  readonly source: Source;
  /** Replaces everything that the source reads by these values: a map with text, numbers, booleans, lists and maps. */
  set(values: Tree): Promise<void> | void;
  /** Replaces the data by something that the source cannot read. Default: none, the source can read anything. */
  spoil?(): Promise<void> | void;
  close?(): Promise<void> | void;
}

export interface SourceContractOptions {
  /** How long it may take until a watch reports a change, in milliseconds. Default: 10_000. */
  timeoutMs?: number;
}

/**
 * The promises of every source, as tests of `node:test`. Each test has its own source, in which `{ name: "first" }` is set at the
 * beginning.
 */
export function testSource(
  name: string,
  open: () => Promise<SourceHarness> | SourceHarness,
  options: SourceContractOptions = {},
): void {
  const { timeoutMs = 10_000 } = options;

  const behaves = (what: string, body: (harness: SourceHarness) => Promise<void>): void => {
    test(what, { timeout: timeoutMs * 4 }, async () => {
      const harness = await open();
      // On Node 22 a test that waits for an unref'd timer needs a timer of its own that keeps the process alive.
      const alive = setInterval(() => {}, 1_000);
      try {
        await harness.set({ name: "first" });
        await body(harness);
      } finally {
        clearInterval(alive);
        await harness.close?.();
      }
    });
  };
  const until = async (condition: () => boolean | Promise<boolean>, what: string): Promise<void> => {
    const endMs = performance.now() + timeoutMs;
    while (!(await condition())) {
      if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`);
      await sleep(10);
    }
  };
  const read = async (source: Source): Promise<Tree> => (await source.load()).over({});
  const reads = async (source: Source, values: Tree): Promise<boolean> => {
    return JSON.stringify(await read(source)) === JSON.stringify(values);
  };

  describe(`source: ${name}`, () => {
    behaves("has a name and reads what is there, with its kinds", async ({ source, set }) => {
      assert.notEqual(source.name, "");
      assert.deepEqual(await read(source), { name: "first" });
      const values = { text: "1", number: 1.5, yes: true, list: ["a", "b"], map: { inner: { deep: "x" } } };
      await set(values);
      await until(() => reads(source, values), "the values that were set");
    });

    behaves("what was read stays as it was when the source changes", async ({ source, set }) => {
      const layer = await source.load();
      await set({ name: "second" });
      await until(() => reads(source, { name: "second" }), "the second values");
      assert.deepEqual(layer.over({}), { name: "first" });
    });

    behaves("lays its values over others, merging maps, and changes none of them", async ({ source, set }) => {
      const values = { server: { http: { addr: ":2" } } };
      await set(values);
      await until(() => reads(source, values), "the values that were set");
      const under = { server: { http: { addr: ":1", timeout: "1s" }, kept: 1 }, other: true };
      const copy = structuredClone(under);
      const layer = await source.load();
      const expected = { server: { http: { addr: ":2", timeout: "1s" }, kept: 1 }, other: true };
      assert.deepEqual(layer.over(under), expected);
      assert.deepEqual(layer.over(under), expected);
      assert.deepEqual(under, copy);
    });

    behaves(
      "tells where a key was written, in words that name the source's place, and nothing of other keys",
      async ({ source }) => {
        const layer = await source.load();
        layer.over({});
        assert.match(layer.locate(["name"]) ?? "", /\S/);
        assert.equal(layer.locate(["none"]), undefined);
        assert.equal(layer.locate(["name", "below"]), undefined);
      },
    );

    behaves("a configuration follows it, change after change, also what is deleted", async ({ source, set }) => {
      assert.ok(source.watch !== undefined, "a source that changes has watch()");
      const config = await loadConfig({ sources: [source] });
      try {
        for (const values of [{ name: "second", more: 1 }, { name: "third" }, { name: "first" }]) {
          await set(values);
          await until(
            () => JSON.stringify(config.snapshot) === JSON.stringify(values),
            `the change to ${JSON.stringify(values)}`,
          );
        }
      } finally {
        await config.close();
      }
    });

    behaves(
      "an ended watch tells nothing more; ending it twice does no harm; another goes on",
      async ({ source, set }) => {
        const told = { ended: 0, other: 0 };
        const fail = (error: Error): void => assert.fail(error);
        const end = source.watch!(() => (told.ended += 1), fail);
        const endOther = source.watch!(() => (told.other += 1), fail);
        end();
        end();
        // An event that was under way when the first watch ended may still reach the other watch.
        await set({ name: "second" });
        await until(() => told.other > 0, "the other watch");
        endOther();
        assert.equal(told.ended, 0);
      },
    );

    behaves(
      "what cannot be read is an error with a message, the last good stays, and it recovers",
      async ({ source, set, spoil }) => {
        if (spoil === undefined) return;
        const errors: Error[] = [];
        const config = await loadConfig({ sources: [source], onError: (error) => errors.push(error) });
        try {
          await spoil();
          await until(() => errors.length > 0, "the error");
          assert.match(errors[0]!.message, /\S/);
          assert.deepEqual(config.snapshot, { name: "first" });
          await assert.rejects(source.load());
          await set({ name: "second" });
          await until(() => config.snapshot.name === "second", "the recovery");
        } finally {
          await config.close();
        }
      },
    );
  });
}
