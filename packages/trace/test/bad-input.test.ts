// Nothing a caller sends and nothing an app hands over throws, or costs more than a new trace. Fixed seeds.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SpanData, TracerProvider } from "@clew/trace";
import { JaegerPropagator } from "@clew/trace/jaeger";
import { GrpcTraceBinPropagator, OpenCensusTracer } from "@clew/trace/opencensus";
import { OpenTracingTracer } from "@clew/trace/opentracing";
import { createPropagator, encodeRequest } from "@clew/trace/otel";
import {
  addLog,
  createEntrySpan,
  createExitSpan,
  createLocalSpan,
  runWithCorrelation,
  SkyWalkingPropagator,
  setTag,
  traced,
} from "@clew/trace/skywalking";
import { XRayPropagator } from "@clew/trace/xray";
import { B3Propagator } from "@clew/trace/zipkin";
import {
  type Context,
  defaultTextMapSetter,
  isSpanContextValid,
  ROOT_CONTEXT,
  type TextMapGetter,
  type TextMapPropagator,
  trace,
} from "@opentelemetry/api";
import { keepSpans } from "./keep-spans.ts";
import { createRandom, type Random } from "./random.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

/** Each with headers that are right; what is fuzzed begins with them. */
const propagators: readonly (readonly [TextMapPropagator, Readonly<Record<string, string>>])[] = [
  [
    createPropagator(),
    { traceparent: `00-${traceId}-${spanId}-01`, tracestate: "a=1,b@c=2", baggage: "k=v;p=1,l=%20%C3%A4" },
  ],
  [new B3Propagator(), { b3: `${traceId}-${spanId}-1-${spanId}` }],
  [
    new B3Propagator({ inject: "multi" }),
    { "x-b3-traceid": traceId, "x-b3-spanid": spanId, "x-b3-sampled": "1", "x-b3-flags": "0" },
  ],
  [new JaegerPropagator(), { "uber-trace-id": `${traceId}:${spanId}:0:1`, "uberctx-user": "ann%20b" }],
  [new XRayPropagator(), { "x-amzn-trace-id": `Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=${spanId};Sampled=1` }],
  [
    new GrpcTraceBinPropagator(),
    { "grpc-trace-bin": Buffer.from(`0000${traceId}01${spanId}0201`, "hex").toString("base64") },
  ],
  [
    new SkyWalkingPropagator({ env: {} }),
    {
      sw8: `1-${base64(traceId)}-${base64("5.6.7")}-3-${base64("shop")}-${base64("shop@1")}-${base64("/pay")}-${base64("db:1")}`,
      "sw8-correlation": `${base64("k")}:${base64("v")}`,
      "sw8-x": "1-1700000000000",
    },
  ],
];

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

const strange = [
  "",
  " ",
  ",",
  ";",
  "=",
  "-",
  ":",
  "%",
  "%zz",
  "%C3",
  "\0",
  "\n",
  "ä",
  "💥",
  "\uD800",
  "__proto__",
  "0",
  "f",
  "G",
];

function spoil(text: string, random: Random): string {
  let spoiled = text;
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(spoiled.length + 1);
    const piece = random.pick(strange);
    switch (random.below(6)) {
      case 0:
        spoiled = spoiled.slice(0, at);
        break;
      case 1:
        spoiled = spoiled.slice(0, at) + piece + spoiled.slice(at);
        break;
      case 2:
        spoiled = spoiled.slice(0, at) + piece + spoiled.slice(at + 1);
        break;
      case 3:
        spoiled += spoiled.slice(at);
        break;
      case 4:
        spoiled = piece.repeat(random.pick([1, 100, 20_000]));
        break;
      default:
        spoiled = spoiled.toUpperCase() + piece;
    }
  }
  return spoiled;
}

// Headers as Node gives them: texts, lists of texts.
const getter: TextMapGetter<Record<string, string | string[]>> = {
  get: (carrier, key) => carrier[key],
  keys: (carrier) => Object.keys(carrier),
};

