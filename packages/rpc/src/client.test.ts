import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { Context, createKey, current, runHolder } from "@clew/context";
import { Greeter } from "../test/gen/rpc_test_pb.ts";
import { Call, currentCall } from "./call.ts";
import { type CallOptions, type Client, createServiceClient } from "./client.ts";
import { remainingMs } from "./deadline.ts";
import type { Middleware } from "./middleware.ts";
import { isStream, watchReply } from "./middleware.ts";
import { type Implementation, service } from "./service.ts";
import { ServiceError } from "./service-error.ts";

// Only timers that let the process end are waited for in here; on Node 22 the test runner would end with them.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

/** The other end of a client's call in this process: no socket, the same handler. */
class ServerCall extends Call {
  override readonly side = "server";
  override readonly transport = "memory";
  readonly #client: Call;

  constructor(client: Call) {
    super({
      method: client.method,
      metadata: client.metadata,
      peer: { address: "client" },
      deadline: client.deadline,
      context: Context.root,
    });
    this.enter();
    this.#client = client;
  }

  override receive(): Promise<Message> {
    return this.#client.receive();
  }

  override messages(): AsyncIterable<Message> {
    return this.#client.messages();
  }
}

function createMemoryClient(implementation: Implementation<typeof Greeter>): Client & { readonly calls: Call[] } {
  const { methods } = service(Greeter, implementation);
  const calls: Call[] = [];
  return {
    transport: "memory",
    calls,
    createHandler(method) {
      const found = methods.find((one) => one.method.operation === method.operation);
      assert.ok(found);
      return async (call) => {
        calls.push(call);
        const serverCall = new ServerCall(call);
        call.onCancel((reason) => serverCall.cancel(reason));
        const reply = await call.orCancelled(runHolder(serverCall, found.handler, serverCall));
        call.replyMetadata = serverCall.replyMetadata;
        call.replyTrailers = serverCall.replyTrailers;
        return reply;
      };
    },
    async close() {},
  };
}

const greeter: Implementation<typeof Greeter> = {
  sayHello: async ({ name }) => ({ name: `Hello ${name}` }),
  async sayAll(requests) {
    const names: string[] = [];
    for await (const { name } of requests) names.push(name);
    return { name: names.join(" ") };
  },
  async *repeat({ name, count }) {
    for (let i = 0n; i < count; i++) yield { name };
  },
  async *chat(requests) {
    for await (const { name } of requests) yield { name: name.toUpperCase() };
  },
};

async function* names(...given: string[]): AsyncIterable<{ name: string }> {
  for (const name of given) yield { name };
}

async function collect(replies: AsyncIterable<{ name: string }>): Promise<string[]> {
  const collected: string[] = [];
  for await (const { name } of replies) collected.push(name);
  return collected;
}

test("all four kinds of call reach the implementation and come back typed", async () => {
  const client = createServiceClient(Greeter, createMemoryClient(greeter));
  const reply = await client.sayHello({ name: "ann" });
  assert.equal(reply.$typeName, "rpc.test.Hello");
  assert.equal(reply.name, "Hello ann");
  assert.equal((await client.sayAll(names("a", "b"))).name, "a b");
  assert.deepEqual(await collect(client.repeat({ name: "x", count: 3n })), ["x", "x", "x"]);
  assert.deepEqual(await collect(client.chat(names("a", "b"))), ["A", "B"]);
});

test("types: a request of the wrong shape does not compile", async () => {
  const client = createServiceClient(Greeter, createMemoryClient(greeter));
  // @ts-expect-error: name is a string
  await assert.doesNotReject(client.sayHello({ name: 7 }));
});

test("the chain is composed once for each method and runs around every call, the first outermost", async () => {
  const seen: string[] = [];
  let composed = 0;
  const note =
    (name: string): Middleware =>
    (next) => {
      composed++;
      return async (call) => {
        seen.push(`${name} >`);
        const reply = await next(call);
        seen.push(`${name} <`);
        return reply;
      };
    };
  const client = createServiceClient(Greeter, createMemoryClient(greeter), {
    middleware: [note("a"), note("b")],
  });
  assert.equal(composed, 2 * Greeter.methods.length);
  await client.sayHello({ name: "ann" });
  await client.sayHello({ name: "ben" });
  assert.equal(composed, 2 * Greeter.methods.length);
  assert.deepEqual(seen, ["a >", "b >", "b <", "a <", "a >", "b >", "b <", "a <"]);
});

test("a call made while serving another inherits its deadline when that is the earlier one", async () => {
  const memory = createMemoryClient(greeter);
  const inner = createServiceClient(Greeter, memory, { timeoutMs: 5000 });
  const outer = createServiceClient(
    Greeter,
    createMemoryClient({
      ...greeter,
      async sayHello({ name }) {
        await inner.sayHello({ name });
        await inner.sayHello({ name }, { timeoutMs: 50 });
        return {};
      },
    }),
  );
  await outer.sayHello({ name: "ann" }, { timeoutMs: 300 });
  const [inherited, own] = memory.calls.map((call) => remainingMs(call.deadline ?? Infinity));
  assert.ok(inherited !== undefined && inherited <= 300 && inherited > 50, `inherited ${inherited} ms`);
  assert.ok(own !== undefined && own <= 50, `own ${own} ms`);
});

