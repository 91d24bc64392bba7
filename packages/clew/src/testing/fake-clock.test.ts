import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { afterEach, beforeEach, test } from "node:test";
import { clearTimeout as clearByTimers, setTimeout as waitByTimers } from "node:timers";
import { setInterval as repeat, setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { FakeClock } from "./fake-clock.ts";

let clock: FakeClock;
const told: string[] = [];

beforeEach(() => {
  told.length = 0;
  clock = new FakeClock({ now: new Date("2026-01-02T03:04:05Z") });
});
afterEach(() => clock[Symbol.dispose]());

/** A function that tells a name. */
function tell(name: string): () => void {
  return () => void told.push(name);
}

test("time stands still until it is let pass, on every clock alike", async () => {
  const began = performance.now();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(performance.now(), began);
  assert.equal(Date.now(), Date.parse("2026-01-02T03:04:05Z"));
  await clock.advance(1500);
  assert.equal(performance.now() - began, 1500);
  assert.equal(new Date().toISOString(), "2026-01-02T03:04:06.500Z");
  assert.ok(new Date() instanceof Date);
  assert.equal(new Date(7).getTime(), 7);
  clock.setDate(0);
  assert.equal(Date.now(), 0);
  assert.equal(performance.now() - began, 1500, "setting the date lets no time pass");
});

test("timers run in the order they are due, each at its moment", async () => {
  const began = performance.now();
  const at = (name: string) => () => told.push(`${name} ${performance.now() - began}`);
  setTimeout(at("third"), 30);
  setTimeout(at("first"), 10);
  setTimeout(at("second"), 10);
  setTimeout(at("later"), 31);
  await clock.advance(30);
  assert.deepEqual(told, ["first 10", "second 10", "third 30"]);
  assert.equal(clock.pending, 1);
});

test("promises settle between timers, and what they set is in time", async () => {
  const work = async (): Promise<void> => {
    for (const name of ["a", "b", "c"]) {
      await sleep(10);
      told.push(name);
    }
  };
  void work();
  setTimeout(tell("between"), 15);
  await clock.advance(30);
  assert.deepEqual(told, ["a", "between", "b", "c"]);
});

test("immediates take no time, and are waited for", async () => {
  setTimeout(tell("timer"), 1);
  setImmediate(() => setImmediate(() => void Promise.resolve().then(tell("immediate"))));
  clearImmediate(setImmediate(tell("never")));
  await clock.advance(1);
  assert.deepEqual(told, ["immediate", "timer"]);
});

test("intervals repeat until they are cleared", async () => {
  const timer = setInterval(tell("tick"), 10);
  await clock.advance(35);
  clearInterval(timer);
  await clock.advance(35);
  assert.deepEqual(told, ["tick", "tick", "tick"]);
  const tocks = repeat(10, "tock")[Symbol.asyncIterator]();
  assert.equal((await clock.until(tocks.next())).value, "tock");
  await tocks.return?.();
});

test("timers can be cleared, by object and by number, and begin anew", async () => {
  clearTimeout(setTimeout(tell("never"), 5));
  clearTimeout(Number(setTimeout(tell("never"), 5)));
  clearByTimers(waitByTimers(tell("never"), 5));
  setTimeout(tell("never"), 5).close();
  const timer = setTimeout(tell("late"), 10).unref();
  await clock.advance(9);
  timer.refresh();
  await clock.advance(9);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.deepEqual(told, ["late"]);
  clearTimeout(undefined);
});

test("node:timers/promises, promisify and AbortSignal.timeout wait for the same clock", async () => {
  const signal = AbortSignal.timeout(20);
  const controller = new AbortController();
  const aborted = assert.rejects(sleep(5, undefined, { signal: controller.signal }), {
    name: "AbortError",
    code: "ABORT_ERR",
  });
  controller.abort();
  await aborted;
  const values = Promise.all([sleep(10, "one"), promisify(setTimeout)(10, "two")]);
  await clock.advance(20);
  assert.deepEqual(await values, ["one", "two"]);
  assert.equal(signal.aborted && signal.reason.name, "TimeoutError");
  assert.equal(clock.pending, 0);
});

test("a timer runs in the context it was set in", async () => {
  const storage = new AsyncLocalStorage<string>();
  storage.run("mine", () => setTimeout(() => told.push(String(storage.getStore())), 1));
  await storage.run("other", () => clock.advance(1));
  assert.deepEqual(told, ["mine"]);
});

test("time passes for as long as a promise needs", async () => {
  const began = performance.now();
  assert.equal(await clock.until(sleep(3000, "done")), "done");
  assert.equal(performance.now() - began, 3000);
  await assert.rejects(clock.until(sleep(5).then(() => Promise.reject(new Error("failed")))), /failed/);
  await assert.rejects(clock.until(new Promise(() => {})), { code: "CLEW_TESTING_STUCK" });
});

test("what a timer throws, advance throws", async () => {
  setTimeout(() => {
    throw new Error("from the timer");
  }, 1);
  await assert.rejects(clock.advance(5), /from the timer/);
});

test("there is one at a time, and afterwards time is real", async () => {
  assert.throws(() => new FakeClock(), { code: "CLEW_TESTING_CLOCK" });
  await assert.rejects(clock.advance(-1), { code: "CLEW_TESTING_DURATION" });
  const fakeNow = performance.now;
  setTimeout(tell("never"), 1);
  clock[Symbol.dispose]();
  clock[Symbol.dispose]();
  assert.notEqual(performance.now, fakeNow);
  assert.ok(Math.abs(Date.now() - performance.timeOrigin - performance.now()) < 60_000);
  assert.equal(Object.hasOwn(performance, "now"), false);
  await sleep(2);
  await new Promise((resolve) => setTimeout(resolve, 2));
  assert.deepEqual(told, []);
  await assert.rejects(clock.advance(1), { code: "CLEW_TESTING_CLOCK" });
});

test("what no clock can be set to is told, and leaves no clock behind", () => {
  clock[Symbol.dispose]();
  const cases: [object, RegExp][] = [
    [{ nwo: 0 }, /^FakeClock has no option nwo; its options are now; did you mean now\?$/],
    [{ now: "2026-01-02" }, /^option now is "2026-01-02"; it must be a date, or milliseconds since 1970$/],
    [{ now: new Date("never") }, /^option now is .*; it must be a date/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new FakeClock(options), { code: "CLEW_TESTING_OPTION", message });
  }
  clock = new FakeClock({ now: 5 });
  assert.throws(() => clock.setDate(Number.NaN), { code: "CLEW_TESTING_OPTION" });
  assert.equal(Date.now(), 5);
});
