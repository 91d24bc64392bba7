// A chain of three services over both transports: front (HTTP) -> middle (gRPC) -> back (HTTP), with every middleware on.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  App,
  type AppInfo,
  createClient,
  createLogger,
  currentApp,
  currentCall,
  errorsOf,
  GrpcServer,
  HttpServer,
  type Implementation,
  logging,
  type Middleware,
  metadata,
  recovery,
  type ServiceError,
  service,
  tracing,
} from "clew";
import { Context, run } from "clew/context";
import { currentMetadata } from "clew/middleware";
import { MemoryRegistry } from "clew/registry";
import { findAttribute, type SpanData, TracerProvider } from "clew/trace";
import { ErrorReasonSchema, Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";

const { USER_NOT_FOUND } = errorsOf(ErrorReasonSchema);
const spans: SpanData[] = [];
const lines: Record<string, unknown>[] = [];
const provider = createProvider(spans);
const logger = createLogger({ destination: { write: (line) => lines.push(JSON.parse(line)) }, pretty: false });
const middleware: Middleware[] = [recovery({ logger }), tracing(), logging({ logger }), metadata()];

const rest: Omit<Implementation<typeof Greeter>, "sayHello"> = {
  sayAll: async () => ({}),
  async *repeat() {},
  async *chat() {},
};
/** What the service at the end of the chain does; each test sets its own. */
let back: Implementation<typeof Greeter>["sayHello"];
let stops: (() => Promise<void>)[] = [];
let front: Awaited<ReturnType<typeof createFront>>;

function createProvider(ended: SpanData[]): TracerProvider {
  return new TracerProvider({
    processor: { onStart() {}, onEnd: (span) => ended.push(span), async forceFlush() {}, async shutdown() {} },
  });
}

async function createFront() {
  const serve = async (server: HttpServer | GrpcServer): Promise<string> => {
    await server.start();
    stops.push(() => server.stop(AbortSignal.timeout(2000)));
    return server.endpoint().href;
  };
  const connect = (endpoint: string) => {
    const client = createClient(Greeter, { endpoint, middleware: [tracing(), metadata()], timeoutMs: 60_000 });
    stops.push(() => client[Symbol.asyncDispose]());
    return client;
  };
  const address = "127.0.0.1:0";
  const last = service(Greeter, { ...rest, sayHello: (request, call) => back(request, call) });
  const toLast = connect(await serve(new HttpServer({ address, middleware, services: [last], timeoutMs: 0 })));
  const middle = service(Greeter, { ...rest, sayHello: (request) => toLast.sayHello(request) });
  const toMiddle = connect(await serve(new GrpcServer({ address, middleware, services: [middle], timeoutMs: 0 })));
  const first = service(Greeter, { ...rest, sayHello: (request) => toMiddle.sayHello(request) });
  return connect(await serve(new HttpServer({ address, middleware, services: [first], timeoutMs: 0 })));
}

before(async () => {
  provider.register();
  front = await createFront();
});

after(async () => {
  for (const stop of stops.toReversed()) await stop();
  stops = [];
  await provider.shutdown();
});

test("a call goes through three services as one trace, each span under the one before", async () => {
  spans.length = 0;
  back = ({ name }) => ({ name: `Hello ${name}` });
  assert.equal((await front.sayHello({ name: "ann" })).name, "Hello ann");
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1);
  // They end from the inside out: server of the last, client of the middle, ... client of the test.
  const outward = spans.map(({ spanId }) => spanId);
  assert.equal(outward.length, 6);
  assert.deepEqual(
    spans.map(({ parentSpanId }) => parentSpanId),
    [...outward.slice(1), ""],
  );
});

test("every log line of the chain carries the trace id and its own span's id", async () => {
  spans.length = 0;
  lines.length = 0;
  back = () => {
    logger.info("in the handler");
    return {};
  };
  await front.sayHello({});
  const servers = spans.filter(({ kind }) => kind === 1).map(({ traceId, spanId }) => `${traceId} ${spanId}`);
  assert.deepEqual(new Set(lines.map((line) => `${line.trace_id} ${line.span_id}`)), new Set(servers));
  assert.equal(lines.find(({ msg }) => msg === "in the handler")?.span_id, spans[0]?.spanId);
});

