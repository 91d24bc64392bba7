// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a configuration look like this

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../http2/test/until.ts";
import { type Config, loadConfig } from "./config.ts";
import { createLayer } from "./document.ts";
import { env } from "./env.ts";
import { type Schema, schemaOf } from "./schema.ts";
import type { Layer, Source } from "./source.ts";
import type { Tree } from "./tree.ts";

/** A source whose values a test changes. */
class FakeSource implements Source {
  readonly name: string;
  #layer: Layer | Error;
  #onChange: (() => void) | undefined;
  onError: ((error: Error) => void) | undefined;
  loads = 0;

  constructor(name: string, values: Tree) {
    this.name = name;
    this.#layer = createLayer(name, values);
  }

  async load(): Promise<Layer> {
    this.loads += 1;
    if (this.#layer instanceof Error) throw this.#layer;
    return this.#layer;
  }

  watch(onChange: () => void, onError: (error: Error) => void): () => void {
    this.#onChange = onChange;
    this.onError = onError;
    return () => {
      this.#onChange = undefined;
    };
  }

  get isWatched(): boolean {
    return this.#onChange !== undefined;
  }

  set(values: Tree | Error): void {
    this.#layer = values instanceof Error ? values : createLayer(this.name, values);
    this.#onChange?.();
  }
}

/** Loads, runs, closes; no timer is left behind a failed assertion. */
async function withConfig<T>(config: Config<T>, body: (config: Config<T>) => Promise<void>): Promise<void> {
  try {
    await body(config);
  } finally {
    await config.close();
  }
}

test("later sources win, and the snapshot is frozen through and through", async () => {
  const config = await loadConfig({
    sources: [new FakeSource("a", { x: 1, m: { a: 1, l: [{ y: 1 }] } }), new FakeSource("b", { x: 2, m: { b: 2 } })],
  });
  await withConfig(config, async () => {
    assert.deepEqual(config.snapshot, { x: 2, m: { a: 1, b: 2, l: [{ y: 1 }] } });
    assert.throws(() => {
      (config.snapshot as { x: number }).x = 3;
    }, TypeError);
    assert.ok(Object.isFrozen((config.snapshot as { m: { l: object[] } }).m.l[0]));
  });
});

test("without sources there is an empty snapshot", async () => {
  assert.deepEqual((await loadConfig({ sources: [] })).snapshot, {});
});

test("after a change of the first source the later source still wins, and deleted keys are gone", async () => {
  const low = new FakeSource("low", { x: 1, only: 1 });
  const high = new FakeSource("high", { x: 2 });
  await withConfig(await loadConfig({ sources: [low, high] }), async (config) => {
    low.set({ x: 10, fresh: 1 });
    await until(() => (config.snapshot as { fresh?: number }).fresh === 1);
    assert.deepEqual(config.snapshot, { x: 2, fresh: 1 });
  });
});

test("placeholders are filled anew at each change, from the sources, never from what they once were", async () => {
  const text = new FakeSource("text", { url: "http://${host}:${PORT}" });
  const host = new FakeSource("host", { host: "one" });
  const sources = [text, host, env("", { variables: { PORT: "80" } })];
  await withConfig(await loadConfig({ sources }), async (config) => {
    assert.equal(config.snapshot.url, "http://one:80");
    host.set({ host: "two" });
    await until(() => config.snapshot.url === "http://two:80");
  });
});

test("environment variables win over a file that changes", async () => {
  const low = new FakeSource("low", { server: { addr: ":1" } });
  const sources = [low, env("", { variables: { SERVER_ADDR: ":2" } })];
  await withConfig(await loadConfig({ sources }), async (config) => {
    low.set({ server: { addr: ":3", more: 1 } });
    await until(() => (config.snapshot.server as { more?: number }).more === 1);
    assert.deepEqual(config.snapshot, { server: { addr: ":2", more: 1 } });
  });
});

test("a listener hears changes of its key only: another type, appearing and going too", async () => {
  const source = new FakeSource("a", { a: { b: 1 }, other: 1 });
  await withConfig(await loadConfig({ sources: [source] }), async (config) => {
    const heard: unknown[] = [];
    config.watch("a.b", (value, previous) => heard.push([value, previous]));
    const all: unknown[] = [];
    const stop = config.watch("", (value) => all.push(value));
    const set = async (values: Tree): Promise<void> => {
      const before = config.snapshot;
      source.set(values);
      await until(() => config.snapshot !== before);
    };
    await set({ a: { b: 1 }, other: 2 });
    assert.deepEqual(heard, []);
    await set({ a: { b: "1" }, other: 2 });
    await set({ a: {}, other: 2 });
    await set({ a: { b: { c: 1 } }, other: 2 });
    assert.deepEqual(heard, [
      ["1", 1],
      [undefined, "1"],
      [{ c: 1 }, undefined],
    ]);
    assert.equal(all.length, 4);
    stop();
    await set({});
    assert.equal(all.length, 4);
  });
});

test("the same values again are no change: the snapshot stays the same object", async () => {
  const source = new FakeSource("a", { a: 1 });
  await withConfig(await loadConfig({ sources: [source] }), async (config) => {
    const { snapshot } = config;
    source.set({ a: 1 });
    await until(() => source.loads === 2);
    source.set({ a: 1 });
    await until(() => source.loads === 3);
    assert.equal(config.snapshot, snapshot);
  });
});

test("a burst of changes is one reload", async () => {
  const source = new FakeSource("a", { n: 0 });
  await withConfig(await loadConfig({ sources: [source] }), async (config) => {
    for (let n = 1; n <= 20; n += 1) source.set({ n });
    await until(() => config.snapshot.n === 20);
    assert.equal(source.loads, 2);
  });
});

test("a bad change is reported and the last good snapshot stays, until it is good again", async () => {
  const errors: Error[] = [];
  const a = new FakeSource("a", { x: 1 });
  const b = new FakeSource("b", { y: "1" });
  const schema = schemaOf({ x: 0, y: "" });
  const onError = (error: Error): number => errors.push(error);
  await withConfig(await loadConfig({ sources: [a, b], schema, onError }), async (config) => {
    a.set(new Error("cannot read a"));
    await until(() => errors.length === 1);
    assert.equal(errors[0]!.message, "cannot read a");
    assert.deepEqual(config.snapshot, { x: 1, y: "1" });

    // The other source goes on with what the broken one last had.
    b.set({ y: "2" });
    await until(() => config.snapshot.y === "2");
    assert.equal(config.snapshot.x, 1);

    a.set({ x: "text" });
    await until(() => errors.length === 2);
    assert.equal(errors[1]!.message, 'a: x must be a number, not "text"');
    assert.deepEqual(config.snapshot, { x: 1, y: "2" });

    a.set({ x: 5 });
    await until(() => config.snapshot.x === 5);
    assert.equal(errors.length, 2);
  });
});

test("what a listener throws is reported, and the others still hear", async () => {
  const errors: Error[] = [];
  const source = new FakeSource("a", { x: 1 });
  const onError = (error: Error): number => errors.push(error);
  await withConfig(await loadConfig({ sources: [source], onError }), async (config) => {
    let heard: unknown;
    config.watch("x", () => {
      throw new Error("listener");
    });
    config.watch("x", (value) => {
      heard = value;
    });
    source.set({ x: 2 });
    await until(() => heard === 2);
    assert.equal(errors[0]!.message, "listener");
    source.onError?.(new Error("watch failed"));
    assert.equal(errors[1]!.message, "watch failed");
  });
});

test("a change while the sources are first read is not lost", async () => {
  class Racing extends FakeSource {
    override async load(): Promise<Layer> {
      const layer = await super.load();
      if (this.loads === 1) this.set({ x: 2 });
      return layer;
    }
  }
  const source = new Racing("a", { x: 1 });
  await withConfig(await loadConfig({ sources: [source] }), async (config) => {
    await until(() => config.snapshot.x === 2);
  });
});

test("a load that fails leaves no watch behind", async () => {
  const good = new FakeSource("good", {});
  const bad = new FakeSource("bad", {});
  bad.set(new Error("unreachable"));
  await assert.rejects(loadConfig({ sources: [good, bad] }), /unreachable/);
  assert.ok(!good.isWatched && !bad.isWatched);
});

test("close ends the watching, and no change comes after it", async () => {
  const source = new FakeSource("a", { x: 1 });
  const config = await loadConfig({ sources: [source] });
  assert.ok(source.isWatched);
  source.set({ x: 2 });
  await config.close();
  assert.ok(!source.isWatched);
  assert.equal(source.loads, 1);
  assert.deepEqual(config.snapshot, { x: 1 });
  assert.throws(() => config.watch("x", () => {}), { code: "CLEW_CONFIG_CLOSED" });
  await config.close();
});

test("all problems are one error of one line, each with the place of its key or of the map around it", async () => {
  const sources = [
    new FakeSource("a.yaml", { server: { adress: ":1", port: 1 } }),
    env("APP_", { variables: { APP_SERVER_PORT: "x" } }),
  ];
  await assert.rejects(loadConfig({ sources, schema: schemaOf({ server: { address: "", port: 0 } }) }), {
    code: "CLEW_CONFIG_INVALID",
    message:
      'a.yaml: server.adress is unknown; did you mean address? known here: address, port; environment variable APP_SERVER_PORT: server.port must be a number, not "x"',
  });
});

test("a schema of another library is used by its standard interface, also an asynchronous one", async () => {
  const asynchronous: Schema<{ at: Date }> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: async (value) => ({ value: { at: new Date((value as { at: string }).at) } }),
    },
  };
  const config = await loadConfig({ sources: [new FakeSource("a", { at: "2026-01-02" })], schema: asynchronous });
  await config.close();
  assert.equal(config.snapshot.at.getUTCFullYear(), 2026);

