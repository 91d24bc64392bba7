import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  type TextMapPropagator,
  trace,
} from "@opentelemetry/api";
import { suppressTracing } from "../suppress-tracing.ts";
import {
  createPropagator,
  formatBaggage,
  parseBaggage,
  parseTraceparent,
  TraceContextPropagator,
} from "./propagator.ts";
import { TraceState } from "./trace-state.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const traceparent = `00-${traceId}-${spanId}-01`;
const propagator: TextMapPropagator = createPropagator();

function inject(context: Context): Record<string, string> {
  const carrier: Record<string, string> = {};
  propagator.inject(context, carrier, defaultTextMapSetter);
  return carrier;
}

function extract(carrier: Record<string, string | string[]>): SpanContext | undefined {
  return trace.getSpanContext(propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter));
}

test("what goes out comes in, as remote", () => {
  const traceState = TraceState.parse("a=1")!;
  const carrier = inject(trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1, traceState }));
  assert.deepEqual(carrier, { traceparent, tracestate: "a=1" });
  const spanContext = extract(carrier);
  assert.deepEqual(
    { ...spanContext, traceState: spanContext?.traceState?.serialize() },
    {
      traceId,
      spanId,
      traceFlags: 1,
      isRemote: true,
      traceState: "a=1",
    },
  );
});

test("of the flags only sampled goes out: strict readers take others for malformed", () => {
  for (const [traceFlags, expected] of [
    [3, "01"],
    [2, "00"],
    [0, "00"],
  ] as const) {
    const carrier = inject(trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags }));
    assert.equal(carrier.traceparent, `00-${traceId}-${spanId}-${expected}`);
  }
});

test("on request the random flag of level 2 goes out as it came", () => {
  const propagator = new TraceContextPropagator({ sendsRandomFlag: true });
  for (const flags of ["00", "01", "02", "03"]) {
    const traceparent = `00-${traceId}-${spanId}-${flags}`;
    const carrier: Record<string, string> = {};
    propagator.inject(
      propagator.extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter),
      carrier,
      defaultTextMapSetter,
    );
    assert.deepEqual(carrier, { traceparent });
  }
});

test("nothing goes out for an invalid context, none, or where tracing is suppressed", () => {
  assert.deepEqual(inject(ROOT_CONTEXT), {});
  assert.deepEqual(inject(trace.setSpanContext(ROOT_CONTEXT, { traceId: "0".repeat(32), spanId, traceFlags: 1 })), {});
  const context = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1 });
  assert.deepEqual(inject(suppressTracing(context)), {});
});

