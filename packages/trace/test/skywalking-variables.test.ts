// The variables of SkyWalking's agents for Java, Go and Node that say what is in a segment, and under which name it leaves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TracerProvider, withSpan } from "@clew/trace";
import {
  logContextFields,
  resolveIdentity,
  type SegmentData,
  SegmentProcessor,
  type SegmentProcessorOptions,
  SkyWalkingPropagator,
} from "@clew/trace/skywalking";
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  type Link,
  ROOT_CONTEXT,
  SpanKind,
  trace,
} from "@opentelemetry/api";

type Env = Readonly<Record<string, string>>;

const identity = { service: "shop", instance: "shop-1" };

function world(options: SegmentProcessorOptions) {
  const segments: SegmentData[] = [];
  const exporter = {
    export: async (given: readonly SegmentData[]) => {
      segments.push(...given);
      return { outcome: "exported" } as const;
    },
    shutdown: async () => {},
  };
  const processor = new SegmentProcessor(exporter, { ...identity, env: {}, ...options });
  const provider = new TracerProvider({ processor, ids: processor, env: {}, limits: { events: 1000, links: 1000 } });
  return { provider, tracer: provider.getTracer("test"), segments, end: () => provider.shutdown() };
}

function nameOf(env: Env): string {
  return resolveIdentity({ env: { SW_AGENT_NAME: "shop", ...env } }).service;
}

test("SW_AGENT_NAMESPACE and SW_AGENT_CLUSTER are parts of the service's name, each in its place", () => {
  assert.equal(nameOf({}), "shop");
  assert.equal(nameOf({ SW_AGENT_NAMESPACE: "blue", SW_AGENT_CLUSTER: "berlin" }), "shop|blue|berlin");
  assert.equal(nameOf({ SW_AGENT_NAMESPACE: "blue" }), "shop|blue|");
  assert.equal(nameOf({ SW_AGENT_CLUSTER: "berlin" }), "shop||berlin");
  assert.equal(nameOf({ SW_AGENT_NAMESPACE: "", SW_AGENT_CLUSTER: "" }), "shop");
  assert.equal(nameOf({ SW_AGENT_NAMESPACE: "n".repeat(60) }).length, 50);
  const given = { service: "shop", namespace: "red", cluster: "rome", env: { SW_AGENT_NAMESPACE: "blue" } };
  assert.equal(resolveIdentity(given).service, "shop|red|rome");
});

test("segments and sw8 agree on that name", async () => {
  const { tracer, segments, end } = world({ namespace: "blue" });
  const headers: Record<string, string> = {};
  const span = tracer.startSpan("GET /books", { kind: SpanKind.CLIENT });
  const propagator = new SkyWalkingPropagator({ ...identity, namespace: "blue", env: {} });
  propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, defaultTextMapSetter);
  span.end();
  await end();
  assert.equal(segments[0]!.service, "shop|blue|");
  assert.equal(Buffer.from(headers.sw8!.split("-")[4]!, "base64").toString(), "shop|blue|");
});

test("SW_LOG_LIMIT_PER_SPAN: more logs than that do not leave", async () => {
  const countOf = async (options: SegmentProcessorOptions): Promise<number> => {
    const { tracer, segments, end } = world(options);
    const span = tracer.startSpan("work");
    for (let index = 0; index < 400; index++) span.addEvent("step");
    span.end();
    await end();
    return segments[0]!.spans[0]!.logs.length;
  };
  assert.equal(await countOf({}), 300);
  assert.equal(await countOf({ env: { SW_LOG_LIMIT_PER_SPAN: "350" } }), 350);
  assert.equal(await countOf({ env: { SW_LOG_LIMIT_PER_SPAN: "0" } }), 0);
  assert.equal(await countOf({ maxLogs: 3, env: { SW_LOG_LIMIT_PER_SPAN: "350" } }), 3);
});

test("SW_TRACE_SEGMENT_LIMIT: a span has at most so many references", async () => {
  const propagator = new SkyWalkingPropagator({ ...identity, env: {} });
  const caller = world({});
  const links: Link[] = [];
  for (let index = 0; index < 600; index++) {
    const span = caller.tracer.startSpan("send", { kind: SpanKind.PRODUCER });
    const headers: Record<string, string> = {};
    propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, defaultTextMapSetter);
    span.end();
    links.push({ context: trace.getSpanContext(propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter))! });
  }
  await caller.end();
  const countOf = async (options: SegmentProcessorOptions): Promise<number> => {
    const { tracer, segments, end } = world(options);
    tracer.startSpan("receive", { kind: SpanKind.CONSUMER, links }).end();
    await end();
    return segments[0]!.spans[0]!.references.length;
  };
  assert.equal(await countOf({}), 500);
  assert.equal(await countOf({ env: { SW_TRACE_SEGMENT_LIMIT: "2" } }), 2);
  assert.equal(await countOf({ maxReferences: 4, env: { SW_TRACE_SEGMENT_LIMIT: "2" } }), 4);
});

test("SW_COLD_ENDPOINT: the first span of the process is told from the others", async () => {
  const operationsOf = async (options: SegmentProcessorOptions): Promise<string[]> => {
    const { tracer, segments, end } = world(options);
    const first = tracer.startSpan("GET /books", { kind: SpanKind.SERVER });
    const second = tracer.startSpan("GET /books", { kind: SpanKind.SERVER });
    second.end();
    // What is known later than at the start counts.
    first.updateName("GET /books/{id}");
    first.end();
    await end();
    return segments.map(({ spans }) => `${spans[0]!.operation} ${spans[0]!.tags.join("=")}`.trim());
  };
  assert.deepEqual(await operationsOf({}), ["GET:/books", "GET:/books/{id}"]);
  const cold = ["GET:/books", "GET:/books/{id}<cold> coldStart=true"];
  assert.deepEqual(await operationsOf({ env: { SW_COLD_ENDPOINT: "true" } }), cold);
  assert.deepEqual(await operationsOf({ coldEndpoint: true }), cold);
  assert.deepEqual(await operationsOf({ coldEndpoint: false, env: { SW_COLD_ENDPOINT: "true" } }), [
    "GET:/books",
    "GET:/books/{id}",
  ]);
});

test("SW_AGENT_LOG_TRACING_ENABLE and SW_AGENT_LOG_TRACING_KEY: whether and as what a line has its place", () => {
  const { service, instance } = identity;
  const outside = `[${service},${instance},N/A,N/A,-1]`;
  assert.equal(logContextFields(identity, {}).SW_CTX!(), outside);
  const renamed = logContextFields(identity, { SW_AGENT_LOG_TRACING_KEY: "ctx" });
  assert.deepEqual(Object.keys(renamed), ["ctx"]);
  assert.deepEqual(logContextFields(identity, { SW_AGENT_LOG_TRACING_ENABLE: "false" }), {});
  const { provider } = world({});
  provider.register();
  assert.match(
    withSpan("work", () => renamed.ctx!()),
    /^\[shop,shop-1,[0-9a-f]{32},[0-9a-f]{32},0\]$/,
  );
  provider.unregister();
});
