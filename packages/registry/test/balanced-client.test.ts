import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@clew/log";
import {
  BalancedClient,
  type BalancedClientOptions,
  type Balancer,
  createInstance,
  FailingRegistry,
  MemoryRegistry,
  type Node,
} from "@clew/registry";
import {
  type Client,
  createMethod,
  createServiceClient,
  type Middleware,
  type ServiceClient,
  ServiceError,
  service,
} from "@clew/rpc";
import { GrpcClient, HttpClient, Server } from "@clew/transport";
import { until } from "../../http2/test/until.ts";
import { Echo, type EchoMessage, Shelves } from "../../transport/test/gen/test/v1/test_pb.ts";
import { TestCall } from "./fakes.ts";

/** A server that tells its name, and can be made to wait. */
interface TestServer {
  readonly name: string;
  readonly server: Server;
  /** How many calls it has answered or begun to. */
  calls: number;
  /** While it is there, calls wait for it. */
  gate: PromiseWithResolvers<void> | undefined;
}

async function startServer(name: string): Promise<TestServer> {
  const answer = async (): Promise<void> => {
    one.calls++;
    await one.gate?.promise;
  };
  const echo = service(Echo, {
    async unary() {
      await answer();
      return { text: name };
    },
    async *serverStream() {
      await answer();
      yield { text: name };
      await one.gate?.promise;
      yield { text: `${name} again` };
    },
    clientStream: async () => ({ text: name }),
    async *bidiStream() {},
  });
  const unused = (): never => {
    throw new ServiceError(501, "UNIMPLEMENTED", "");
  };
  const shelves = service(Shelves, {
    getBook: async () => {
      await answer();
      return { title: name };
    },
    createBook: unused,
    updateBook: unused,
    deleteBook: unused,
    searchBooks: unused,
    getFile: unused,
  });
  const server = new Server({ address: "127.0.0.1:0", services: [echo, shelves], timeoutMs: 60_000 });
  const one: TestServer = { name, server, calls: 0, gate: undefined };
  await server.start();
  return one;
}

const instanceOf = ({ name, server }: TestServer) =>
  createInstance({ id: name, name: "echo", endpoints: server.endpoints() });

interface Scene {
  readonly registry: FailingRegistry;
  readonly servers: readonly TestServer[];
  /** Every client of a node that was made, and whether it was closed. */
  readonly made: { readonly endpoint: string; isClosed: boolean }[];
  open(options?: Partial<BalancedClientOptions>): BalancedClient;
}

/** Servers in a registry, and clients of them. */
async function withServers(names: readonly string[], body: (scene: Scene) => Promise<void>): Promise<void> {
  const registry = new FailingRegistry(new MemoryRegistry());
  const servers = await Promise.all(names.map(startServer));
  const clients: BalancedClient[] = [];
  const made: Scene["made"] = [];
  for (const one of servers) await registry.register(instanceOf(one));
  try {
    await body({
      registry,
      servers,
      made,
      open(options = {}) {
        const connect = (endpoint: URL): Client => {
          const client = endpoint.protocol.startsWith("grpc")
            ? new GrpcClient({ endpoint })
            : new HttpClient({ endpoint });
          const record = { endpoint: endpoint.href, isClosed: false };
          made.push(record);
          return {
            transport: client.transport,
            createHandler: (method) => client.createHandler(method),
            close: async () => {
              await client.close();
              record.isClosed = true;
            },
          };
        };
        const target = "discovery:///echo";
        const client = new BalancedClient({ target, discovery: registry, connect, logger: silentLogger, ...options });
        clients.push(client);
        return client;
      },
    });
  } finally {
    for (const one of servers) one.gate?.resolve();
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(servers.map(({ server }) => server.stop(AbortSignal.abort())));
  }
}

const echoOf = (client: BalancedClient, middleware: Middleware[] = []): ServiceClient<typeof Echo> =>
  createServiceClient(Echo, client, { middleware, timeoutMs: 60_000 });

async function nameMany(client: ServiceClient<typeof Echo>, count: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let index = 0; index < count; index++) {
    const { text } = await client.unary({});
    counts[text] = (counts[text] ?? 0) + 1;
  }
  return counts;
}

test("calls go to all nodes in turn, over gRPC and over HTTP, by one connection for each", async () => {
  await withServers(["a", "b", "c"], async ({ open, servers, made }) => {
    assert.deepEqual(await nameMany(echoOf(open()), 30), { a: 10, b: 10, c: 10 });
    // One that only looks at the methods, and one for each node.
    assert.equal(made.length, 4);
    const http = open({ target: "discovery:///echo?scheme=http" });
    assert.equal(http.transport, "http");
    const shelves = createServiceClient(Shelves, http, { timeoutMs: 60_000 });
    for (let index = 0; index < 6; index++) await shelves.getBook({ shelf: "1", book: { id: "2" } });
    assert.deepEqual(
      servers.map(({ calls }) => calls),
      [12, 12, 12],
    );
    assert.ok(made.slice(4).every(({ endpoint }) => endpoint.startsWith("http://")));
  });
});

