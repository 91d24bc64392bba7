import assert from "node:assert/strict";
import { test } from "node:test";
import { Context } from "@clew/context";
import { ServiceError } from "@clew/rpc";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, drain, fail, invoke, stream } from "../test/invoke.ts";
import { seededRandom } from "../test/seeded-random.ts";
import { TestCall } from "../test/test-call.ts";
import { type Breaker, circuitBreaker, SreBreaker } from "./circuit-breaker.ts";

test("the SRE breaker rejects exactly when its formula and its dice say so", () => {
  for (const seed of [1, 2, 3]) {
    const random = seededRandom(seed);
    // The dice of the breaker and of the formula are two of the same seed.
    const dice = seededRandom(seed + 100);
    let ms = 0;
    const breaker = new SreBreaker({ now: () => ms, random: seededRandom(seed + 100) });
    const calls: { tick: number; accepted: boolean }[] = [];
    let rejections = 0;
    for (let i = 0; i < 6000; i++) {
      ms += random() * 20;
      const tick = Math.floor(ms / 300);
      const window = calls.filter((call) => call.tick > tick - 10);
      const accepts = window.filter((call) => call.accepted).length;
      const k = 1 / 0.6;
      const isOpen = window.length >= 100 && window.length >= k * accepts;
      const probability = isOpen ? Math.max(0, (window.length - k * accepts) / (window.length + 1)) : 0;
      assert.ok(Math.abs(breaker.dropRatio - probability) < 1e-12, `call ${i}`);
      const allowed = probability === 0 || dice() >= probability;
      assert.equal(breaker.allow(), allowed, `call ${i}`);
      // Good and bad seconds in turns.
      const accepted = allowed && random() < (Math.floor(ms / 9000) % 2 === 0 ? 0.99 : 0.2);
      if (accepted) breaker.markSuccess();
      else breaker.markFailed();
      if (!allowed) rejections++;
      calls.push({ tick, accepted });
      if (calls.length > 2500) calls.shift();
    }
    assert.ok(rejections > 300 && rejections < 5700, `${rejections} rejections`);
  }
});

test("nothing is rejected below the least number of calls, however many fail", () => {
  const breaker = new SreBreaker({ now: () => 0, random: () => 0 });
  for (let i = 0; i < 99; i++) {
    assert.equal(breaker.allow(), true);
    breaker.markFailed();
  }
  assert.equal(breaker.allow(), true);
  breaker.markFailed();
  assert.equal(breaker.allow(), false);
});

test("up to the success ratio nothing is rejected", () => {
  const breaker = new SreBreaker({ now: () => 0, random: () => 0 });
  for (let i = 0; i < 600; i++) breaker.markSuccess();
  for (let i = 0; i < 400; i++) breaker.markFailed();
  assert.equal(breaker.dropRatio, 0);
  breaker.markFailed();
  assert.ok(Math.abs(breaker.dropRatio - 1 / 1002) < 1e-12);
  for (let i = 1; i < 100; i++) breaker.markFailed();
  assert.ok(Math.abs(breaker.dropRatio - (1100 - 600 / 0.6) / 1101) < 1e-12);
});

test("it recovers when the window has passed", () => {
  let ms = 0;
  const breaker = new SreBreaker({ now: () => ms, random: () => 0 });
  for (let i = 0; i < 200; i++) breaker.markFailed();
  assert.equal(breaker.allow(), false);
  ms = 3000;
  assert.equal(breaker.allow(), true);
});

/** A breaker that notes what it is told. */
function createNotes() {
  const notes: string[] = [];
  let isOpen = false;
  const createBreaker = (operation: string): Breaker => ({
    allow: () => !isOpen,
    markSuccess: () => notes.push(`${operation} success`),
    markFailed: () => notes.push(`${operation} failed`),
  });
  return { notes, createBreaker, open: () => (isOpen = true) };
}

test("500, 503 and 504 are failures, and what is no ServiceError; other errors are successes", async () => {
  const { notes, createBreaker } = createNotes();
  const middleware = circuitBreaker({ createBreaker });
  await invoke(middleware, answer, new TestCall("client"));
  const thrown = [400, 404, 429, 499, 500, 502, 503, 504].map((code) => new ServiceError(code, "X", "x"));
  for (const error of [...thrown, new Error("mistake")]) {
    await assert.rejects(invoke(middleware, fail(error), new TestCall("client")), (same) => same === error);
  }
  assert.deepEqual(
    notes.map((note) => note.split(" ")[1]),
    ["success", "success", "success", "success", "success", "failed", "success", "failed", "failed", "failed"],
  );
});

test("an open breaker fails the call with 503 CIRCUITBREAKER, does not send it, and counts it", async () => {
  const { notes, createBreaker, open } = createNotes();
  open();
  const unreached = () => assert.fail("the call was sent");
  await assert.rejects(invoke(circuitBreaker({ createBreaker }), unreached, new TestCall("client")), {
    code: 503,
    reason: "CIRCUITBREAKER",
    message: "request failed due to circuit breaker triggered",
  });
  assert.deepEqual(notes, ["/rpc.test.Greeter/SayHello failed"]);
});

test("every operation has a breaker of its own, whichever client calls it", async () => {
  const made: string[] = [];
  const { createBreaker } = createNotes();
  const middleware = circuitBreaker({
    createBreaker: (operation) => {
      made.push(operation);
      return createBreaker(operation);
    },
  });
  for (const method of [Greeter.method.sayHello, Greeter.method.repeat, Greeter.method.sayHello]) {
    await invoke(middleware, answer, new TestCall("client", {}, Context.root, method));
  }
  assert.deepEqual(made, ["/rpc.test.Greeter/SayHello", "/rpc.test.Greeter/Repeat"]);
});

test("a stream is counted by its end", async () => {
  const { notes, createBreaker } = createNotes();
  const middleware = circuitBreaker({ createBreaker });
  const call = () => new TestCall("client", {}, Context.root, Greeter.method.repeat);
  const good = await invoke(middleware, async () => stream(), call());
  const bad = await invoke(middleware, async () => stream(new ServiceError(503, "", "gone")), call());
  assert.deepEqual(notes, []);
  await drain(good);
  await assert.rejects(drain(bad));
  assert.deepEqual(notes, ["/rpc.test.Greeter/Repeat success", "/rpc.test.Greeter/Repeat failed"]);
});

test("an option that cannot be is an error when the middleware is made", () => {
  for (const options of [{ successRatio: 0 }, { successRatio: 1.1 }, { minRequests: -1 }]) {
    assert.throws(() => circuitBreaker(options), { code: "CLEW_MIDDLEWARE_OPTION" });
  }
});