test("an error of the contract arrives whole over HTTP, gRPC and HTTP", async () => {
  back = () => {
    throw USER_NOT_FOUND("no user 9", { metadata: { user_id: "9" }, cause: new Error("row missing") });
  };
  await assert.rejects(front.sayHello({}), (thrown: ServiceError) => {
    assert.ok(USER_NOT_FOUND.is(thrown));
    assert.deepEqual(thrown.toJSON(), {
      code: 404,
      reason: "USER_NOT_FOUND",
      message: "no user 9",
      metadata: { user_id: "9" },
    });
    return true;
  });
});

test("a mistake in the last handler tells the caller nothing, and the log everything, once", async () => {
  lines.length = 0;
  back = () => {
    throw new TypeError("secret.table is not a function");
  };
  await assert.rejects(front.sayHello({}), (thrown: ServiceError) => {
    assert.equal(thrown.code, 500);
    assert.equal(thrown.reason, "UNKNOWN");
    assert.doesNotMatch(JSON.stringify(thrown), /secret/);
    return true;
  });
  const told = lines.filter(({ msg }) => msg === "handler failed");
  assert.equal(told.length, 1);
  assert.match(JSON.stringify(told), /secret\.table/);
});

test("x-md-global- headers reach the last service with all values, x-md-local- only the first", async () => {
  let seen: [string, string][] = [];
  back = () => {
    seen = [...(currentMetadata() ?? [])];
    return {};
  };
  await front.sayHello({}, { metadata: { "x-md-global-tenant": ["a", "b"], "x-md-local-debug": "1" } });
  const values = seen.filter(([name]) => name === "x-md-global-tenant").map(([, value]) => value);
  assert.deepEqual(values, ["a", "b"]);
  assert.ok(!seen.some(([name]) => name === "x-md-local-debug"));
});

test("when the first caller's timeout passes, the handler at the end of the chain is told", async () => {
  const aborted = Promise.withResolvers<ServiceError>();
  let hasArrived = false;
  back = (_request, call) => {
    hasArrived = true;
    call.signal.addEventListener("abort", () => aborted.resolve(call.signal.reason as ServiceError));
    return new Promise(() => {});
  };
  // It may pass before the call has reached the end: then one that is later has to show it.
  for (let timeoutMs = 250; !hasArrived; timeoutMs *= 2) {
    await assert.rejects(front.sayHello({}, { timeoutMs }), { code: 504, reason: "GATEWAY_TIMEOUT" });
  }
  const reason = await aborted.promise;
  assert.ok([499, 504].includes(reason.code), `${reason.code} ${reason.reason}`);
});

test("a caller that gives up cancels the handler at the end of the chain", async () => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<ServiceError>();
  back = ({ name }, call) => {
    // A call of the test before this one may arrive only now.
    if (name !== "ann") return {};
    assert.equal(currentCall(), call);
    call.signal.addEventListener("abort", () => aborted.resolve(call.signal.reason as ServiceError));
    started.resolve();
    return new Promise(() => {});
  };
  const controller = new AbortController();
  const reply = front.sayHello({ name: "ann" }, { signal: controller.signal });
  await started.promise;
  controller.abort();
  await assert.rejects(reply, { code: 499, reason: "CLIENT_CLOSED" });
  assert.equal((await aborted.promise).code, 499);
});