test("no header, however malformed, costs more than a new trace", () => {
  const processor = keepSpans();
  const tracer = new TracerProvider({ processor, env: {} }).getTracer("test");
  let continued = 0;
  for (const [propagator, headers] of propagators) {
    const right = trace.getSpanContext(propagator.extract(ROOT_CONTEXT, headers, getter));
    assert.equal(right?.traceId, traceId);
    const random = createRandom(5);
    for (let round = 0; round < 1500; round++) {
      const carrier: Record<string, string | string[]> = { ...headers };
      for (const name of Object.keys(headers)) {
        if (random.below(2) === 0) carrier[name] = spoil(headers[name]!, random);
        if (random.below(20) === 0) carrier[name] = [carrier[name] as string, headers[name]!];
        if (random.below(40) === 0) carrier[name] = [];
      }
      const context: Context = propagator.extract(ROOT_CONTEXT, carrier, getter);
      const found = trace.getSpanContext(context);
      if (found !== undefined) {
        assert.ok(isSpanContextValid(found), JSON.stringify(carrier));
        continued++;
      }
      const span = tracer.startSpan("work", {}, context);
      const sent: Record<string, string> = {};
      propagator.inject(trace.setSpan(context, span), sent, defaultTextMapSetter);
      for (const value of Object.values(sent)) assert.match(value, /^[\x20-\x7e]{0,9000}$/);
      span.end();
    }
  }
  assert.ok(continued > 500, `${continued}: some were still readable`);
  assert.doesNotThrow(() => encodeRequest(processor.spans));
});

// For what speaks to the global API.
const registered = new TracerProvider({ processor: keepSpans(), propagator: createPropagator(), env: {} });
before(() => void registered.register());
after(() => registered.shutdown());

const poisoned = {
  get boom(): never {
    throw new Error("a getter");
  },
};
const cycle: Record<string, unknown> = { name: "cycle" };
cycle.self = cycle;
cycle.list = [cycle, [cycle]];
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
const hostile = new Proxy(
  {},
  {
    get() {
      throw new Error("get");
    },
    ownKeys() {
      throw new Error("ownKeys");
    },
    getPrototypeOf() {
      throw new Error("getPrototypeOf");
    },
  },
);
class Unprintable {
  toString(): string {
    throw new Error("toString");
  }
  toJSON(): string {
    throw new Error("toJSON");
  }
}
class BadError extends Error {
  override get message(): string {
    throw new Error("message");
  }
}
let deep: unknown = "deep";
for (let level = 0; level < 10_000; level++) deep = [deep];

const values: readonly (() => unknown)[] = [
  () => cycle,
  () => poisoned,
  () => revoked,
  () => hostile,
  () => new Unprintable(),
  () => new BadError("x"),
  () => deep,
  () => "x".repeat(1_000_000),
  () => "\uD800lonely",
  () => 10n ** 40n,
  () => -5n,
  () => Symbol("symbol"),
  () => () => {},
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => -0,
  () => new Date(Number.NaN),
  () =>
    new Map<unknown, unknown>([
      [{}, cycle],
      [Symbol("k"), 1],
    ]),
  () => new Set([cycle, 1]),
  () => new WeakMap(),
  () => new Uint8Array(100_000),
  () => new Float64Array(3),
  () => new DataView(new ArrayBuffer(8)),
  () => Object.create(null),
  () => Array.from({ length: 100_000 }),
  () => Promise.reject(new Error("x")).catch(() => {}),
  () => globalThis,
  () => process,
  () => undefined,
  () => null,
];

