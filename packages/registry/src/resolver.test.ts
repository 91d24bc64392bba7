import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, createKey, current, run } from "@clew/context";
import { createLogger, silentLogger } from "@clew/log";
import { until } from "../../http2/test/until.ts";
import { instanceOf } from "../test/fakes.ts";
import { FailingRegistry } from "./failing-registry.ts";
import { createInstance } from "./instance.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import type { Node } from "./node.ts";
import { Resolver, type ResolverOptions } from "./resolver.ts";

const target = "discovery:///user";

/** A resolver, the lists it told, and how long it waited between retries; it waits no time. */
async function resolving(
  options: ResolverOptions,
  body: (resolver: Resolver, lists: string[], waits: number[]) => Promise<void>,
): Promise<void> {
  const lists: string[] = [];
  const waits: number[] = [];
  const sleep = async (ms: number): Promise<void> => {
    waits.push(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const resolver = new Resolver({ logger: silentLogger, random: () => 0.5, sleep, ...options }, (nodes) => {
    lists.push(nodes.map(({ key }) => key).join(" "));
  });
  resolver.start();
  try {
    await body(resolver, lists, waits);
  } finally {
    await resolver.close();
  }
}

/** A logger, and its lines. */
function recording(): { logger: NonNullable<ResolverOptions["logger"]>; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  return {
    lines,
    logger: createLogger({ level: "debug", destination: { write: (line) => lines.push(JSON.parse(line)) } }),
  };
}

test("a registry's instances become nodes, one for each, by the endpoint of the scheme", async () => {
  const discovery = new MemoryRegistry();
  const metadata = { weight: "50" };
  const endpoints = ["http://10.0.0.5:8000", "grpc://10.0.0.5:9000?isSecure=false"];
  await discovery.register(createInstance({ id: "1", name: "user", version: "v2", metadata, endpoints }));
  await resolving({ target, discovery }, async (resolver) => {
    await resolver.whenReady();
    const [node] = resolver.nodes;
    assert.deepEqual({ ...node, endpoint: node!.endpoint.href }, {
      key: "grpc://10.0.0.5:9000",
      endpoint: "grpc://10.0.0.5:9000",
      address: "10.0.0.5:9000",
      id: "1",
      name: "user",
      version: "v2",
      metadata,
      weight: 50,
    } satisfies Record<keyof Node, unknown>);
    assert.equal(resolver.transport, "grpc");
  });
  await resolving({ target: `${target}?scheme=http`, discovery }, async (resolver, lists) => {
    await resolver.whenReady();
    assert.deepEqual(lists, ["http://10.0.0.5:8000"]);
    assert.equal(resolver.transport, "http");
  });
});

test("TLS goes first where an instance has both, and is the only one where it is asked for", async () => {
  const discovery = new MemoryRegistry();
  await discovery.register(instanceOf("both", "grpc://both:1", "grpcs://both:2"));
  await discovery.register(instanceOf("plain", "grpc://plain:1"));
  await resolving({ target, discovery }, async (resolver, lists) => {
    await resolver.whenReady();
    assert.deepEqual(lists, ["grpcs://both:2 grpc://plain:1"]);
  });
  await resolving({ target: `${target}?scheme=grpcs`, discovery }, async (resolver, lists) => {
    await resolver.whenReady();
    assert.deepEqual(lists, ["grpcs://both:2"]);
  });
});

test("instances without an endpoint to call are told and left out; when all are, the problem says what they have", async () => {
  const discovery = new MemoryRegistry();
  const { logger, lines } = recording();
  await discovery.register(instanceOf("web", "http://web:80", "https://web:443"));
  await resolving({ target, discovery, logger }, async (resolver, lists) => {
    await until(() => lines.length === 1, "a line");
    assert.equal(lines[0]!.msg, "some instances have no endpoint that this client can call");
    assert.equal(resolver.problem.message, "its instances have no grpcs or grpc endpoint (they have: http, https)");
    // A registry may hold what createInstance would refuse.
    await discovery.register({ ...instanceOf("odd"), endpoints: ["grpc://", "grpc://no-port", "nothing"] });
    await discovery.register(instanceOf("good", "grpc://good:1"));
    await resolver.whenReady();
    assert.deepEqual(lists, ["grpc://good:1"]);
  });
});

test("changes are followed; nodes that stay are the same objects, and a list that is the same is not told", async () => {
  const discovery = new MemoryRegistry();
  await discovery.register(instanceOf("a", "grpc://a:1"));
  await resolving({ target, discovery }, async (resolver, lists) => {
    await resolver.whenReady();
    const [a] = resolver.nodes;
    await discovery.register(instanceOf("b", "grpc://b:1"));
    await until(() => lists.length === 2, "two nodes");
    assert.equal(resolver.nodes[0], a);
    // A change of an endpoint that is not used changes nothing here.
    await discovery.register(instanceOf("b", "grpc://b:1", "http://b:2"));
    await discovery.register(createInstance({ id: "a", name: "user", version: "v2", endpoints: ["grpc://a:1"] }));
    await until(() => lists.length === 3, "another version");
    assert.notEqual(resolver.nodes[0], a);
    assert.deepEqual(lists, ["grpc://a:1", "grpc://a:1 grpc://b:1", "grpc://a:1 grpc://b:1"]);
  });
});

test("two instances with one endpoint are one node", async () => {
  const discovery = new MemoryRegistry();
  await discovery.register(instanceOf("old", "grpc://a:1"));
  await discovery.register(instanceOf("new", "grpc://a:1"));
  await resolving({ target, discovery }, async (resolver) => {
    await resolver.whenReady();
    assert.deepEqual(
      resolver.nodes.map(({ id }) => id),
      ["old"],
    );
  });
});

test("an empty list keeps the nodes of before, and is told", async () => {
  const discovery = new FailingRegistry();
  const { logger, lines } = recording();
  await discovery.register(instanceOf("a", "grpc://a:1"));
  await resolving({ target, discovery, logger }, async (resolver, lists) => {
    await resolver.whenReady();
    discovery.empty();
    await until(() => lines.length === 1, "a line");
    assert.equal(lines[0]!.msg, "the registry returned an empty list; the previous nodes are kept");
    assert.equal(resolver.nodes.length, 1);
    discovery.heal();
    await discovery.register(instanceOf("b", "grpc://b:1"));
    await until(() => lists.length === 2, "both");
    assert.equal(resolver.nodes.length, 2);
  });
});

test("what fails is retried with a back-off that grows and begins anew after a success; the nodes stay", async () => {
  const discovery = new FailingRegistry();
  await discovery.register(instanceOf("a", "grpc://a:1"));
  discovery.fail("watch", new Error("no leader"), 4);
  await resolving({ target, discovery }, async (resolver, lists, waits) => {
    await resolver.whenReady();
    assert.deepEqual(waits.map(Math.round), [100, 160, 256, 410]);
    discovery.fail("watch", new Error("no leader"), 3);
    await until(() => waits.length === 7, "three retries");
    assert.deepEqual(waits.slice(4).map(Math.round), [100, 160, 256]);
    assert.deepEqual(lists, ["grpc://a:1"]);
    assert.equal(resolver.nodes.length, 1);
  });
});

test("a back-off is spread by a fifth and ends at 30 s", async () => {
  for (const [chance, first, last] of [
    [0, 80, 24_000],
    [1, 120, 36_000],
  ] as const) {
    const discovery = new FailingRegistry();
    discovery.fail("watch");
    await resolving({ target, discovery, random: () => chance }, async (_resolver, _lists, waits) => {
      await until(() => waits.length >= 20, "20 retries");
      assert.equal(Math.round(waits[0]!), first);
      assert.equal(Math.round(waits[19]!), last);
    });
  }
});

test("a watch that ends by itself is one that failed", async () => {
  let watches = 0;
  const discovery = {
    list: async () => [],
    async *watch() {
      watches++;
      yield [instanceOf("a", "grpc://a:1")];
    },
  };
  await resolving({ target, discovery }, async (resolver) => {
    await until(() => watches > 3, "watches");
    assert.equal(resolver.problem.message, "the watch ended");
  });
});

test("it runs in no context, whoever starts it", async () => {
  const key = createKey<string>("call");
  let seen: string | undefined = "not asked";
  const discovery = {
    list: async () => [],
    async *watch() {
      seen = current().getValue(key);
      yield [instanceOf("a", "grpc://a:1")];
    },
  };
  await run(Context.root.setValue(key, "the first call"), () =>
    resolving({ target, discovery }, (resolver) => resolver.whenReady()),
  );
  assert.equal(seen, undefined);
});

test("whenReady waits for the first node, until its signal aborts", async () => {
  const discovery = new MemoryRegistry();
  await resolving({ target, discovery }, async (resolver) => {
    const limit = new AbortController();
    const waiting = resolver.whenReady(limit.signal);
    limit.abort(new Error("enough"));
    await assert.rejects(waiting, { message: "enough" });
    const found = resolver.whenReady();
    await discovery.register(instanceOf("a", "grpc://a:1"));
    await found;
    await resolver.whenReady(AbortSignal.abort());
  });
});

test("of many instances a client uses 25, always the same by its id", async () => {
  const discovery = new MemoryRegistry();
  for (let index = 0; index < 60; index++) await discovery.register(instanceOf(`n${index}`, `grpc://n${index}:1`));
  const resolve = async (options: Partial<ResolverOptions>): Promise<string[]> => {
    let keys: string[] = [];
    await resolving({ target, discovery, ...options }, async (resolver) => {
      await resolver.whenReady();
      keys = resolver.nodes.map(({ key }) => key);
    });
    return keys;
  };
  const mine = await resolve({ clientId: "me" });
  assert.equal(mine.length, 25);
  assert.deepEqual(await resolve({ clientId: "me" }), mine);
  assert.notDeepEqual(await resolve({ clientId: "you" }), mine);
  assert.equal((await resolve({ subset: 7 })).length, 7);
  assert.equal((await resolve({ subset: 0 })).length, 60);
});

test("addresses and endpoints are nodes as they stand", async () => {
  await resolving({ target: "direct:///10.0.0.5:9000,10.0.0.6:9000" }, async (resolver, lists) => {
    await resolver.whenReady();
    assert.deepEqual(lists, ["grpc://10.0.0.5:9000 grpc://10.0.0.6:9000"]);
  });
  await resolving({ target: "https://api.example.com/base/" }, async (resolver, lists) => {
    await resolver.whenReady();
    assert.deepEqual(lists, ["https://api.example.com/base"]);
  });
});

test("a name of the DNS is looked up again and again; its nodes keep the name", async () => {
  const answers = [
    ["10.0.0.2", "10.0.0.1", "10.0.0.1"],
    ["10.0.0.1", "::1"],
  ];
  const lookup = async (host: string): Promise<string[]> => {
    assert.equal(host, "users.svc");
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === undefined) throw new Error("ENOTFOUND");
    return answer;
  };
  await resolving({ target: "dns:///users.svc:9000", lookup, dnsRefreshMs: 5_000 }, async (resolver, lists, waits) => {
    await until(() => lists.length === 2, "two answers");
    assert.deepEqual(lists, ["grpc://10.0.0.1:9000 grpc://10.0.0.2:9000", "grpc://10.0.0.1:9000 grpc://[::1]:9000"]);
    assert.equal(waits[0], 5_000);
    assert.equal(resolver.nodes[0]!.name, "users.svc");
    answers.length = 0;
    await until(() => waits.some((ms) => ms < 5_000), "a retry");
    assert.equal(resolver.nodes.length, 2);
    assert.equal(resolver.problem.message, "ENOTFOUND");
  });
});

test("the system's DNS knows localhost", async () => {
  await resolving({ target: "dns:///localhost:9000?scheme=http" }, async (resolver) => {
    await resolver.whenReady();
    assert.match(resolver.nodes[0]!.key, /^http:\/\/(127\.0\.0\.1|\[::1\]):9000$/);
  });
});

test("options that cannot work are refused", () => {
  assert.throws(() => new Resolver({ target }), {
    code: "CLEW_REGISTRY_DISCOVERY",
    message: /^target "discovery:\/\/\/user" needs the option discovery/,
  });
  assert.throws(() => new Resolver({ target: "user" }), { code: "CLEW_REGISTRY_TARGET" });
  const direct = "direct:///a:1";
  assert.throws(() => new Resolver({ target: direct, subset: 1.5 }), { code: "CLEW_REGISTRY_OPTION" });
  assert.throws(() => new Resolver({ target: direct, dnsRefreshMs: 0 }), { code: "CLEW_REGISTRY_OPTION" });
});