test("a handler finds the app that its server runs in", async () => {
  let seen: AppInfo | undefined;
  const found = service(Greeter, {
    ...rest,
    sayHello() {
      seen = currentApp();
      return {};
    },
  });
  for (const Server of [HttpServer, GrpcServer]) {
    const server = new Server({ address: "127.0.0.1:0", services: [found], timeoutMs: 60_000 });
    const app: App = new App({ name: "finder", servers: [server], signals: [], logger, afterStart: [call] });
    seen = undefined;
    await app.run();
    assert.equal(seen, app);

    async function call(): Promise<void> {
      const client = createClient(Greeter, { endpoint: server.endpoint().href, timeoutMs: 60_000 });
      await client.sayHello({});
      await client[Symbol.asyncDispose]();
      void app.stop();
    }
  }
});

test("a client finds its service by name: it registers with its app, calls go to all nodes, and one that leaves gets none", async () => {
  const registry = new MemoryRegistry();
  const start = async (id: string) => {
    const named = service(Greeter, { ...rest, sayHello: () => ({ name: id }) });
    const servers = [new GrpcServer({ address: "127.0.0.1:0", services: [named], timeoutMs: 60_000 })];
    const ready = Promise.withResolvers<void>();
    const app = new App({
      id,
      name: "named",
      servers,
      registrar: registry,
      signals: [],
      logger,
      afterStart: [() => ready.resolve()],
    });
    const running = app.run();
    await ready.promise;
    return { stop: () => app.stop().then(() => running) };
  };
  const [a, b] = [await start("a"), await start("b")];
  const client = createClient(Greeter, {
    endpoint: "discovery:///named",
    discovery: registry,
    timeoutMs: 60_000,
  });
  const seen = async (): Promise<string[]> => {
    const names = new Set<string>();
    for (let i = 0; i < 10; i++) names.add((await client.sayHello({})).name);
    return [...names].sort();
  };
  assert.deepEqual(await seen(), ["a", "b"]);
  await a.stop();
  assert.deepEqual(await seen(), ["b"]);
  await client[Symbol.asyncDispose]();
  await b.stop();
});

test("a call says which App makes it, by tracing or by metadata, and the span of who is called knows", async () => {
  const seen: (string | undefined)[] = [];
  const last = service(Greeter, {
    ...rest,
    sayHello(_request, call) {
      seen.push(call.metadata.get("x-md-service-name"));
      return {};
    },
  });
  // A provider of its own: spans of the calls that earlier tests cancelled may end now.
  const ended: SpanData[] = [];
  const traced = [tracing({ tracerProvider: createProvider(ended) }), metadata()];
  const called = new HttpServer({ address: "127.0.0.1:0", middleware: traced, services: [last], timeoutMs: 60_000 });
  await called.start();
  const callers = [tracing(), metadata()].map((one) =>
    createClient(Greeter, { endpoint: called.endpoint(), middleware: [one], timeoutMs: 60_000 }),
  );
  const asking = service(Greeter, {
    ...rest,
    async sayHello(request) {
      for (const caller of callers) await caller.sayHello(request);
      return {};
    },
  });
  const server = new HttpServer({ address: "127.0.0.1:0", services: [asking], timeoutMs: 60_000 });
  const ask = async (): Promise<void> => {
    const client = createClient(Greeter, { endpoint: server.endpoint(), timeoutMs: 60_000 });
    await client.sayHello({ name: "ann" }, { metadata: { "x-md-service-name": "somebody else" } });
    await client[Symbol.asyncDispose]();
    // Outside of any App there is nobody to name; what a caller says itself stays.
    await run(Context.root, () => callers[0]!.sayHello({}));
    await callers[1]!.sayHello({}, { metadata: { "x-md-service-name": "own" } });
  };
  const app: App = new App({
    name: "shop",
    servers: [server],
    signals: [],
    logger,
    afterStart: [async () => void ask().finally(() => app.stop())],
  });
  await app.run();
  assert.deepEqual(seen, ["shop", "shop", undefined, "own"]);
  assert.deepEqual(
    ended.map((span) => findAttribute(span.attributes, "service.peer.name")),
    seen,
  );
  for (const caller of callers) await caller[Symbol.asyncDispose]();
  await called.stop(AbortSignal.timeout(2000));
});
