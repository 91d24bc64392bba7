import assert from "node:assert/strict";
import { test } from "node:test";
import type { Worker } from "node:worker_threads";
import type { Attempt } from "./delivery.ts";
import { resolveOtlpOptions } from "./otlp-options.ts";
import { WorkerSender, type WorkerSenderInit } from "./worker-sender.ts";

const settings = resolveOtlpOptions("traces", { env: {}, thread: "worker", timeoutMs: 60_000 });
const never = new AbortController().signal;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** A program for the thread; `answer` tells the sender. */
function program(code: string): URL {
  const head = `
    import { parentPort, workerData } from "node:worker_threads";
    const answer = (id, text, more) =>
      parentPort.postMessage({ id, outcome: "taken", reply: new TextEncoder().encode(text), ...more });`;
  return new URL(`data:text/javascript,${encodeURIComponent(head + code)}`);
}

async function withSender(
  init: Omit<WorkerSenderInit, "settings">,
  use: (sender: WorkerSender) => Promise<void>,
): Promise<void> {
  const sender = new WorkerSender({ settings, ...init });
  // Nothing in here keeps the process alive by itself.
  const alive = setInterval(() => {}, 1000);
  try {
    await use(sender);
  } finally {
    await sender.close();
    clearInterval(alive);
  }
}

test("pieces arrive as one body, without the memory around them, and stay their owner's", async () => {
  const tells = program(`
    parentPort.on("message", ({ id, body }) => answer(id, Buffer.from(body) + " in " + body.buffer.byteLength));`);
  await withSender({ program: tells }, async (sender) => {
    const slab = Buffer.alloc(65_536, "one two three ");
    const pieces = [slab.subarray(0, 4), slab.subarray(4, 8), slab.subarray(8, 13)];
    assert.equal(text((await sender.send(pieces, never)).reply), "one two three in 13");
    // Small buffers are parts of a pool, which must stay whole.
    assert.equal(text((await sender.send(Buffer.from("alone"), never)).reply), "alone in 5");
    assert.equal(text(slab.subarray(0, 13)), "one two three");
    assert.equal(text((await sender.send([], never)).reply), " in 0");
  });
});

test("answers find their questions in any order, with all that they say", async () => {
  const backwards = program(`
    const held = [];
    parentPort.on("message", ({ id, body }) => {
      held.push([id, Buffer.from(body) + "!"]);
      if (held.length < 3) return;
      const more = { outcome: "busy", retryAfterMs: 5, error: "later", sentBytes: 1 };
      for (const [id, text] of held.reverse()) answer(id, text, more);
    });`);
  await withSender({ program: backwards }, async (sender) => {
    const sent = ["a", "b", "c"].map((one) => sender.send(Buffer.from(one), never));
    const attempts = await Promise.all(sent);
    assert.deepEqual(
      attempts.map(({ reply }) => text(reply)),
      ["a!", "b!", "c!"],
    );
    const { outcome, retryAfterMs, error, sentBytes } = attempts[0]!;
    assert.deepEqual([outcome, retryAfterMs, error?.message, sentBytes], ["busy", 5, "later", 1]);
  });
});

test("a thread that cannot start, or breaks, is no answer, and says why", async () => {
  const cases: [URL, RegExp][] = [
    [new URL("file:///nowhere/otlp-thread.js"), /Cannot find module/],
    [new URL("http://127.0.0.1/otlp-thread.js"), /URL/],
    [program(`throw new Error("broken at once");`), /broken at once/],
    [program(`parentPort.on("message", () => { throw new Error("broken later"); });`), /broken later/],
    [program(`parentPort.on("message", () => Promise.reject(new Error("nobody looks")));`), /nobody looks/],
    [program(`parentPort.on("message", () => process.exit(0));`), /the thread that sends has ended/],
  ];
  for (const [broken, reason] of cases) {
    await withSender({ program: broken }, async (sender) => {
      for (let count = 0; count < 2; count++) {
        const { outcome, error } = await sender.send(Buffer.from("a"), never);
        assert.equal(outcome, "busy");
        assert.match(error?.message ?? "", reason);
      }
    });
  }
});

test("what was answered before the thread ended counts; the next request starts another", async () => {
  const onlyOnce = program(`
    parentPort.once("message", ({ id }) => {
      answer(id, "taken");
      parentPort.once("message", () => process.exit(1));
    });`);
  await withSender({ program: onlyOnce }, async (sender) => {
    for (let round = 0; round < 3; round++) {
      const both = [sender.send(Buffer.from("a"), never), sender.send(Buffer.from("b"), never)];
      const outcomes = (await Promise.all(both)).map(({ outcome }: Attempt) => outcome);
      assert.deepEqual(outcomes, ["taken", "busy"]);
    }
  });
});

test("a thread that hangs is ended", async () => {
  const hangs = program("parentPort.on('message', () => { for (;;); });");
  const short = resolveOtlpOptions("traces", { env: {}, thread: "worker", timeoutMs: 1 });
  const sender = new WorkerSender({ settings: short, program: hangs, graceMs: 500 });
  const alive = setInterval(() => {}, 1000);
  assert.equal((await sender.send(Buffer.from("a"), never)).outcome, "busy");
  await sender.close();
  clearInterval(alive);
});

test("a signal cuts off what is under way; closing ends the thread, also where none was started", async () => {
  let worker: Worker | undefined;
  process.once("worker", (started) => {
    worker = started;
  });
  const silent = program("parentPort.on('message', () => {});");
  await withSender({ program: silent }, async (sender) => {
    await sender.close();
    const stopping = new AbortController();
    const sending = sender.send(Buffer.from("a"), stopping.signal);
    stopping.abort();
    assert.match((await sending).error?.message ?? "", /shut down/);
    await sender.close();
    assert.equal(worker?.threadId, -1);
  });
});

test("nothing of NODE_OPTIONS is in there, and of the settings all that sending takes", async () => {
  const tells = program(`
    const { url, settings } = workerData;
    const found = [process.env.NODE_OPTIONS, process.env.CLEW_TEST_ENV, process.execArgv.length, url, settings.tls.ca];
    parentPort.on("message", ({ id }) => answer(id, JSON.stringify(found)));`);
  const before = process.env.NODE_OPTIONS;
  Object.assign(process.env, { NODE_OPTIONS: "--import data:text/javascript,", CLEW_TEST_ENV: "here" });
  try {
    const own = resolveOtlpOptions("traces", {
      endpoint: "https://collector",
      env: {},
      thread: "worker",
      tls: { ca: Buffer.from("PEM") },
      timeoutMs: 60_000,
    });
    const sender = new WorkerSender({ settings: own, program: tells });
    const alive = setInterval(() => {}, 1000);
    const { reply } = await sender.send(Buffer.from("a"), never);
    assert.deepEqual(JSON.parse(text(reply)), [null, "here", 0, "https://collector/v1/traces", "PEM"]);
    await sender.close();
    clearInterval(alive);
  } finally {
    delete process.env.CLEW_TEST_ENV;
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
});
