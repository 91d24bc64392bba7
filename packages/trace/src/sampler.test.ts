import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanKind } from "@opentelemetry/api";
import { createTraceId } from "./ids.ts";
import {
  alwaysOff,
  alwaysOn,
  byRules,
  parentBased,
  perSecond,
  perThreeSeconds,
  type Sampler,
  traceIdRatio,
} from "./sampler.ts";
import { parseSampler, samplerFromEnv } from "./sampler-from-env.ts";

function decide(sampler: Sampler, traceId: string, traceFlags?: number): boolean {
  const parent = traceFlags === undefined ? undefined : { traceId, spanId: "b7ad6b7169203331", traceFlags };
  return sampler.shouldSample(parent, traceId, "name", SpanKind.INTERNAL, undefined);
}

/** A trace id whose last 56 bits are these. */
function idWith(random: string): string {
  return "0".repeat(17) + `1${random}`.padStart(15, "0");
}

test("the ratio compares the last 56 bits of the trace id with the threshold", () => {
  const half = traceIdRatio(0.5);
  assert.equal(decide(half, idWith("80000000000000")), true);
  assert.equal(decide(half, idWith("7fffffffffffff")), false);
  assert.equal(decide(half, idWith("ffffffffffffff")), true);
  assert.equal(decide(half, idWith("00000000000000")), false);
  const quarter = traceIdRatio(0.25);
  assert.equal(decide(quarter, idWith("c0000000000000")), true);
  assert.equal(decide(quarter, idWith("bfffffffffffff")), false);
  // The low half of the comparison.
  const fine = traceIdRatio(1 - 2 ** -40);
  assert.equal(decide(fine, idWith("00000000010000")), true);
  assert.equal(decide(fine, idWith("0000000000ffff")), false);
});

test("a ratio of 1 takes all, of 0 none", () => {
  for (const random of ["00000000000000", "ffffffffffffff", "0000000fffffff"]) {
    assert.equal(decide(traceIdRatio(1), idWith(random)), true);
    assert.equal(decide(traceIdRatio(0), idWith(random)), false);
  }
});

test("a higher ratio takes whatever a lower one does, and about its share", () => {
  const lower = traceIdRatio(0.1);
  const higher = traceIdRatio(0.3);
  let taken = 0;
  for (let count = 0; count < 5000; count++) {
    const traceId = createTraceId();
    if (decide(lower, traceId)) assert.equal(decide(higher, traceId), true);
    if (decide(higher, traceId)) taken++;
  }
  // 1500 expected; a deviation of ten sigmas (32 each) is a defect.
  assert.ok(taken > 1176 && taken < 1824, `${taken}`);
});

test("a ratio that is none is refused", () => {
  for (const ratio of [-0.1, 1.1, Number.NaN, "0.5" as never]) {
    assert.throws(() => traceIdRatio(ratio), { code: "CLEW_TRACE_RATIO", message: /from 0 to 1/ });
  }
});

test("a parent decides for its children, the root sampler for the rest", () => {
  const sampler = parentBased(alwaysOff);
  const traceId = createTraceId();
  assert.equal(decide(sampler, traceId, 1), true);
  assert.equal(decide(sampler, traceId, 3), true);
  assert.equal(decide(sampler, traceId, 0), false);
  assert.equal(decide(sampler, traceId, 2), false);
  assert.equal(decide(sampler, traceId), false);
  assert.equal(decide(parentBased(), traceId), true);
});

test("the environment names a sampler; what it misspells is the default", () => {
  const named = (sampler?: string, argument?: string): string =>
    String(samplerFromEnv({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument }));
  assert.equal(named(), "parentBased(alwaysOn)");
  assert.equal(named("always_on"), String(alwaysOn));
  assert.equal(named("always_off"), "alwaysOff");
  assert.equal(named("traceidratio", "0.25"), "traceIdRatio(0.25)");
  assert.equal(named("parentbased_traceidratio", "0.5"), "parentBased(traceIdRatio(0.5))");
  assert.equal(named("parentbased_always_off"), "parentBased(alwaysOff)");
  assert.equal(named("traceidratio", "many"), "traceIdRatio(1)");
  assert.equal(named("sometimes"), "parentBased(alwaysOn)");
});

function asked(
  sampler: Sampler,
  name: string,
  kind = SpanKind.INTERNAL,
  attributes?: Record<string, unknown>,
): boolean {
  return sampler.shouldSample(undefined, createTraceId(), name, kind, attributes);
}

test("a rate is a bucket of tokens that fills with time", () => {
  let now = 0;
  const sampler = perSecond(2, () => now);
  const take = (count: number): boolean[] => Array.from({ length: count }, () => asked(sampler, "work"));
  assert.deepEqual(take(3), [true, true, false]);
  now = 499;
  assert.deepEqual(take(1), [false]);
  now = 500;
  assert.deepEqual(take(2), [true, false]);
  now = 100_000;
  assert.deepEqual(take(3), [true, true, false], "a quiet minute saves up one second's worth");
  const slow = perSecond(0.1, () => now);
  assert.equal(asked(slow, "work"), true);
  now += 9999;
  assert.equal(asked(slow, "work"), false);
  now += 1;
  assert.equal(asked(slow, "work"), true);
  for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => perSecond(rate), { code: "CLEW_TRACE_RATE" });
});

