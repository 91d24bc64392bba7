import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type Message } from "@bufbuild/protobuf";
import { runHolder } from "@clew/context";
import { createLogger } from "@clew/log";
import { type Call, type Handler, type Middleware, type Reply, ServiceError } from "@clew/rpc";
import { HelloSchema } from "../../rpc/test/gen/rpc_test_pb.ts";
import { TestCall } from "../test/test-call.ts";
import { logging } from "./logging.ts";
import { currentMetadata, metadata } from "./metadata.ts";
import { recovery } from "./recovery.ts";

const hello: Reply = create(HelloSchema, { name: "ann" });
const answer: Handler = async () => hello;
const fail =
  (thrown: unknown): Handler =>
  async () => {
    throw thrown;
  };

async function* brokenStream(thrown: unknown): AsyncIterable<Message> {
  yield create(HelloSchema);
  throw thrown;
}

async function drain(reply: Reply): Promise<void> {
  for await (const _ of reply as AsyncIterable<Message>);
}

/** The lines a logger wrote, parsed. */
function createLines() {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ destination: { write: (line) => lines.push(JSON.parse(line)) }, pretty: false });
  return { lines, logger };
}

function invoke(middleware: Middleware, handler: Handler, call: Call): Promise<Reply> {
  return runHolder(call, middleware(handler), call);
}

test("recovery passes a reply and a ServiceError untouched and logs neither", async () => {
  const { lines, logger } = createLines();
  const error = new ServiceError(404, "USER_NOT_FOUND", "no user");
  assert.equal(await invoke(recovery({ logger }), answer, new TestCall("server")), hello);
  await assert.rejects(invoke(recovery({ logger }), fail(error), new TestCall("server")), (thrown) => thrown === error);
  assert.deepEqual(lines, []);
});

test("recovery turns a mistake into 500 UNKNOWN and logs it with its operation and stack", async () => {
  const { lines, logger } = createLines();
  const mistake = new TypeError("secret is not a function");
  await assert.rejects(invoke(recovery({ logger }), fail(mistake), new TestCall("server")), (thrown: ServiceError) => {
    assert.deepEqual(thrown.toJSON(), { code: 500, reason: "UNKNOWN", message: "unknown request error", metadata: {} });
    return thrown.cause === mistake;
  });
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.level, "error");
  assert.equal(lines[0]?.operation, "/rpc.test.Greeter/SayHello");
  assert.match(JSON.stringify(lines[0]), /secret is not a function.*middleware\.test/);
});

test("recovery makes the error that the user wants", async () => {
  const toServiceError = () => new ServiceError(503, "BUSY", "come back later");
  const { logger } = createLines();
  await assert.rejects(invoke(recovery({ logger, toServiceError }), fail("x"), new TestCall("server")), {
    reason: "BUSY",
  });
});

test("recovery takes undefined for a mistake, and where making the error fails, the call still fails", async () => {
  const { lines, logger } = createLines();
  const reject = fail(undefined);
  await assert.rejects(invoke(recovery({ logger }), reject, new TestCall("server")), { code: 500, reason: "UNKNOWN" });
  assert.equal(lines.length, 1);
  const broken = new Error("broken");
  const toServiceError = () => {
    throw broken;
  };
  await assert.rejects(
    invoke(recovery({ logger, toServiceError }), reject, new TestCall("server")),
    (thrown) => thrown === broken,
  );
});

test("recovery logs a stream that breaks after its handler returned", async () => {
  const { lines, logger } = createLines();
  const reply = await invoke(
    recovery({ logger }),
    async () => brokenStream(new Error("half way")),
    new TestCall("server"),
  );
  await assert.rejects(drain(reply));
  assert.match(JSON.stringify(lines), /half way/);
});

test("logging writes one line for each call, with Kratos's fields", async () => {
  const { lines, logger } = createLines();
  await invoke(logging({ logger }), answer, new TestCall("server"));
  const { time, latency, ...rest } = lines[0] ?? {};
  assert.ok(typeof time === "string" && typeof latency === "number" && latency >= 0 && latency < 5);
  assert.deepEqual(rest, {
    level: "info",
    kind: "server",
    component: "memory",
    operation: "/rpc.test.Greeter/SayHello",
    code: 200,
    reason: "",
    msg: "server request",
  });
});

test("logging writes an error of the caller as a warning, one of ours as an error, with code and reason", async () => {
  const { lines, logger } = createLines();
  for (const thrown of [new ServiceError(404, "USER_NOT_FOUND", "no user"), new Error("boom")]) {
    await assert.rejects(invoke(logging({ logger }), fail(thrown), new TestCall("client")), (same) => same === thrown);
  }
  assert.deepEqual(
    lines.map(({ level, msg, kind, code, reason }) => [level, msg, kind, code, reason]),
    [
      ["warn", "client request", "client", 404, "USER_NOT_FOUND"],
      ["error", "client request", "client", 500, "UNKNOWN"],
    ],
  );
});

test("logging writes a stream's line when the stream is over, with the error that ended it", async () => {
  const { lines, logger } = createLines();
  const error = new ServiceError(409, "TAKEN", "taken");
  const reply = await invoke(logging({ logger }), async () => brokenStream(error), new TestCall("server"));
  assert.equal(lines.length, 0);
  await assert.rejects(drain(reply));
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.code, 409);
});

test("metadata keeps the caller's x-md- headers for the handler, with all their values", async () => {
  const headers = { "X-Md-Global-Tenant": ["a", "b"], "x-md-local-debug": "1", authorization: "secret" };
  await invoke(
    metadata({ constants: { "x-md-global-zone": "z1" } }),
    async () => {
      assert.deepEqual(
        [...(currentMetadata() ?? [])],
        [
          ["x-md-global-tenant", "a"],
          ["x-md-global-tenant", "b"],
          ["x-md-local-debug", "1"],
          ["x-md-global-zone", "z1"],
        ],
      );
      return hello;
    },
    new TestCall("server", headers),
  );
  assert.equal(currentMetadata(), undefined);
});

test("metadata sends on what is global, and its constants, and leaves the call's own headers", async () => {
  const server = new TestCall("server", {
    "x-md-global-tenant": ["a", "b"],
    "x-md-local-debug": "1",
    "x-md-global-own": "old",
  });
  const client = await new Promise<TestCall>((resolve, reject) => {
    invoke(
      metadata(),
      async (call) => {
        const outgoing = new TestCall("client", { "x-md-global-own": "new" }, call.context);
        await metadata({ constants: { "x-from": "here" } })(answer)(outgoing);
        resolve(outgoing);
        return hello;
      },
      server,
    ).catch(reject);
  });
  assert.deepEqual(
    [...client.metadata],
    [
      ["x-md-global-own", "new"],
      ["x-md-global-tenant", "a"],
      ["x-md-global-tenant", "b"],
      ["x-from", "here"],
    ],
  );
});
