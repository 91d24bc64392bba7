import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { create, type Message } from "@bufbuild/protobuf";
import { Context, runHolder } from "@clew/context";
import { Greeter, HelloSchema } from "../test/gen/rpc_test_pb.ts";
import { Call, currentCall } from "./call.ts";
import { deadlineIn } from "./deadline.ts";
import { MessageStream } from "./message-stream.ts";
import { Metadata } from "./metadata.ts";
import { createMethod } from "./method.ts";
import { callCancelled, type ServiceError } from "./service-error.ts";

class ServerCall extends Call {
  override readonly side = "server";
  override readonly transport = "memory";

  constructor(timeoutMs?: number) {
    super({
      method: createMethod(Greeter.method.sayHello),
      metadata: new Metadata(),
      peer: { address: "" },
      deadline: timeoutMs === undefined ? undefined : deadlineIn(timeoutMs),
      context: Context.root,
    });
    this.enter();
  }

  override async receive(): Promise<Message> {
    return create(HelloSchema, { name: "ann" });
  }

  override messages(): AsyncIterable<Message> {
    throw new Error("takes one message");
  }
}

test("a call is found by the work that serves it", async () => {
  const call = new ServerCall();
  assert.equal(currentCall(), undefined);
  await runHolder(call, async () => {
    await null;
    assert.equal(currentCall(), call);
  });
});

test("the deadline cancels the call with 504 and aborts the signal with the same reason", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const call = new ServerCall(100_000);
    await nextTurn();
    const reasons: ServiceError[] = [];
    call.onCancel((reason) => reasons.push(reason));
    const { signal } = call;
    // The clock of the timers is mocked, the one of deadlines runs on: a wide margin keeps them apart.
    mock.timers.tick(50_000);
    assert.equal(signal.aborted, false);
    mock.timers.tick(50_001);
    assert.equal(signal.aborted, true);
    assert.equal(signal.reason, reasons[0]);
    assert.equal(reasons.length, 1);
    assert.equal(reasons[0]?.code, 504);
    assert.equal(reasons[0]?.reason, "GATEWAY_TIMEOUT");
    assert.match(reasons[0]?.message ?? "", /\/rpc\.test\.Greeter\/SayHello/);
  } finally {
    mock.timers.reset();
  }
});

test("a deadline that comes forward while a timer runs moves the timer", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const call = new ServerCall(100_000);
    await nextTurn();
    call.limit(deadlineIn(20_000));
    mock.timers.tick(20_001);
    assert.equal(call.cancelled?.code, 504);
  } finally {
    mock.timers.reset();
  }
});

test("a call that is over within a turn of the event loop never has a timer", async () => {
  const set = mock.method(globalThis, "setTimeout");
  try {
    for (let i = 0; i < 100; i++) {
      const call = new ServerCall(1000);
      call.limit(deadlineIn(500));
      call.finish();
    }
    await nextTurn();
    assert.equal(set.mock.callCount(), 0);
    const longer = new ServerCall(1000);
    await nextTurn();
    assert.equal(set.mock.callCount(), 1);
    longer.finish();
  } finally {
    set.mock.restore();
  }
});

test("what listens for a deadline runs in the context of its call, whichever set the timers", async () => {
  // The timers of calls do not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  const calls = [new ServerCall(20), new ServerCall(20)];
  const seen = await Promise.all(
    calls.map((call) => new Promise((resolve) => void call.onCancel(() => resolve(currentCall())))),
  );
  clearInterval(alive);
  assert.ok(seen[0] === calls[0] && seen[1] === calls[1]);
});

test("a deadline too far ahead for a timer does not fire at once", async () => {
  const call = new ServerCall(2 ** 40);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(call.cancelled, undefined);
});