test("direct targets need no registry", async () => {
  await withServers(["a", "b"], async ({ open, servers }) => {
    const hosts = servers.map(({ server }) => server.endpoint().host).join();
    assert.deepEqual(await nameMany(echoOf(open({ target: `direct:///${hosts}` })), 10), { a: 5, b: 5 });
  });
});

test("a node that comes gets calls, and one that leaves gets no more; its client is closed once its calls are over", async () => {
  await withServers(["a", "b"], async ({ registry, open, servers, made }) => {
    const [a, b] = servers as [TestServer, TestServer];
    await registry.deregister(instanceOf(b));
    const balanced = open();
    const client = echoOf(balanced);
    assert.deepEqual(await nameMany(client, 4), { a: 4 });
    a.gate = Promise.withResolvers();
    const open_ = client.unary({});
    await until(() => a.calls === 5, "the call has arrived");
    await registry.register(instanceOf(b));
    await registry.deregister(instanceOf(a));
    await until(() => balanced.nodes.length === 1 && balanced.nodes[0]!.id === "b", "only b is left");
    const clientOfA = made.find(({ endpoint }) => endpoint.endsWith(a.server.endpoint().host))!;
    assert.deepEqual(await nameMany(client, 4), { b: 4 });
    assert.equal(clientOfA.isClosed, false);
    a.gate.resolve();
    assert.equal((await open_).text, "a");
    await until(() => clientOfA.isClosed, "the client of a is closed");
  });
});

test("a stream holds its node's client until it is read to its end", async () => {
  await withServers(["a", "b"], async ({ registry, open, servers, made }) => {
    const [a, b] = servers as [TestServer, TestServer];
    await registry.deregister(instanceOf(b));
    const balanced = open();
    a.gate = undefined;
    const stream = echoOf(balanced).serverStream({})[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value?.text, "a");
    a.gate = Promise.withResolvers();
    await registry.register(instanceOf(b));
    await registry.deregister(instanceOf(a));
    await until(() => balanced.nodes[0]?.id === "b", "only b is left");
    const clientOfA = made.find(({ endpoint }) => endpoint.endsWith(a.server.endpoint().host))!;
    assert.equal(clientOfA.isClosed, false);
    a.gate.resolve();
    assert.equal((await stream.next()).value?.text, "a again");
    assert.equal((await stream.next()).done, true);
    await until(() => clientOfA.isClosed, "the client of a is closed");
  });
});

test("without a node a call fails with 503 NODE_NOT_FOUND, and says why", async () => {
  await withServers([], async ({ open, registry }) => {
    const client = echoOf(open({ readyTimeoutMs: 20 }));
    await assert.rejects(client.unary({}), {
      code: 503,
      reason: "NODE_NOT_FOUND",
      message: "no node for discovery:///echo: it has no instances",
    });
    registry.fail("watch", new Error("no leader"));
    const failing = echoOf(open({ readyTimeoutMs: 20 }));
    await assert.rejects(failing.unary({}), {
      reason: "NODE_NOT_FOUND",
      message: "no node for discovery:///echo: no leader",
    });
  });
  await withServers(["a"], async ({ open }) => {
    const filtered = echoOf(open({ filters: [() => []] }));
    await assert.rejects(filtered.unary({}), {
      code: 503,
      reason: "NODE_NOT_FOUND",
      message: "no node for discovery:///echo: the filters accept none of its 1 nodes",
    });
  });
});

test("the first calls wait for the first node; later ones fail at once, unless they wait for it to be ready", async () => {
  await withServers(["a"], async ({ open, registry, servers }) => {
    await registry.deregister(instanceOf(servers[0]!));
    const first = echoOf(open({ readyTimeoutMs: 60_000 })).unary({});
    const late = echoOf(open({ readyTimeoutMs: 0 }));
    await assert.rejects(late.unary({}), { reason: "NODE_NOT_FOUND" });
    const patient = late.unary({}, { waitForReady: true });
    await assert.rejects(late.unary({}, { waitForReady: true, timeoutMs: 20 }), { reason: "GATEWAY_TIMEOUT" });
    await registry.register(instanceOf(servers[0]!));
    assert.deepEqual([(await first).text, (await patient).text], ["a", "a"]);
  });
});

test("whenReady waits until there is a node", async () => {
  await withServers(["a"], async ({ open }) => {
    const client = open();
    assert.equal(client.nodes.length, 0);
    await client.whenReady();
    assert.equal(client.nodes.length, 1);
    await assert.rejects(open({ target: "discovery:///nobody" }).whenReady(AbortSignal.timeout(20)), {
      code: 503,
      reason: "NODE_NOT_FOUND",
      message: "no node for discovery:///nobody: it has no instances",
    });
  });
});

