// OpenTelemetry's own SDK as the judge: the same random calls of the API, under fixed seeds, on its tracer and on ours.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ContextManager, type SpanData, TracerProvider } from "@clew/trace";
import { TraceState } from "@clew/trace/otel";
import {
  type Context,
  context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanOptions,
  type TimeInput,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  TracerProvider as OtelProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace";
import { keepSpans } from "./keep-spans.ts";
import { createRandom, type Random } from "./random.ts";

context.setGlobalContextManager(new ContextManager());
after(() => context.disable());

const startMs = 1_800_000_000_000;
const remote: SpanContext = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: 1,
  isRemote: true,
  traceState: TraceState.parse("a=1,b=2")!,
};
const invalid: SpanContext = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 1 };

/** What both SDKs have to agree on. */
interface Outcome {
  name: string;
  kind: number;
  parent: string;
  traceOf: string;
  traceState: string;
  status: [number, string];
  startMs: number;
  endMs: number;
  attributes: unknown;
  events: unknown[];
  links: unknown[];
}

const values: readonly unknown[] = [
  "text",
  "",
  0,
  -1.5,
  true,
  false,
  ["a", "b"],
  [1, 2],
  [],
  { nested: { list: [1, "two", null] } },
  new Uint8Array([1, 2, 3]),
  undefined,
];
const simpleValues = values.slice(0, 9);
const thrown = new TypeError("broken");
const keys = ["a", "b", "http.route", "ключ", ""];

function attributesOf(random: Random, from = values): Record<string, unknown> {
  return Object.fromEntries(Array.from({ length: random.below(4) }, () => [random.pick(keys), random.pick(from)]));
}

function timeOf(random: Random): TimeInput {
  const ms = startMs + random.below(1000);
  return random.pick<TimeInput>([ms, new Date(ms), [Math.floor(ms / 1000), (ms % 1000) * 1e6]]);
}

function linksOf(random: Random, spans: readonly Span[]): Link[] {
  return Array.from({ length: random.below(3) }, () => {
    const target = spans.length > 0 && random.below(2) === 0 ? random.pick(spans).spanContext() : remote;
    return random.below(2) === 0 ? { context: target } : { context: target, attributes: attributesOf(random) };
  });
}

/** Random work with a tracer; the same seed makes the same calls. */
function work(tracer: Tracer, random: Random): Span[] {
  const spans: Span[] = [];
  const parentOf = (): Context | undefined => {
    switch (random.below(5)) {
      case 0:
        return ROOT_CONTEXT;
      case 1:
        return trace.setSpanContext(ROOT_CONTEXT, remote);
      case 2:
        return trace.setSpanContext(ROOT_CONTEXT, invalid);
      case 3:
        return spans.length === 0 ? undefined : trace.setSpan(ROOT_CONTEXT, random.pick(spans));
      default:
        return undefined;
    }
  };
  const optionsOf = (): SpanOptions => {
    const options: SpanOptions = { startTime: timeOf(random) };
    if (random.below(2) === 0) options.kind = random.below(5);
    if (random.below(2) === 0) options.attributes = attributesOf(random) as SpanOptions["attributes"] & {};
    if (random.below(3) === 0) options.links = linksOf(random, spans);
    if (random.below(6) === 0) options.root = true;
    return options;
  };
  const step = (depth: number): void => {
    const name = `span ${spans.length}`;
    const options = optionsOf();
    const parent = parentOf();
    if (depth < 4 && random.below(2) === 0) {
      const inside = (span: Span): void => {
        spans.push(span);
        for (let count = random.below(3); count > 0; count--) step(depth + 1);
      };
      if (parent === undefined) tracer.startActiveSpan(name, options, inside);
      else tracer.startActiveSpan(name, options, parent, inside);
    } else {
      spans.push(tracer.startSpan(name, options, parent));
    }
    const span = random.pick(spans);
    for (let count = random.below(5); count > 0; count--) {
      switch (random.below(10)) {
        case 0:
          span.setAttribute(random.pick(keys), random.pick(values) as string);
          break;
        case 1:
          span.setAttributes(attributesOf(random) as Record<string, string>);
          break;
        case 2:
          span.addEvent("event", timeOf(random));
          break;
        case 3:
          span.addEvent("event", attributesOf(random, simpleValues) as Record<string, string>, timeOf(random));
          break;
        case 4:
          span.addLinks(linksOf(random, spans));
          break;
        case 5:
          span.setStatus({ code: random.below(3), message: random.pick(["", "why"]) });
          break;
        case 6:
          span.updateName(random.pick(["renamed", "again"]));
          break;
        case 7:
          span.recordException(random.pick<string | Error>(["words", thrown]), timeOf(random));
          break;
        case 8:
          span.recordException(random.pick([{ code: 7, message: "m" }, { name: "N" }]), timeOf(random));
          break;
        default:
          span.end(timeOf(random));
      }
    }
  };
  for (let count = 3 + random.below(4); count > 0; count--) step(0);
  for (const span of spans) span.end(startMs + 2000);
  return spans;
}