test("limit() brings the deadline forward and never back", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const call = new ServerCall(100_000);
    const before = call.deadline;
    call.limit(deadlineIn(1_000_000));
    assert.equal(call.deadline, before);
    call.limit(deadlineIn(20_000));
    assert.ok(call.deadline !== undefined && before !== undefined && call.deadline < before);
    await nextTurn();
    mock.timers.tick(20_001);
    assert.equal(call.cancelled?.reason, "GATEWAY_TIMEOUT");
    const ended = new ServerCall();
    ended.finish();
    ended.limit(deadlineIn(1));
    await nextTurn();
    mock.timers.tick(10);
    assert.equal(ended.cancelled, undefined);
  } finally {
    mock.timers.reset();
  }
});

test("the first reason stays", () => {
  const call = new ServerCall();
  const first = callCancelled(call.operation);
  call.cancel(first);
  call.cancel(callCancelled(call.operation));
  assert.equal(call.cancelled, first);
  assert.equal(call.signal.reason, first);
});

test("a listener that comes late is called at once; one taken back is not called", () => {
  const call = new ServerCall();
  let early = 0;
  let late = 0;
  call.onCancel(() => early++)();
  call.cancel();
  call.onCancel(() => late++);
  assert.deepEqual([early, late], [0, 1]);
});

test("a finished call is not cancelled any more, neither by hand nor by its deadline", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const call = new ServerCall(100);
    call.finish();
    mock.timers.tick(200);
    call.cancel();
    assert.equal(call.cancelled, undefined);
    assert.equal(call.signal.aborted, false);
  } finally {
    mock.timers.reset();
  }
});

test("orCancelled gives the value, the promise's error, or the reason of the cancel, whichever is first", async () => {
  const call = new ServerCall();
  assert.equal(await call.orCancelled(Promise.resolve(7)), 7);
  await assert.rejects(call.orCancelled(Promise.reject(new Error("own"))), /own/);
  const never = call.orCancelled(new Promise(() => {}));
  call.cancel();
  await assert.rejects(never, { code: 499, reason: "CLIENT_CLOSED" });
});

test("message listeners see each message with its direction, in order", () => {
  const call = new ServerCall();
  const seen: unknown[] = [];
  const message = create(HelloSchema, { name: "ann" });
  call.passMessage("received", message);
  call.onMessage((direction, passed) => seen.push([direction, passed]));
  call.passMessage("received", message);
  call.passMessage("sent", message);
  assert.deepEqual(seen, [
    ["received", message],
    ["sent", message],
  ]);
});

test("who asks after its end how a stream of replies ended is told the error it failed with", async () => {
  const failed = new Error("half way");
  const source = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failed) }) };
  const stream = new MessageStream(HelloSchema, new ServerCall(), source);
  await assert.rejects(stream.next(), (error) => error === failed);
  let told: unknown;
  stream.onEnd((error) => {
    told = error;
  });
  assert.equal(told, failed);
});

test("who watches a stream of replies that is cancelled from elsewhere is told in the context of its call", async () => {
  const call = new ServerCall();
  const source = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const stream = new MessageStream(HelloSchema, call, source);
  let found: unknown;
  stream.onEnd(() => {
    found = currentCall();
  });
  call.cancel(callCancelled(call.operation));
  assert.ok(found === call);
});

test("who listens for the peer is told of each time it is known, and of tries of the call", () => {
  const call = new ServerCall();
  const attempt = new ServerCall();
  const seen: string[] = [];
  call.onPeer((sent) => seen.push(`a ${sent === call} ${sent.peer.address}`));
  call.onPeer(({ peer }) => seen.push(`b ${peer.address}`));
  attempt.onPeer((sent) => call.passPeer(sent));
  call.peer = { address: "10.0.0.1:1" };
  attempt.peer = { address: "10.0.0.2:1" };
  assert.deepEqual(seen, ["a true 10.0.0.1:1", "b 10.0.0.1:1", "a false 10.0.0.2:1", "b 10.0.0.2:1"]);
  assert.equal(call.peer.address, "10.0.0.1:1");
});