test("a malformed traceparent is none", () => {
  const bad = [
    "",
    "00",
    traceparent.slice(0, -1),
    `${traceparent}0`,
    `${traceparent}-00`,
    traceparent.toUpperCase(),
    traceparent.replace("00-", "ff-"),
    traceparent.replace("00-", "0g-"),
    traceparent.replace("-", "_"),
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.slice(1)}g-${spanId}-01`,
    `00-${traceId}-${spanId.slice(1)}.-01`,
    `00-${traceId}-${spanId}-0x`,
    ` ${traceparent}`,
    `${traceparent},${traceparent}`,
  ];
  for (const header of bad) assert.equal(parseTraceparent(header), undefined, header);
  assert.equal(extract({ traceparent: [traceparent, traceparent], tracestate: "a=1" }), undefined);
  assert.equal(extract({ tracestate: "a=1" }), undefined);
  assert.equal(extract({ traceparent: [traceparent] })?.traceId, traceId);
});

test("a later version is read as far as we know it", () => {
  assert.deepEqual(parseTraceparent(traceparent.replace("00-", "cc-")), {
    traceId,
    spanId,
    traceFlags: 1,
    isRemote: true,
  });
  assert.equal(parseTraceparent(`01-${traceId}-${spanId}-01-what-the-future-holds`)?.traceFlags, 1);
  assert.equal(parseTraceparent(`01-${traceId}-${spanId}-01.what`), undefined);
});

test("unknown flags are forgotten, sampled and random are kept", () => {
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-ff`)?.traceFlags, 3);
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-fc`)?.traceFlags, 0);
});

test("a bad tracestate is discarded, the trace is not; several headers are one", () => {
  assert.equal(extract({ traceparent, tracestate: "A=1" })?.traceId, traceId);
  assert.equal(extract({ traceparent, tracestate: "A=1" })?.traceState, undefined);
  assert.equal(extract({ traceparent, tracestate: ["a=1", "b=2"] })?.traceState?.serialize(), "a=1,b=2");
});

test("baggage goes out and comes in, with what HTTP cannot carry percent-encoded", () => {
  const baggage = propagation.createBaggage({
    user: { value: 'änn, "the" boss; 100%\\' },
    plain: { value: "a=b&c" },
    empty: { value: "" },
  });
  const header = formatBaggage(baggage);
  assert.equal(header, "user=%C3%A4nn%2C%20%22the%22%20boss%3B%20100%25%5C,plain=a=b&c,empty=");
  const back = parseBaggage(header)!;
  for (const [key, entry] of baggage.getAllEntries()) assert.equal(back.getEntry(key)?.value, entry.value, key);
  const context = propagator.extract(ROOT_CONTEXT, { baggage: ["a=1", "b=2"] }, defaultTextMapGetter);
  assert.equal(inject(context).baggage, "a=1,b=2");
});

test("properties of a baggage entry travel on", () => {
  const baggage = parseBaggage("a = 1 ; ttl=5;flag , b=2")!;
  assert.equal(baggage.getEntry("a")?.value, "1");
  assert.equal(baggage.getEntry("a")?.metadata?.toString(), "ttl=5;flag");
  assert.equal(formatBaggage(baggage), "a=1;ttl=5;flag,b=2");
});

test("bad baggage entries are passed over, the others count", () => {
  const baggage = parseBaggage("good=1,,no,=2,sp ace=3,kéy=4,last=5")!;
  assert.deepEqual(
    baggage.getAllEntries().map(([key]) => key),
    ["good", "last"],
  );
  for (const header of ["", ",", "no", "=1"]) assert.equal(parseBaggage(header), undefined);
  assert.deepEqual(parseBaggage("__proto__=1")?.getAllEntries(), [["__proto__", { value: "1" }]]);
});

test("percent signs that begin nothing stay, bytes that are no UTF-8 become U+FFFD", () => {
  const value = (text: string): string | undefined => parseBaggage(`a=${text}`)?.getEntry("a")?.value;
  assert.equal(value("100%"), "100%");
  assert.equal(value("%zz%41"), "%zzA");
  assert.equal(value("%FFok"), "\ufffdok");
  assert.equal(value("%F0%9F%98%80"), "😀");
});

test("half a surrogate pair and keys that are no tokens do no harm", () => {
  assert.equal(formatBaggage(propagation.createBaggage({ a: { value: "\ud800" } })), "a=%EF%BF%BD");
  assert.equal(formatBaggage(propagation.createBaggage({ "no token": { value: "1" }, ok: { value: "2" } })), "ok=2");
});

test("64 entries and 8192 bytes of baggage travel, not more", () => {
  const entries = (count: number, size: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, { value: "v".repeat(size) }]));
  const many = formatBaggage(propagation.createBaggage(entries(65, 1)));
  assert.equal(many.split(",").length, 64);
  assert.equal(parseBaggage(`${many},more=1`)?.getAllEntries().length, 64);
  const large = formatBaggage(propagation.createBaggage(entries(10, 1000)));
  assert.equal(large.split(",").length, 8);
  assert.ok(large.length <= 8192);
  const exact = `a=${"v".repeat(8190)}`;
  assert.equal(formatBaggage(parseBaggage(exact)!), exact);
  assert.equal(parseBaggage(`${exact}v`), undefined);
});

test("the fields are those of both", () => {
  assert.deepEqual(propagator.fields(), ["traceparent", "tracestate", "baggage"]);
});