test("n per three seconds are the first n of each, as SkyWalking counts", () => {
  let now = 10;
  const sampler = perThreeSeconds(2, () => now);
  const take = (): number => [1, 2, 3, 4].filter(() => asked(sampler, "work")).length;
  assert.equal(take(), 2);
  now = 3009;
  assert.equal(take(), 0);
  now = 3010;
  assert.equal(take(), 2);
  assert.equal(asked(perThreeSeconds(-1), "work"), true, "the default of SkyWalking samples all");
});

test("the first rule that holds decides", () => {
  const sampler = byRules(
    [
      { name: "GET /health*", sampler: alwaysOff },
      { kind: SpanKind.SERVER, attributes: { tenant: "acme", "http.port": 80 }, sampler: alwaysOn },
      { name: /^internal\./g, sampler: alwaysOff },
      { name: "exact", attributes: { path: /^\/a/ }, sampler: alwaysOn },
    ],
    alwaysOff,
  );
  assert.equal(asked(sampler, "GET /healthz"), false);
  assert.equal(asked(sampler, "GET /pay", SpanKind.SERVER, { tenant: "acme", "http.port": 80 }), true);
  assert.equal(asked(sampler, "GET /pay", SpanKind.CLIENT, { tenant: "acme", "http.port": 80 }), false);
  assert.equal(asked(sampler, "GET /pay", SpanKind.SERVER, { tenant: "acme" }), false);
  for (let count = 0; count < 3; count++) assert.equal(asked(sampler, "internal.tick"), false);
  assert.equal(asked(sampler, "exact", SpanKind.INTERNAL, { path: "/a/b" }), true);
  assert.equal(asked(sampler, "exact", SpanKind.INTERNAL, { path: null }), false);
  assert.equal(asked(byRules([{ name: "a", sampler: alwaysOff }]), "b"), true, "all others are sampled");
});

test("a sampler is made of others that need the trace id, or does without", () => {
  const ratio = traceIdRatio(0.5);
  for (const without of [
    alwaysOn,
    alwaysOff,
    perSecond(1),
    perThreeSeconds(1),
    parentBased(),
    parentBased(alwaysOff),
  ]) {
    assert.equal(without.ignoresTraceId, true, String(without));
    assert.equal(byRules([{ sampler: without }]).ignoresTraceId, true, String(without));
    assert.notEqual(byRules([{ sampler: without }], ratio).ignoresTraceId, true, String(without));
  }
  for (const needing of [ratio, parentBased(ratio), byRules([{ sampler: ratio }])]) {
    assert.notEqual(needing.ignoresTraceId, true, String(needing));
  }
});

test("rules can be text", () => {
  const sampler = parseSampler("GET /health*=off; kind:server,@tenant:acme=on; /shop.Orders/*=1/s; poll=1/3s; off");
  assert.equal(asked(sampler, "GET /healthz"), false);
  assert.equal(asked(sampler, "x", SpanKind.SERVER, { tenant: "acme" }), true);
  assert.equal(asked(sampler, "x", SpanKind.SERVER), false);
  assert.deepEqual([asked(sampler, "/shop.Orders/Find"), asked(sampler, "/shop.Orders/Find")], [true, false]);
  assert.deepEqual([asked(sampler, "poll"), asked(sampler, "poll")], [true, false]);
  assert.equal(String(parseSampler("0.25")), "traceIdRatio(0.25)");
  assert.equal(parseSampler(""), alwaysOn);
  for (const text of ["a=2", "a=", "kind:other=on", "@key=on", "a,b=on", "=on", "0.5; a=on", "0/s"])
    assert.throws(() => parseSampler(text), { code: "CLEW_TRACE_RULES" }, text);
});

test("a variable that is wrong is told once, by name and with what would work", async () => {
  // Those of the test before.
  await new Promise((resolve) => setImmediate(resolve));
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", listen);
  for (let count = 0; count < 2; count++) {
    samplerFromEnv({ OTEL_TRACES_SAMPLER: "jaeger_remote" });
    samplerFromEnv({ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "-3" });
    samplerFromEnv({ OTEL_TRACES_SAMPLER: "parentbased_rules", OTEL_TRACES_SAMPLER_ARG: "a=b" });
  }
  assert.equal(
    String(samplerFromEnv({ OTEL_TRACES_SAMPLER: "parentbased_ratelimited", OTEL_TRACES_SAMPLER_ARG: "5" })),
    "parentBased(perSecond(5))",
  );
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  assert.equal(warnings.length, 3);
  assert.match(
    warnings[0]!,
    /^OTEL_TRACES_SAMPLER is "jaeger_remote"; accepted: always_on, .*parentbased_always_on holds/,
  );
  assert.match(warnings[1]!, /^OTEL_TRACES_SAMPLER_ARG is "-3"; accepted: a number from 0 to 1/);
  assert.match(warnings[2]!, /^OTEL_TRACES_SAMPLER_ARG is "a=b"/);
});