test("cancelling a call cancels what it started, all the way down", async () => {
  let deepest: ServiceError | undefined;
  const started = Promise.withResolvers<void>();
  const inner = createServiceClient(
    Greeter,
    createMemoryClient({
      ...greeter,
      async sayHello(_request, call) {
        started.resolve();
        return new Promise((_resolve, reject) => {
          call.signal.addEventListener("abort", () => {
            deepest = call.signal.reason as ServiceError;
            reject(deepest);
          });
        });
      },
    }),
  );
  const outer = createServiceClient(
    Greeter,
    createMemoryClient({ ...greeter, sayHello: (request) => inner.sayHello(request) }),
  );
  const controller = new AbortController();
  const reply = outer.sayHello({ name: "ann" }, { signal: controller.signal });
  await started.promise;
  controller.abort();
  await assert.rejects(reply, { code: 499, reason: "CLIENT_CLOSED" });
  assert.equal(deepest?.code, 499);
});

test("a signal that is aborted already means the call is never sent", async () => {
  const memory = createMemoryClient(greeter);
  const client = createServiceClient(Greeter, memory);
  await assert.rejects(client.sayHello({}, { signal: AbortSignal.abort() }), { code: 499 });
  assert.equal(memory.calls.length, 0);
});

test("a handler that ignores its deadline does not hold the caller", async () => {
  const client = createServiceClient(
    Greeter,
    createMemoryClient({ ...greeter, sayHello: () => new Promise(() => {}) }),
    { timeoutMs: 20 },
  );
  await assert.rejects(client.sayHello({}), { code: 504, reason: "GATEWAY_TIMEOUT" });
});

test("a stream whose source waits for something else ends with the reason when its call is cancelled", async () => {
  const ends: unknown[] = [];
  const watch: Middleware = (next) => async (call) => watchReply(await next(call), (error) => ends.push(error));
  const { methods } = service(Greeter, {
    ...greeter,
    async *repeat() {
      yield { name: "first" };
      await new Promise(() => {});
    },
  });
  const handler = watch(methods.find(({ method }) => method.localName === "repeat")!.handler);
  let serverCall: Call | undefined;
  const client = createServiceClient(Greeter, {
    ...createMemoryClient(greeter),
    createHandler: () => async (call) => {
      serverCall = new ServerCall(call);
      return runHolder(serverCall, handler, serverCall);
    },
  });
  await assert.rejects(
    async () => {
      for await (const { name } of client.repeat({})) {
        assert.equal(name, "first");
        setImmediate(() => serverCall?.cancel());
      }
    },
    { code: 499 },
  );
  assert.equal(ends.length, 1);
  assert.equal((ends[0] as ServiceError).code, 499);
});

test("metadata goes out, headers and trailers come back", async () => {
  const client = createServiceClient(
    Greeter,
    createMemoryClient({
      ...greeter,
      async sayHello(_request, call) {
        call.replyMetadata.set("x-seen", call.metadata.getAll("x-tag").join("+"));
        call.replyTrailers.set("x-end", "yes");
        return {};
      },
    }),
  );
  const seen: unknown[] = [];
  await client.sayHello(
    {},
    {
      metadata: { "X-Tag": ["a", "b"] },
      onHeaders: (headers) => seen.push(headers.get("x-seen")),
      onTrailers: (trailers) => seen.push(trailers.get("x-end")),
    },
  );
  assert.deepEqual(seen, ["a+b", "yes"]);
});

test("a middleware sees a stream that fails half way as it passes, and the caller sees the error", async () => {
  const client = createServiceClient(
    Greeter,
    createMemoryClient({
      ...greeter,
      async *repeat({ name }) {
        yield { name };
        throw new ServiceError(409, "TAKEN", "taken");
      },
    }),
  );
  const got: string[] = [];
  await assert.rejects(
    async () => {
      for await (const { name } of client.repeat({ name: "x" })) got.push(name);
    },
    { code: 409, reason: "TAKEN" },
  );
  assert.deepEqual(got, ["x"]);
});

test("the handler runs in the context its call has, and its call is the current one", async () => {
  const user = createKey<string>("user");
  const seen: unknown[] = [];
  const implementation: Implementation<typeof Greeter> = {
    ...greeter,
    async sayHello(_request, call) {
      await null;
      seen.push(current().getValue(user), currentCall() === call);
      return {};
    },
  };
  const { methods } = service(Greeter, implementation);
  const authenticate: Middleware = (next) => (call) => {
    call.context = call.context.setValue(user, "ann");
    return next(call);
  };
  const handler = authenticate(methods[0]!.handler);
  const memory = createMemoryClient(greeter);
  const client = createServiceClient(Greeter, {
    ...memory,
    createHandler: () => async (call) => {
      const serverCall = new ServerCall(call);
      return runHolder(serverCall, handler, serverCall);
    },
  });
  const reply = await client.sayHello({});
  assert.equal(isStream(reply), false);
  assert.deepEqual(seen, ["ann", true]);
});

