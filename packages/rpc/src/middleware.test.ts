import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import type { Call } from "./call.ts";
import { chain, type Handler, isStream, type Middleware, watcher } from "./middleware.ts";

const reply = { $typeName: "test" } as Message;
const call = {} as Call;

/** A watcher and a middleware of the usual form that tell what happens to them. */
function tellers(told: string[]): Record<"watch" | "wrap", (name: string) => Middleware> {
  return {
    watch: (name) =>
      watcher(() => () => {
        told.push(`${name} begins`);
        return (thrown) => told.push(`${name} ends${thrown === undefined ? "" : ` with ${thrown}`}`);
      }),
    wrap: (name) => (next) => async (given) => {
      told.push(`${name} begins`);
      try {
        return await next(given);
      } finally {
        told.push(`${name} ends`);
      }
    },
  };
}

test("watchers begin from outside to inside and end from inside to outside, among others and alone", async () => {
  const told: string[] = [];
  const { watch, wrap } = tellers(told);
  const handler: Handler = async () => {
    told.push("handler");
    return reply;
  };
  assert.equal(await chain(watch("a"), watch("b"), wrap("c"), watch("d"))(handler)(call), reply);
  const inner = ["d begins", "handler", "d ends"];
  assert.deepEqual(told, ["a begins", "b begins", "c begins", ...inner, "c ends", "b ends", "a ends"]);
  told.length = 0;
  assert.equal(await watch("d")(handler)(call), reply);
  assert.deepEqual(told, inner);
});

test("what a handler throws, at once or later, is told and thrown on", async () => {
  for (const handler of [() => Promise.reject("late"), () => assert.fail("now")] as Handler[]) {
    const told: string[] = [];
    const { watch } = tellers(told);
    const thrown = await chain(watch("a"), watch("b"))(handler)(call).catch((error: unknown) => error);
    assert.deepEqual(told, ["a begins", "b begins", `b ends with ${thrown}`, `a ends with ${thrown}`]);
  }
});

test("what is no middleware, and what makes no handler, is told when the chain is made", () => {
  const handler: Handler = async () => reply;
  const pass: Middleware = (next) => next;
  assert.throws(() => chain(pass, undefined as never), {
    code: "CLEW_RPC_MIDDLEWARE",
    message: "middleware 1 of a chain is undefined; it must be a function around a handler, such as recovery() returns",
  });
  // As Koa and Express have them.
  const other = ((_call: unknown, next: () => unknown) => next()) as never;
  assert.throws(() => chain(pass, other), {
    code: "CLEW_RPC_MIDDLEWARE",
    message:
      "middleware 1 of a chain takes 2 arguments; it must take one, the next handler: `(next) => (call) => next(call)`",
  });
  const watch = watcher(() => () => undefined);
  const forgets = (() => undefined) as never;
  assert.throws(() => chain(watch, watch, forgets, pass)(handler), {
    code: "CLEW_RPC_MIDDLEWARE",
    message: "middleware 2 of a chain returned undefined; it must return a handler, such as `(call) => next(call)`",
  });
});

test("a watcher that throws refuses the call: those outside of it are told, the others never see it", async () => {
  const told: string[] = [];
  const { watch } = tellers(told);
  const refuse = watcher(() => () => {
    throw "no";
  });
  const handler: Handler = async () => assert.fail("it is never called");
  await assert.rejects(
    () => chain(watch("a"), refuse, watch("b"))(handler)(call),
    (thrown) => thrown === "no",
  );
  assert.deepEqual(told, ["a begins", "a ends with no"]);
});

test("a stream is over at its end, or with what ends it; a watcher without an end waits for nothing", async () => {
  for (const fails of [false, true]) {
    const told: string[] = [];
    const { watch } = tellers(told);
    const handler: Handler = async () =>
      (async function* () {
        yield reply;
        if (fails) throw "broken";
      })();
    const stream = await chain(
      watch("a"),
      watcher(() => () => undefined),
      watch("b"),
    )(handler)(call);
    assert.ok(isStream(stream));
    assert.deepEqual(told, ["a begins", "b begins"]);
    const messages: Message[] = [];
    const end = await (async () => {
      for await (const message of stream) messages.push(message);
      return "";
    })().catch((thrown: unknown) => ` with ${thrown}`);
    assert.deepEqual([messages.length, end], [1, fails ? " with broken" : ""]);
    assert.deepEqual(told.slice(2), [`b ends${end}`, `a ends${end}`]);
  }
});

test("an error that a watcher returns takes the place of what was thrown; anything else it returns changes nothing", async () => {
  const told: unknown[] = [];
  const tell = watcher(() => () => (thrown) => told.push(thrown));
  const returning = (returned: unknown) => watcher(() => () => () => returned);
  const [first, second] = [new Error("first"), new Error("second")];
  const good: Handler = async () => reply;
  assert.equal(await chain(tell, returning(first))(good)(call), reply);
  assert.deepEqual(told.splice(0), [undefined]);
  const failing: readonly Handler[] = [
    () => {
      throw "no";
    },
    () => Promise.reject("no"),
  ];
  for (const fail of failing) {
    for (const [around, seen] of [
      [[returning(first)], first],
      [[returning(second), returning(first)], second],
      [[returning(7), returning(undefined)], "no"],
      [[returning(7), returning(first)], first],
    ] as const) {
      for (const middleware of [chain(tell, ...around), chain(tell, (next) => next, ...around)]) {
        await assert.rejects(middleware(fail)(call), (thrown) => thrown === seen);
        assert.deepEqual(told.splice(0), [seen]);
      }
    }
  }
});

test("a watcher whose end throws fails the call, and those outside of it are told", async () => {
  const told: string[] = [];
  const { watch } = tellers(told);
  const broken = watcher(() => () => () => {
    throw "broken";
  });
  for (const handler of [async () => reply, async () => Promise.reject("no")] satisfies Handler[]) {
    await assert.rejects(chain(watch("a"), broken)(handler)(call), (thrown) => thrown === "broken");
    assert.deepEqual(told.splice(0), ["a begins", "a ends with broken"]);
  }
});

test("who throws undefined has thrown", async () => {
  const told: string[] = [];
  const { watch } = tellers(told);
  await assert.rejects(watch("a")(() => Promise.reject(undefined))(call), { message: "undefined was thrown" });
  assert.deepEqual(told, ["a begins", "a ends with Error: undefined was thrown"]);
});

test("each chain has watches of its own", async () => {
  let made = 0;
  const counted = watcher(() => {
    made++;
    return () => undefined;
  });
  const both = chain(counted, counted);
  both(async () => reply);
  both(async () => reply);
  assert.equal(made, 4);
});

test("all who watch are told the same moment of the end, by the clock of performance.now()", async () => {
  const ends: number[] = [];
  const watch = watcher(() => () => (_thrown, endMs) => void ends.push(endMs));
  const before = performance.now();
  await chain(watch, watch)(async () => reply)(call);
  assert.equal(ends.length, 2);
  assert.equal(ends[0], ends[1]);
  assert.ok(ends[0]! >= before && ends[0]! <= performance.now());
});
