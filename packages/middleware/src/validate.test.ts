import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMethod, type MessageInitShape } from "@bufbuild/protobuf";
import { Context } from "@clew/context";
import type { Reply, ServiceError } from "@clew/rpc";
import {
  Accounts,
  BrokenRequestSchema,
  MoveRequestSchema,
  SignUpRequestSchema,
} from "../test/gen/middleware_test_pb.ts";
import { PartSchema } from "../test/gen/rules_test_pb.ts";
import { answer, hello, invoke } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { validate } from "./validate.ts";

const good: MessageInitShape<typeof SignUpRequestSchema> = { name: "ann", email: "ann@example.com", age: 30n };

function signUp(request: MessageInitShape<typeof SignUpRequestSchema>, side: "server" | "client" = "server"): TestCall {
  const call = new TestCall(side, {}, Context.root, Accounts.method.signUp);
  call.message = create(SignUpRequestSchema, request);
  return call;
}

const unreached = (): Promise<Reply> => assert.fail("the handler was called");

test("a request that keeps to its rules reaches the handler", async () => {
  assert.equal(await invoke(validate(), answer, signUp(good)), hello);
});

test("a broken rule is 400 VALIDATOR, on servers and clients", async () => {
  for (const side of ["server", "client"] as const) {
    await assert.rejects(
      invoke(validate(), unreached, signUp({ ...good, name: "an" }, side)),
      (thrown: ServiceError) => {
        assert.deepEqual(thrown.toJSON(), {
          code: 400,
          reason: "VALIDATOR",
          message: "name: must be at least 3 characters",
          metadata: { name: "must be at least 3 characters" },
          details: [
            {
              "@type": "type.googleapis.com/google.rpc.BadRequest",
              fieldViolations: [{ field: "name", description: "must be at least 3 characters" }],
            },
          ],
        });
        assert.equal((thrown.cause as Error).name, "ValidationError");
        return true;
      },
    );
  }
});

test("the metadata has every field that is wrong, by its path; the message tells the first", async () => {
  const request = { name: "x", nickname: "x", email: "nobody", age: 7n, addresses: [{ city: "Bonn" }, {}] };
  await assert.rejects(invoke(validate(), unreached, signUp(request)), (thrown: ServiceError) => {
    assert.deepEqual(Object.keys(thrown.metadata).sort(), [
      "addresses[1].city",
      "age",
      "email",
      "name",
      "sign_up.other_name",
    ]);
    assert.equal(thrown.metadata["sign_up.other_name"], "name and nickname must differ");
    assert.ok(thrown.message.length > 0);
    const [where, what] = thrown.message.split(": ");
    assert.equal(thrown.metadata[where ?? ""], what);
    return true;
  });
});

test("of thousands of wrong fields twenty are told", async () => {
  const call = new TestCall("server", {}, Context.root, Accounts.method.move);
  call.message = create(MoveRequestSchema, {
    to: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, {}])),
  });
  await assert.rejects(invoke(validate(), unreached, call), (thrown: ServiceError) => {
    assert.equal(Object.keys(thrown.metadata).length, 20);
    assert.match(thrown.message, /^to\["k0"\]\.city: /);
    return true;
  });
});

test("a request that certainly keeps its rules is not held against them by the library", async () => {
  for (const [text, reader, expected] of [
    ["ab", /certain-rules\.ts/, hello],
    ["abc", /@bufbuild/, "VALIDATOR"],
  ] as const) {
    let lastReader = "";
    const call = new TestCall("server", {}, Context.root, {
      ...Accounts.method.signUp,
      input: PartSchema,
    } as DescMethod);
    call.message = Object.defineProperty(create(PartSchema), "text", {
      get: () => {
        lastReader = new Error().stack?.split("\n")[2] ?? "";
        return text;
      },
    });
    const outcome = await invoke(validate(), answer, call).catch((error: ServiceError) => error.reason);
    assert.equal(outcome, expected);
    assert.match(lastReader, reader);
  }
});

test("the body of a request without rules is not read", async () => {
  const call = new TestCall("server", {}, Context.root, Accounts.method.find);
  call.receive = () => assert.fail("the body was read");
  assert.equal(await invoke(validate(), answer, call), hello);
});

test("of a stream each message is checked as it comes, and the first bad one ends the call", async () => {
  const call = new TestCall("server", {}, Context.root, Accounts.method.import);
  await invoke(validate(), answer, call);
  call.passMessage("received", create(SignUpRequestSchema, good));
  // A reply is not held against the rules of the request.
  call.passMessage("sent", create(SignUpRequestSchema, { ...good, age: 1n }));
  const { cancelled: before } = call;
  assert.equal(before, undefined);
  call.passMessage("received", create(SignUpRequestSchema, { ...good, age: 1n }));
  assert.deepEqual([call.cancelled?.code, call.cancelled?.reason], [400, "VALIDATOR"]);
  assert.match(call.cancelled?.message ?? "", /^age: /);
});

test("what is wrong with the body is told before any rule", async () => {
  const call = signUp(good);
  const error = new Error("no JSON");
  call.receive = () => Promise.reject(error);
  await assert.rejects(invoke(validate(), unreached, call), (thrown) => thrown === error);
});

test("a rule that does not work is an error at start for who waits, and of the call for who does not", async () => {
  const validation = validate({ services: [Accounts] });
  await assert.rejects(validation.ready, {
    code: "CLEW_MIDDLEWARE_RULES",
    message: /middleware\.test\.BrokenRequest \(\S+\.proto\): its validation rules do not work/,
  });
  const call = new TestCall("server", {}, Context.root, Accounts.method.break);
  call.message = create(BrokenRequestSchema, {});
  await assert.rejects(invoke(validate(), unreached, call), { code: "CLEW_MIDDLEWARE_RULES" });
});

test("ready resolves when the rules of the services are compiled", async () => {
  const { signUp: method } = Accounts.method;
  const service = { ...Accounts, methods: [method as DescMethod] } as typeof Accounts;
  const validation = validate({ services: [service] });
  await validation.ready;
  await assert.rejects(invoke(validation, unreached, signUp({})), { reason: "VALIDATOR" });
});
