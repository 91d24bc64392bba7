import assert from "node:assert/strict";
import { test } from "node:test";
import { Context } from "@clew/context";
import type { Middleware } from "@clew/rpc";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, hello, invoke } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { selector } from "./selector.ts";

const names = ["sayHello", "sayAll", "repeat", "chat"] as const;

/** The methods for which a middleware lets another one run. */
async function selected(wrap: (mark: Middleware) => Middleware): Promise<string[]> {
  const seen: string[] = [];
  const mark: Middleware = (next) => (call) => {
    seen.push(call.method.localName);
    return next(call);
  };
  const middleware = wrap(mark);
  for (const name of names) {
    const call = new TestCall("server", {}, Context.root, Greeter.method[name]);
    assert.equal(await invoke(middleware, answer, call), hello);
  }
  return seen;
}

test("prefix, regex, path and match select operations", async () => {
  assert.deepEqual(await selected((mark) => selector(mark).prefix("/rpc.test.Greeter/Say", "/other.")), [
    "sayHello",
    "sayAll",
  ]);
  assert.deepEqual(await selected((mark) => selector(mark).regex(/.*\/(Say|Re).*/g)), ["sayHello", "sayAll", "repeat"]);
  assert.deepEqual(await selected((mark) => selector(mark).path("/rpc.test.Greeter/Chat", "/rpc.test.Greeter/Say")), [
    "chat",
  ]);
  assert.deepEqual(await selected((mark) => selector(mark).match((operation) => !operation.endsWith("Hello"))), [
    "sayAll",
    "repeat",
    "chat",
  ]);
  assert.deepEqual(await selected((mark) => selector(mark).match((_, method) => method.kind === "unary")), [
    "sayHello",
  ]);
});

test("an expression must match the whole operation, each of its alternatives too", async () => {
  assert.deepEqual(await selected((mark) => selector(mark).regex("/rpc.test.Greeter/Say")), []);
  assert.deepEqual(await selected((mark) => selector(mark).regex("/rpc|Chat")), []);
  assert.deepEqual(await selected((mark) => selector(mark).regex(/\/RPC.*chat/i)), ["chat"]);
});

test("one condition of several is enough", async () => {
  assert.deepEqual(await selected((mark) => selector(mark).path("/rpc.test.Greeter/Chat").regex(".*Hello")), [
    "sayHello",
    "chat",
  ]);
});

test("a selector in a selector selects among what is selected", async () => {
  assert.deepEqual(
    await selected((mark) => selector(selector(mark).regex(".*Hello", ".*Chat")).prefix("/rpc.test.Greeter/Say")),
    ["sayHello"],
  );
});

test("several middlewares run in their order", async () => {
  const order: number[] = [];
  const note =
    (n: number): Middleware =>
    (next) =>
    (call) => {
      order.push(n);
      return next(call);
    };
  await invoke(selector(note(1), note(2)).prefix("/"), answer, new TestCall("server"));
  assert.deepEqual(order, [1, 2]);
});

test("a condition is asked once for each operation", async () => {
  const asked: string[] = [];
  const middleware = selector().match((operation) => asked.push(operation) > 0);
  for (let i = 0; i < 3; i++) await invoke(middleware, answer, new TestCall("server"));
  assert.deepEqual(asked, ["/rpc.test.Greeter/SayHello"]);
});

test("a function gives a new selector and leaves the old as it was", async () => {
  const base = selector().path("/a");
  assert.notEqual(base.path("/b"), base);
});

test("a selector without a condition is an error at registration", () => {
  assert.throws(() => selector()(answer), { code: "CLEW_MIDDLEWARE_SELECTOR" });
});
