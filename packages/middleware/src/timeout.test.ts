import assert from "node:assert/strict";
import { mock, type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Context } from "@clew/context";
import { deadlineIn, remainingMs, type ServiceError } from "@clew/rpc";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, hello, invoke, stream } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { timeout } from "./timeout.ts";

function useFakeTimers(t: TestContext): void {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
}

const never = () => new Promise<never>(() => {});
const sayHello = "/rpc.test.Greeter/SayHello";

test("a call that takes too long fails with 504, and its signal aborts", async (t) => {
  useFakeTimers(t);
  const call = new TestCall("server");
  const { signal } = call;
  const reply = invoke(timeout({ timeoutMs: 100_000 }), never, call);
  // A call that lasts longer than a turn of the event loop gets its timer. Only that one's clock is mocked: the margin is wide.
  await nextTurn();
  mock.timers.tick(50_000);
  assert.equal(signal.aborted, false);
  mock.timers.tick(50_001);
  assert.equal(signal.aborted, true);
  await assert.rejects(reply, { code: 504, reason: "GATEWAY_TIMEOUT" });
});

test("a call in time is answered", async () => {
  const call = new TestCall("server");
  assert.equal(await invoke(timeout({ timeoutMs: 10_000 }), answer, call), hello);
  call.finish();
});

test("the deadline is the call's from the start; one that is nearer stays", async () => {
  const call = new TestCall("server");
  const handler = async (): Promise<typeof hello> => {
    const leftMs = remainingMs(call.deadline ?? 0);
    assert.ok(leftMs > 4000 && leftMs <= 5000, `${leftMs}`);
    return hello;
  };
  await invoke(timeout({ timeoutMs: 5000 }), handler, call);
  const before = call.deadline;
  await invoke(timeout({ timeoutMs: 9000 }), answer, call);
  assert.equal(call.deadline, before);
  call.limit(deadlineIn(1000));
  await invoke(timeout({ timeoutMs: 5000 }), answer, call);
  assert.ok(remainingMs(call.deadline ?? 0) <= 1000);
  call.finish();
});

test("an operation has its own timeout, a stream only that", async (t) => {
  useFakeTimers(t);
  const middleware = timeout({ timeoutMs: 100, operations: { [sayHello]: 500, "/rpc.test.Greeter/Chat": 50 } });
  const timeoutOf = async (name: "sayHello" | "repeat" | "chat"): Promise<number | undefined> => {
    const call = new TestCall("server", {}, Context.root, Greeter.method[name]);
    await invoke(middleware, async () => stream(), call);
    const { deadline } = call;
    call.finish();
    return deadline === undefined ? undefined : Math.ceil(remainingMs(deadline) / 50) * 50;
  };
  assert.deepEqual(
    [await timeoutOf("sayHello"), await timeoutOf("repeat"), await timeoutOf("chat")],
    [500, undefined, 50],
  );
});

test("what the handler does too late changes nothing", async (t) => {
  useFakeTimers(t);
  const late = Promise.withResolvers<never>();
  const call = new TestCall("server");
  const reply = invoke(timeout({ timeoutMs: 100 }), () => late.promise, call);
  await nextTurn();
  mock.timers.tick(200);
  late.reject(new Error("too late to be told"));
  await assert.rejects(reply, (thrown: ServiceError) => thrown.code === 504);
});

test("a timeout that cannot be is an error that names the option", () => {
  assert.throws(() => timeout({ timeoutMs: 0 }), { code: "CLEW_MIDDLEWARE_OPTION", message: /timeoutMs is 0/ });
  assert.throws(() => timeout({ operations: { [sayHello]: -1 } }), { message: /operations\["\/rpc.*-1/ });
});