  const issues = [{ message: "Required", path: [{ key: "server" }, "port"] }, { message: "no good" }];
  const refusing: Schema<never> = { "~standard": { version: 1, vendor: "test", validate: () => ({ issues }) } };
  await assert.rejects(loadConfig({ sources: [new FakeSource("a", { server: {} })], schema: refusing }), {
    message: "a: server.port Required; a: no good",
  });
});

test("a bad change is told to the logger once, with what and where, however often it is read again", async () => {
  const lines: unknown[] = [];
  const logger = { warn: (message: string, fields?: Record<string, unknown>) => void lines.push([message, fields]) };
  const source = new FakeSource("a.yaml", { port: 1 });
  const schema = schemaOf({ port: 0 });
  await withConfig(await loadConfig({ sources: [source], schema, logger }), async (config) => {
    const bad = { port: "x" };
    for (const loads of [2, 3]) {
      source.set({ ...bad });
      await until(() => source.loads === loads);
    }
    source.set({ port: 2 });
    await until(() => config.snapshot.port === 2);
    const line = [
      "a change of the configuration could not be applied; the previous values stay in use",
      { reason: 'a.yaml: port must be a number, not "x"', code: "CLEW_CONFIG_INVALID" },
    ];
    assert.deepEqual(lines, [line]);
    // Once it was good again, the same mistake is news.
    source.set({ ...bad });
    await until(() => lines.length === 2);
    assert.deepEqual(lines, [line, line]);
  });
});

test("what an asynchronous listener rejects with is reported", async () => {
  const errors: Error[] = [];
  const source = new FakeSource("a", { x: 1 });
  const onError = (error: Error): number => errors.push(error);
  await withConfig(await loadConfig({ sources: [source], onError }), async (config) => {
    config.watch("x", async () => {
      await null;
      throw new Error("later");
    });
    source.set({ x: 2 });
    await until(() => errors.length === 1);
    assert.equal(errors[0]!.message, "later");
  });
});

test("a value that was asked for once follows changes", async () => {
  const source = new FakeSource("a", { timeout: "1s" });
  await withConfig(await loadConfig({ sources: [source] }), async (config) => {
    const timeout = config.value("timeout");
    assert.equal(timeout.durationMs(), 1_000);
    source.set({ timeout: "2s" });
    await until(() => timeout.durationMs() === 2_000);
  });
});
