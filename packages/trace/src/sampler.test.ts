import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanKind } from "@opentelemetry/api";
import { createTraceId } from "./ids.ts";
import { alwaysOff, alwaysOn, parentBased, type Sampler, samplerFromEnv, traceIdRatio } from "./sampler.ts";

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