/** Ids are random: a span is called by the number of its start. */
function namerOf(spans: readonly Span[]): (spanId: string) => string {
  const ids = spans.map((span) => span.spanContext().spanId);
  return (spanId) => (ids.includes(spanId) ? `#${ids.indexOf(spanId)}` : spanId);
}

function traceNamerOf(spans: readonly Span[]): (traceId: string) => string {
  const ids = [...new Set(spans.map((span) => span.spanContext().traceId))];
  return (traceId) => (ids.includes(traceId) ? `#${ids.indexOf(traceId)}` : traceId);
}

function plain(attributes: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let index = 0; index < attributes.length; index += 2) {
    // Said by our provider only.
    if (attributes[index] !== "clew.late") object[attributes[index] as string] = attributes[index + 1];
  }
  return structuredClone(object);
}

function ours(spans: readonly Span[], data: readonly SpanData[]): Record<string, Outcome> {
  const [nameOf, traceOf] = [namerOf(spans), traceNamerOf(spans)];
  const outcome = (span: SpanData): Outcome => ({
    name: span.name,
    kind: span.kind,
    parent: nameOf(span.parentSpanId),
    traceOf: traceOf(span.traceId),
    traceState: span.traceState,
    status: [span.statusCode, span.statusMessage],
    startMs: Math.round(span.startUs / 1000),
    endMs: Math.round(span.endUs / 1000),
    attributes: plain(span.attributes),
    events: span.events.map((event) => [event.name, Math.round(event.timeUs / 1000), plain(event.attributes)]),
    links: span.links.map((link) => [nameOf(link.spanId), link.traceState, plain(link.attributes)]),
  });
  return Object.fromEntries(data.map((span) => [nameOf(span.spanId), outcome(span)]));
}

function theirs(spans: readonly Span[], data: readonly ReadableSpan[]): Record<string, Outcome> {
  const [nameOf, traceOf] = [namerOf(spans), traceNamerOf(spans)];
  const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + Math.round(nanos / 1e6);
  const outcome = (span: ReadableSpan): Outcome => ({
    name: span.name,
    kind: span.kind,
    parent: nameOf(span.parentSpanContext?.spanId ?? ""),
    traceOf: traceOf(span.spanContext().traceId),
    traceState: span.spanContext().traceState?.serialize() ?? "",
    status: [span.status.code, span.status.message ?? ""],
    startMs: ms(span.startTime),
    endMs: ms(span.endTime),
    attributes: structuredClone({ ...span.attributes }),
    events: span.events.map((event) => [event.name, ms(event.time), structuredClone({ ...event.attributes })]),
    links: span.links.map((link) => [
      nameOf(link.context.spanId),
      link.context.traceState?.serialize() ?? "",
      structuredClone({ ...link.attributes }),
    ]),
  });
  return Object.fromEntries(data.map((span) => [nameOf(span.spanContext().spanId), outcome(span)]));
}

test("random calls of the API have the outcome that OpenTelemetry's SDK gives them", () => {
  let compared = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const processor = keepSpans();
    const provider = new TracerProvider({ processor, env: {} });
    const ourSpans = work(provider.getTracer("judged"), createRandom(seed));
    const exporter = new InMemorySpanExporter();
    const judge = new OtelProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
    const theirSpans = work(judge.getTracer("judge"), createRandom(seed));
    assert.equal(ourSpans.length, theirSpans.length);
    const expected = theirs(theirSpans, exporter.getFinishedSpans());
    assert.deepEqual(ours(ourSpans, processor.spans), expected, `seed ${seed}`);
    compared += Object.keys(expected).length;
  }
  assert.ok(compared > 1000, `${compared}`);
});
