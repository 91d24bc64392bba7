import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seededRandom } from "../test/seeded-random.ts";
import { CpuLoad, readCgroupQuota } from "./cpu-load.ts";

test("the load is load * 0.95 + sample * 0.05 for each half second", () => {
  const random = seededRandom(7);
  const state = { ms: 0, usedMs: 0 };
  const load = new CpuLoad({ now: () => state.ms, usedMs: () => state.usedMs, cores: 1 });
  let expected = 0;
  for (let i = 0; i < 200; i++) {
    const share = random();
    state.ms += 500;
    state.usedMs += 500 * share;
    expected = expected * 0.95 + 1000 * share * 0.05;
    assert.ok(Math.abs(load.read() - expected) < 1e-6, `sample ${i}`);
    // Nothing new before the next half second.
    state.usedMs += 100;
    assert.ok(Math.abs(load.read() - expected) < 1e-6);
    state.usedMs -= 100;
  }
});

test("a long pause counts as that many samples of its average", () => {
  const state = { ms: 0, usedMs: 0 };
  const load = new CpuLoad({ now: () => state.ms, usedMs: () => state.usedMs, cores: 1 });
  state.ms = 5000;
  state.usedMs = 4000;
  assert.ok(Math.abs(load.read() - 800 * (1 - 0.95 ** 10)) < 1e-9);
});

test("half a core of a quota of half a core is full load, and full is the most", () => {
  const state = { ms: 0, usedMs: 0 };
  const load = new CpuLoad({ now: () => state.ms, usedMs: () => state.usedMs, cores: 0.5 });
  for (let i = 0; i < 500; i++) {
    state.ms += 500;
    state.usedMs += 400;
    load.read();
  }
  assert.ok(load.read() > 999 && load.read() <= 1000);
});

test("the quota of a container is read from cpu.max", () => {
  const root = mkdtempSync(join(tmpdir(), "cgroup-"));
  try {
    assert.equal(readCgroupQuota(root), undefined);
    for (const [text, cores] of [
      ["50000 100000\n", 0.5],
      ["200000 100000\n", 2],
      ["max 100000\n", undefined],
      ["", undefined],
    ] as const) {
      writeFileSync(join(root, "cpu.max"), text);
      assert.equal(readCgroupQuota(root), cores);
    }
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("this process can be read", () => {
  const load = new CpuLoad();
  assert.equal(load.read(), 0);
});