test("a timeout that is no duration is refused where it is given", async () => {
  const memory = createMemoryClient(greeter);
  assert.throws(() => createServiceClient(Greeter, memory, { timeoutMs: 0 }), { code: "CLEW_RPC_TIMEOUT" });
  const client = createServiceClient(Greeter, memory);
  await assert.rejects(client.sayHello({}, { timeoutMs: Number.NaN }), { code: "CLEW_RPC_TIMEOUT" });
  await assert.rejects(client.sayHello({}, { timeoutMs: "500" as never }), {
    code: "CLEW_RPC_TIMEOUT",
    message: 'timeoutMs is "500"; it must be a number of milliseconds above 0',
  });
});

test("a request that is none is refused before anything is sent", async () => {
  const memory = createMemoryClient(greeter);
  const client = createServiceClient(Greeter, memory);
  const given: [unknown, string][] = [
    [undefined, "undefined"],
    [null, "null"],
    ["ann", '"ann"'],
  ];
  for (const [request, told] of given) {
    await assert.rejects(client.sayHello(request as never), {
      code: "CLEW_RPC_REQUEST",
      message: `/rpc.test.Greeter/SayHello was called with ${told}; its request must be a rpc.test.Hello; {} is an empty one`,
    });
  }
  for (const [request, told] of [...given, [{ name: "ann" }, "an object"]]) {
    await assert.rejects(collect(client.chat(request as never)), {
      code: "CLEW_RPC_REQUEST",
      message: `/rpc.test.Greeter/Chat was called with ${told}; its request must be an async iterable of rpc.test.Hello, such as an async generator returns`,
    });
  }
  assert.deepEqual(memory.calls, []);
});

test("an option of a call that there is not, or of another kind, is refused by its name before anything is sent", async () => {
  const memory = createMemoryClient(greeter);
  const client = createServiceClient(Greeter, memory);
  const known = "timeoutMs, signal, waitForReady, metadata, contentType, accept, onHeaders, onTrailers";
  const call = "a call of /rpc.test.Greeter/SayHello";
  const cases: [unknown, string][] = [
    [{ timeout: 5 }, `${call} has no option timeout; its options are ${known}; did you mean timeoutMs?`],
    [{ timeoutMs: 5, retries: 3 }, `${call} has no option retries; its options are ${known}`],
    [500, `the options of ${call} are 500; they must be an object with any of ${known}`],
    [null, `the options of ${call} are null; they must be an object with any of ${known}`],
    [["x"], `the options of ${call} are a list; they must be an object with any of ${known}`],
    [
      { signal: new AbortController() },
      "option signal is an object; it must be the signal of an AbortController, which has addEventListener()",
    ],
    [{ metadata: { "x-try": 5 } }, 'option metadata["x-try"] is 5; it must be a string, or a list of strings'],
    [{ metadata: "x-try: 1" }, 'option metadata is "x-try: 1"; it must be headers by name'],
    [{ accept: 5 }, "option accept is 5; it must be a string"],
  ];
  for (const [options, message] of cases) {
    await assert.rejects(client.sayHello({}, options as never), { code: "CLEW_RPC_OPTION", message });
  }
  await assert.rejects(collect(client.repeat({}, { timeout: 5 } as never)), { code: "CLEW_RPC_OPTION" });
  assert.deepEqual(memory.calls, []);
  const options: Required<CallOptions> = {
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    waitForReady: true,
    metadata: [["x-try", "1"]],
    contentType: "application/json",
    accept: "application/json",
    onHeaders() {},
    onTrailers() {},
  };
  await client.sayHello({}, options);
  await client.sayHello({}, Object.create(options));
  await client.sayHello({}, { timeoutMs: undefined, metadata: undefined } as never);
});

test("an option of a client that there is not, or of another kind, is refused by its name", () => {
  const memory = createMemoryClient(greeter);
  const cases: [unknown, RegExp][] = [
    [5000, /^the options of createServiceClient are 5000; they must be an object with any of middleware, timeoutMs$/],
    [
      { timeout: 5000 },
      /^createServiceClient has no option timeout; its options are middleware, timeoutMs; did you mean timeoutMs\?$/,
    ],
    [{ middleware: (next: unknown) => next }, /^option middleware is a function; it must be a list of middlewares$/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => createServiceClient(Greeter, memory, options as never), { code: "CLEW_RPC_OPTION", message });
  }
  createServiceClient(Greeter, memory, { middleware: undefined, timeoutMs: undefined } as never);
});
