// One trace through services of both families: sw8 -> W3C alone -> sw8, over real sockets, each service with a provider of its own.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient, GrpcServer, HttpServer, type Implementation, recovery, service, tracing } from "clew";
import { type IdForm, type SegmentData, SegmentProcessor, SkyWalkingPropagator } from "clew/skywalking";
import { CompositePropagator, createPropagator, TracerProvider } from "clew/trace";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";

type Family = "sw8" | "w3c" | "both";

const rest: Omit<Implementation<typeof Greeter>, "sayHello"> = {
  sayAll: async () => ({}),
  async *repeat() {},
  async *chat() {},
};
const closers: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closers.toReversed()) await close();
});

/** A service of one family, which calls those at `next` in their order, or answers. */
async function start(name: string, family: Family, kind: "http" | "grpc", ids: IdForm, next: string | undefined) {
  const env = {};
  const segments: SegmentData[] = [];
  const identity = { service: name, instance: `${name}@here`, env };
  const processor = new SegmentProcessor(
    {
      async export(given) {
        segments.push(...given);
        return { outcome: "exported" as const };
      },
      async shutdown() {},
    },
    { ...identity, ids },
  );
  const sw8 = new SkyWalkingPropagator(identity);
  const w3c = createPropagator();
  const propagator = { sw8, w3c, both: new CompositePropagator([w3c, sw8]) }[family];
  const tracerProvider = new TracerProvider({ processor, ids: processor, propagator, env });
  const traced = tracing({ tracerProvider, propagator });
  const client = next && createClient(Greeter, { endpoint: next, middleware: [traced], timeoutMs: 60_000 });
  const headers: Record<string, string | undefined>[] = [];
  const greeter = service(Greeter, {
    ...rest,
    async sayHello(request, call) {
      headers.push({ sw8: call.metadata.get("sw8"), traceparent: call.metadata.get("traceparent") });
      return client ? client.sayHello(request) : { name: request.name };
    },
  });
  const init = { address: "127.0.0.1:0", middleware: [traced, recovery()], services: [greeter], timeoutMs: 60_000 };
  const server = kind === "http" ? new HttpServer(init) : new GrpcServer(init);
  await server.start();
  closers.push(async () => {
    if (client) await client[Symbol.asyncDispose]();
    await server.stop(AbortSignal.timeout(2000));
    await processor.shutdown();
  });
  return { endpoint: server.endpoint().href, address: server.endpoint().host, headers, processor, segments };
}

test("sw8, then W3C alone, then sw8 again: one trace with the id it began with", async () => {
  const last = await start("last", "sw8", "http", "plain", undefined);
  const third = await start("third", "both", "grpc", "plain", last.endpoint);
  const second = await start("second", "w3c", "http", "plain", third.endpoint);
  const first = await start("first", "both", "grpc", "go", second.endpoint);
  const client = createClient(Greeter, { endpoint: first.endpoint, timeoutMs: 60_000 });
  closers.push(() => client[Symbol.asyncDispose]());
  assert.equal((await client.sayHello({ name: "ann" })).name, "ann");
  const services = [first, second, third, last];
  for (const { processor } of services) await processor.forceFlush();
  const segments = services.flatMap((one) => one.segments);
  assert.deepEqual(
    segments.map((segment) => segment.service),
    ["first", "second", "third", "last"],
  );
  assert.equal(new Set(segments.map(({ traceId }) => traceId)).size, 1);
  assert.match(segments[0]!.traceId, /^[0-9a-f]{32}\.\d+\.\d{17,}$/);
  assert.equal(third.headers[0]!.sw8, undefined);
  assert.match(last.headers[0]!.sw8!, /^1-/);
  const [reference] = segments[3]!.spans[0]!.references;
  assert.deepEqual(
    [reference!.parentSegmentId, reference!.parentSpanId, reference!.parentService, reference!.address],
    [segments[2]!.segmentId, 1, "third", last.address],
  );
  assert.equal(segments[2]!.spans[1]!.peer, last.address);
});

test("the header names the node that was picked, not the target", async () => {
  const nodes = [
    await start("node", "sw8", "grpc", "plain", undefined),
    await start("node", "sw8", "grpc", "plain", undefined),
  ];
  const target = `direct:///${nodes.map(({ address }) => address).join(",")}`;
  const front = await start("front", "sw8", "http", "plain", target);
  const client = createClient(Greeter, { endpoint: front.endpoint, timeoutMs: 60_000 });
  closers.push(() => client[Symbol.asyncDispose]());
  for (let count = 0; count < 4; count++) await client.sayHello({ name: "ann" });
  for (const { processor } of [front, ...nodes]) await processor.forceFlush();
  const seen = new Set<string>();
  for (const segment of nodes.flatMap(({ segments }) => segments)) {
    const [reference] = segment.spans[0]!.references;
    const exit = front.segments.find(({ segmentId }) => segmentId === reference!.parentSegmentId)!.spans[1]!;
    assert.equal(exit.peer, reference!.address);
    seen.add(reference!.address);
  }
  assert.ok([...seen].every((address) => nodes.some((node) => node.address === address)));
  assert.equal(seen.size, 2);
});