test("no value throws, wherever it is put, and what is kept can be encoded", () => {
  const processor = keepSpans();
  const tracer = new TracerProvider({ processor, env: {} }).getTracer("test");
  const random = createRandom(6);
  const odd = (): never => random.pick(values)() as never;
  const attributes = (): never =>
    random.below(3) === 0 ? odd() : ({ a: odd(), b: odd(), [random.pick(strange)]: odd() } as never);
  for (let round = 0; round < 400; round++) {
    const span = tracer.startSpan(odd(), {
      attributes: attributes(),
      links: random.pick<unknown>([odd(), [odd()], [{ context: span0, attributes: odd() }]]) as never,
      startTime: odd(),
      kind: random.below(5),
    });
    span.setAttribute(odd(), odd()).setAttributes(attributes()).addEvent(odd(), attributes(), odd());
    span.addLink(odd()).addLinks(odd()).setStatus(odd()).setStatus({ code: 2, message: odd() }).updateName(odd());
    span.recordException(odd(), odd());
    span.end(odd());
  }
  assert.equal(processor.spans.length, 400);
  for (const span of processor.spans) assert.ok(encodeRequest([span]).length < 20_000_000);
  assert.ok(processor.spans.every((span: SpanData) => Number.isFinite(span.startUs) && span.endUs >= span.startUs));
});
const span0 = { traceId, spanId, traceFlags: 1 };

test("a carrier may hold anything under a header's name", () => {
  for (const [propagator, headers] of propagators) {
    const names = Object.keys(headers);
    for (const value of values) {
      const carrier = Object.fromEntries(names.map((name) => [name, value()])) as Record<string, string>;
      const listed = Object.fromEntries(names.map((name) => [name, [value()]])) as unknown as Record<string, string[]>;
      for (const given of [carrier, listed]) {
        assert.equal(trace.getSpanContext(propagator.extract(ROOT_CONTEXT, given, getter)), undefined);
      }
    }
  }
});

test("the toolkit throws at nothing, and what the app throws stays what it was", () => {
  for (const value of values) {
    const odd = value() as never;
    createEntrySpan(odd, () => odd).stop();
    createExitSpan(odd, odd, () => {}).stop();
    const span = createLocalSpan(odd).setTag(odd, odd).addLog(odd, odd, "a").addEvent(odd, odd);
    span.error(odd).setOperationName(odd).setComponent(odd).stop();
    runWithCorrelation(odd, odd, () => {
      setTag(odd, odd);
      addLog(odd, odd);
    });
    const seen: unknown[] = [];
    try {
      traced("work", () => {
        throw odd;
      })();
    } catch (thrown) {
      seen.push(thrown);
    }
    assert.ok(Object.is(seen[0], odd));
  }
});

test("the bridges throw at nothing", () => {
  const opentracing = new OpenTracingTracer();
  const opencensus = new OpenCensusTracer();
  for (const value of values) {
    const odd = value() as never;
    opentracing.startSpan(odd, odd).log(odd, odd).addTags(odd).setTag(odd, odd).setBaggageItem(odd, odd).finish(odd);
    const span = opentracing.startSpan("work", { childOf: odd, tags: odd, references: odd, startTime: odd });
    span.log({ event: odd, "error.object": odd, field: odd }).finish();
    opentracing.startSpan("work", { references: [odd], tags: { "span.kind": odd, error: odd } }).finish();
    for (const format of ["binary", "http_headers", odd]) {
      opentracing.inject(odd, format, odd);
      opentracing.inject(span, format, odd);
      opentracing.extract(format, odd);
      opentracing.extract(format, { buffer: odd, traceparent: odd, baggage: odd });
    }
    opencensus.startRootSpan({ name: odd, kind: odd, spanContext: odd }, (root) => root.end());
    const spanContext = { traceId: odd, spanId: odd, options: odd };
    opencensus.startRootSpan({ name: "work", spanContext }, (root) => {
      root.addAttribute(odd, odd);
      root.addAnnotation(odd, odd, odd);
      root.addMessageEvent(odd, odd, odd, odd, odd);
      root.addLink(odd, odd, odd, odd);
      root.setStatus(odd, odd);
      root.startChildSpan({ name: odd, kind: odd }).end();
      root.end();
    });
  }
});
