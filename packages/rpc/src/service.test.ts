import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { Greeter, HelloSchema } from "../test/gen/rpc_test_pb.ts";
import type { Call } from "./call.ts";
import { createJsonCodec, jsonCodec } from "./codec/json.ts";
import { protoCodec } from "./codec/proto.ts";
import { type Implementation, service } from "./service.ts";
import { ServiceError } from "./service-error.ts";

const greeter: Implementation<typeof Greeter> = {
  sayHello: async ({ name }) => ({ name }),
  sayAll: async () => ({}),
  async *repeat() {},
  async *chat() {},
};

test("a method left out is an error at once, which names it", () => {
  const { sayAll, ...rest } = greeter;
  assert.ok(sayAll);
  // @ts-expect-error: sayAll is missing, which the types know too
  assert.throws(() => service(Greeter, rest), {
    code: "CLEW_RPC_METHOD_MISSING",
    message: /rpc\.test\.Greeter.*"sayAll", which rpc SayAll in \S+\.proto declares/,
  });
});

test("an implementation that is a class, or no object, is told as what it is", () => {
  class GreeterImpl {}
  const cases: [unknown, RegExp][] = [
    [
      GreeterImpl,
      /^the implementation of rpc\.test\.Greeter is the class GreeterImpl; .*: pass `new GreeterImpl\(\)`$/,
    ],
    [
      () => greeter,
      /^the implementation of rpc\.test\.Greeter is a function; it must be an object with sayHello, sayAll, /,
    ],
    [undefined, /^the implementation of rpc\.test\.Greeter is undefined; it must be an object with sayHello, sayAll, /],
    ["greeter", /is "greeter"; it must be an object with/],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => service(Greeter, given as typeof greeter), { code: "CLEW_RPC_IMPLEMENTATION", message });
  }
});

test("a method that is no function is an error at once, which tells what it is", () => {
  const wrong = { ...greeter, sayAll: 3 } as unknown as typeof greeter;
  assert.throws(() => service(Greeter, wrong), {
    code: "CLEW_RPC_METHOD_MISSING",
    message:
      /"sayAll" of the implementation is 3; it must be the function for the method that rpc SayAll in \S+\.proto declares/,
  });
});

test("a handler that returns no message fails, and names what it should return", async () => {
  for (const nothing of [() => undefined, async () => undefined, async () => null, () => "x"]) {
    const [method] = service(Greeter, { ...greeter, sayHello: nothing } as unknown as typeof greeter).methods;
    const call = { receiveNow: () => ({}), orCancelled: (promise: unknown) => promise } as unknown as Call;
    await assert.rejects(method!.handler(call), {
      code: "CLEW_RPC_REPLY",
      message:
        /^\/rpc\.test\.Greeter\/SayHello: the implementation returned (undefined|null|"x"); it must return a rpc\.test\./,
    });
  }
});

test("a handler that returns an error and does not throw it fails, and says so", async () => {
  const call = { receiveNow: () => ({}), orCancelled: (promise: unknown) => promise } as unknown as Call;
  // It has a message, as the reply may have one: no type tells them apart.
  for (const sayHello of [() => new ServiceError(404, "NOBODY", "no ann"), async () => new Error("no ann")]) {
    const [method] = service(Greeter, { ...greeter, sayHello } as unknown as typeof greeter).methods;
    await assert.rejects(method!.handler(call), {
      code: "CLEW_RPC_REPLY",
      message:
        /^\/rpc\.test\.Greeter\/SayHello: the implementation returned the error "no ann" instead of throwing it; /,
    });
  }
});

test("a handler of a stream that returns none fails, and names what it should return", async () => {
  const call = { receiveNow: () => ({}), messages: () => ({}) } as unknown as Call;
  for (const answer of [undefined, [{ name: "x" }], Promise.resolve({ name: "x" })]) {
    const wrong = { ...greeter, repeat: () => answer, chat: () => answer } as unknown as typeof greeter;
    const [, , repeat, chat] = service(Greeter, wrong).methods;
    for (const [method, name] of [
      [repeat, "repeat"],
      [chat, "chat"],
    ] as const) {
      await assert.rejects(method!.handler(call), ({ code, message }: Error & { code?: string }) => {
        assert.equal(code, "CLEW_RPC_REPLY");
        assert.match(
          message,
          /: the implementation returned (undefined|a list|an object); it must return an async iter/,
        );
        assert.ok(message.endsWith(`of rpc.test.Hello: write it as \`async *${name}() { ... }\``), message);
        return true;
      });
    }
  }
});

test("a method the service does not have is an error at once, which names it and what there is", () => {
  assert.throws(() => service(Greeter, { ...greeter, sayHallo: async () => ({}) } as typeof greeter), {
    code: "CLEW_RPC_METHOD_UNKNOWN",
    message: /"sayHallo".*see service Greeter in \S+\.proto .*sayHello, sayAll, repeat, chat/,
  });
});

test("an instance of a class may implement a service", () => {
  class GreeterImplementation implements Implementation<typeof Greeter> {
    async sayHello(): Promise<{ name: string }> {
      return { name: "x" };
    }
    async sayAll(): Promise<{ name: string }> {
      return { name: "x" };
    }
    async *repeat(): AsyncIterable<{ name: string }> {}
    async *chat(): AsyncIterable<{ name: string }> {}
  }
  assert.deepEqual(
    service(Greeter, new GreeterImplementation()).methods.map(({ method }) => [method.operation, method.kind]),
    [
      ["/rpc.test.Greeter/SayHello", "unary"],
      ["/rpc.test.Greeter/SayAll", "client_streaming"],
      ["/rpc.test.Greeter/Repeat", "server_streaming"],
      ["/rpc.test.Greeter/Chat", "bidi_streaming"],
    ],
  );
});

test("the JSON codec writes zero values and int64 as text, as Kratos does, and passes over unknown fields", () => {
  const codec = jsonCodec.compile(HelloSchema);
  assert.equal(
    Buffer.from(codec.encode(create(HelloSchema, { name: "ann" }))).toString(),
    '{"name":"ann","count":"0"}',
  );
  assert.equal(codec.decode(Buffer.from('{"name":"ann","age":7}')).name, "ann");
  assert.equal(codec.decode(Buffer.from("")).name, "");
  assert.throws(() => codec.decode(Buffer.from('{"name":')));
});

test("the JSON codec can leave zero values out and refuse unknown fields", () => {
  const codec = createJsonCodec({ emitZeroValues: false, rejectUnknownFields: true }).compile(HelloSchema);
  assert.equal(Buffer.from(codec.encode(create(HelloSchema))).toString(), "{}");
  assert.throws(() => codec.decode(Buffer.from('{"age":7}')), /age/);
});

test("the proto codec writes protobuf's bytes", () => {
  const codec = protoCodec.compile(HelloSchema);
  const bytes = codec.encode(create(HelloSchema, { name: "ann", count: 1n }));
  assert.deepEqual([...bytes], [10, 3, 97, 110, 110, 16, 1]);
  assert.equal(fromBinary(HelloSchema, bytes).name, "ann");
  assert.throws(() => codec.decode(Uint8Array.of(10, 9, 1)));
});