/** Sends a call once more when it fails with 503. */
const retryOnce: Middleware = (next) => async (call) => {
  try {
    return await next(call);
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 503) throw error;
    return next(call);
  }
};

test("a call that is sent again goes to another node: with one of three dead, none fails, and the dead one is ejected", async () => {
  await withServers(["a", "b", "c"], async ({ open, servers }) => {
    await servers[1]!.server.stop(AbortSignal.abort());
    const ejected: string[] = [];
    const balanced = open({ ejection: { onEject: ({ id }) => ejected.push(id) } });
    const counts = await nameMany(echoOf(balanced, [retryOnce]), 60);
    assert.equal(counts.a! + counts.c!, 60);
    assert.deepEqual(ejected, ["b"]);
  });
});

test("tries of one call go to different nodes, whatever the balancer would pick", async () => {
  await withServers(["a", "b", "c"], async ({ open, servers }) => {
    for (const one of servers.slice(0, 2)) await one.server.stop(AbortSignal.abort());
    const stubborn: Balancer = { pick: ([first]) => ({ node: first! }) };
    const handler = open({ balancer: stubborn, ejection: false }).createHandler(createMethod(Echo.method.unary));
    const call = new TestCall();
    for (let tries = 0; tries < 2; tries++) {
      await assert.rejects(handler(new TestCall({}, new TestCall({}, call))), { code: 503 });
    }
    const last = new TestCall({}, call);
    assert.equal(((await handler(last)) as EchoMessage).text, "c");
    assert.equal(last.peer.address, servers[2]!.server.endpoint().host);
    await assert.rejects(handler(new TestCall()), { code: 503 });
  });
});

test("tries that are under way at the same time go to different nodes; one that is given up is no failure of its node", async () => {
  await withServers(["a", "b", "c"], async ({ open, servers }) => {
    for (const one of servers) one.gate = Promise.withResolvers();
    const stubborn: Balancer = { pick: ([first]) => ({ node: first! }) };
    const ejected: string[] = [];
    const onEject = ({ id }: Node): unknown => ejected.push(id);
    const balanced = open({ balancer: stubborn, ejection: { onEject, consecutiveFailures: 1 } });
    const handler = balanced.createHandler(createMethod(Echo.method.unary));
    const call = new TestCall();
    const tries = Array.from({ length: 3 }, () => new TestCall({}, call));
    const replies = tries.map((attempt) => handler(attempt));
    await until(() => servers.every(({ calls }) => calls === 1), "each node has one try");
    servers[1]!.gate!.resolve();
    assert.equal(((await replies[1]) as EchoMessage).text, "b");
    tries[0]!.cancel();
    tries[2]!.cancel();
    await assert.rejects(replies[0]!, { code: 499 });
    await assert.rejects(replies[2]!, { code: 499 });
    assert.deepEqual(ejected, []);
  });
});

test("a registry that fails or forgets does not disturb the calls", async () => {
  await withServers(["a", "b"], async ({ open, registry }) => {
    const client = echoOf(open());
    await nameMany(client, 2);
    registry.empty();
    assert.deepEqual(await nameMany(client, 10), { a: 5, b: 5 });
    registry.fail("watch");
    assert.deepEqual(await nameMany(client, 10), { a: 5, b: 5 });
  });
});

test("closing ends open calls' wait, closes every client, and refuses more", async () => {
  await withServers(["a"], async ({ open, servers, made }) => {
    const [a] = servers as [TestServer];
    const balanced = open();
    const client = echoOf(balanced);
    a.gate = Promise.withResolvers();
    const call = client.unary({});
    await until(() => a.calls === 1, "the call has arrived");
    const closing = balanced.close();
    await assert.rejects(client.unary({}), { code: 503, reason: "UNAVAILABLE", message: /is closed$/ });
    a.gate.resolve();
    assert.equal((await call).text, "a");
    await closing;
    assert.ok(made.every(({ isClosed }) => isClosed));
    await assert.rejects(balanced.whenReady(), { reason: "UNAVAILABLE" });
  });
});

test("a call that waits for a node ends with the client", async () => {
  await withServers([], async ({ open }) => {
    const balanced = open({ readyTimeoutMs: 60_000 });
    const call = echoOf(balanced).unary({});
    await new Promise((resolve) => setImmediate(resolve));
    const rejected = assert.rejects(call, { code: 503, reason: "UNAVAILABLE" });
    await balanced.close();
    await rejected;
  });
});

test("what a transport finds wrong with a method is found before the first call", async () => {
  await withServers(["a"], async ({ open }) => {
    const wrong = Object.assign(new TypeError("no such field"), { code: "CLEW_TRANSPORT_FIELD_MISSING" });
    const balanced = open({
      connect: () => ({
        transport: "grpc",
        createHandler: () => {
          throw wrong;
        },
        close: async () => {},
      }),
    });
    assert.throws(() => echoOf(balanced), wrong);
  });
});
