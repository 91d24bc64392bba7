import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Context } from "@clew/context";
import { createLogger } from "@clew/log";
import { type Handler, ServiceError } from "@clew/rpc";
import { Greeter, HelloSchema } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, fail, hello, invoke } from "../test/invoke.ts";
import { seededRandom } from "../test/seeded-random.ts";
import { TestCall } from "../test/test-call.ts";
import { type LoggingOptions, logging } from "./logging.ts";

function createLogging(options: LoggingOptions = {}) {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ destination: { write: (line) => lines.push(JSON.parse(line)) }, pretty: false });
  return { lines, middleware: logging({ logger, ...options }) };
}

const ann = create(HelloSchema, { name: "ann" });

/** Reads the request as a transport does: a message passes when it is decoded. */
const read: Handler = async (call) => {
  call.passMessage(call.side === "server" ? "received" : "sent", ann);
  call.passMessage(call.side === "server" ? "sent" : "received", create(HelloSchema, { name: "reply" }));
  return hello;
};

test("the request is in the line only when it is asked for", async () => {
  const silent = createLogging();
  await invoke(silent.middleware, read, new TestCall("server"));
  assert.equal("args" in (silent.lines[0] ?? {}), false);
  for (const side of ["server", "client"] as const) {
    const { lines, middleware } = createLogging({ args: true });
    const call = new TestCall(side);
    call.message = ann;
    await invoke(middleware, read, call);
    assert.equal(lines[0]?.args, '{"name":"ann"}');
  }
});

test("a request that no handler read is not read for the log", async () => {
  const { lines, middleware } = createLogging({ args: true });
  const call = new TestCall("server");
  call.receive = () => assert.fail("the body was read");
  await assert.rejects(invoke(middleware, fail(new ServiceError(401, "UNAUTHORIZED", "x")), call));
  assert.equal(lines[0]?.code, 401);
  assert.equal("args" in (lines[0] ?? {}), false);
});

test("args of a failed call are logged, of a stream none, of a client whose request is no message none", async () => {
  const { lines, middleware } = createLogging({ args: true });
  const failing: Handler = async (call) => {
    await read(call);
    throw new ServiceError(404, "X", "x");
  };
  await assert.rejects(invoke(middleware, failing, new TestCall("server")));
  await invoke(middleware, read, new TestCall("server", {}, Context.root, Greeter.method.sayAll));
  const broken = new TestCall("client");
  broken.receive = () => Promise.reject(new Error("no message"));
  await invoke(middleware, answer, broken);
  assert.deepEqual(
    lines.map(({ args }) => args),
    ['{"name":"ann"}', undefined, undefined],
  );
});

test("args are cut at their limit", async () => {
  const { lines, middleware } = createLogging({ args: true, maxArgsChars: 8 });
  await invoke(middleware, read, new TestCall("server"));
  assert.equal(lines[0]?.args, '{"name":...');
});

test("of successes the share that is asked for is logged, and every error", async () => {
  const { lines, middleware } = createLogging({ successRatio: 0.1, random: seededRandom(3) });
  const dice = seededRandom(3);
  const expected = Array.from({ length: 500 }, dice).filter((number) => number < 0.1).length;
  for (let i = 0; i < 500; i++) await invoke(middleware, answer, new TestCall("server"));
  assert.equal(lines.length, expected);
  assert.ok(expected > 20 && expected < 100);
  const error = new ServiceError(404, "X", "x");
  for (let i = 0; i < 10; i++) await assert.rejects(invoke(middleware, fail(error), new TestCall("server")));
  assert.equal(lines.length, expected + 10);
  const none = createLogging({ successRatio: 0 });
  await invoke(none.middleware, answer, new TestCall("server"));
  assert.deepEqual(none.lines, []);
});

test("an option that cannot be is an error that names it", () => {
  assert.throws(() => logging({ successRatio: 1.1 }), { code: "CLEW_MIDDLEWARE_OPTION", message: /successRatio/ });
  assert.throws(() => logging({ maxArgsChars: 0 }), { code: "CLEW_MIDDLEWARE_OPTION", message: /maxArgsChars/ });
});
