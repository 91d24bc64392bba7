import assert from "node:assert/strict";
import { test } from "node:test";
import { ROOT_CONTEXT, type SpanContext, trace } from "@opentelemetry/api";
import { createTraceId } from "./ids.ts";
import { TraceState } from "./otel/trace-state.ts";
import { stateWithThreshold, toThreshold } from "./probability.ts";
import { alwaysOff, alwaysOn, byRules, parentBased, perSecond, type Sampler, traceIdRatio } from "./sampler.ts";
import { TracerProvider } from "./tracer-provider.ts";

const spanId = "b7ad6b7169203331";

function stateAfter(sampler: Sampler, state?: string, traceFlags = 1): string | undefined {
  const context: SpanContext = { traceId: createTraceId(), spanId, traceFlags, isRemote: true };
  if (state !== undefined && state !== "") context.traceState = TraceState.parse(state)!;
  const tracer = new TracerProvider({ sampler, env: {} }).getTracer("test");
  const around = state === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, context);
  return tracer.startSpan("work", {}, around).spanContext().traceState?.serialize();
}

test("thresholds are those of the specification", () => {
  const texts = [1, 0.5, 0.25, 0.75, 1 / 16, 2 ** -56].map((ratio) => toThreshold(ratio).text);
  assert.deepEqual(texts.slice(0, 5), ["0", "8", "c", "4", "f"]);
  assert.equal(toThreshold(0.1).text.slice(0, 12), "e66666666666");
});

test("a sampled root tells its threshold; below, what the root told goes on", () => {
  assert.equal(stateAfter(traceIdRatio(1)), "ot=th:0");
  assert.equal(stateAfter(parentBased(traceIdRatio(1))), "ot=th:0");
  assert.equal(stateAfter(parentBased(traceIdRatio(1)), "ot=th:8,a=b"), "ot=th:8,a=b");
  assert.equal(stateAfter(alwaysOn), undefined, "whoever does not sample has nothing to tell");
  assert.equal(stateAfter(byRules([{ name: "work", sampler: traceIdRatio(1) }])), "ot=th:0");
  assert.equal(stateAfter(byRules([{ name: "other", sampler: traceIdRatio(1) }])), undefined);
});

test("a decision of another kind takes the threshold away, and leaves the rest", () => {
  assert.equal(stateAfter(perSecond(10), "ot=th:8;rv:0123456789abcd,a=b"), "ot=rv:0123456789abcd,a=b");
  assert.equal(stateAfter(perSecond(10), "ot=th:8"), undefined);
  assert.equal(stateAfter(traceIdRatio(1), "a=b,ot=x:1;th:8"), "ot=th:0;x:1,a=b");
  assert.equal(stateWithThreshold(undefined, ""), undefined);
});

test("explicit randomness goes before that of the trace id", () => {
  const decide = (rv: string): boolean => {
    const parent: SpanContext = { traceId: createTraceId(), spanId, traceFlags: 1 };
    parent.traceState = TraceState.parse(`ot=th:0;rv:${rv}`)!;
    return traceIdRatio(0.5).shouldSample(parent, "0".repeat(32), "", 0, undefined);
  };
  assert.deepEqual([decide("80000000000000"), decide("7fffffffffffff")], [true, false]);
  assert.equal(decide("malformed"), false, "then the id decides");
});

test("what is not sampled is left as it was", () => {
  assert.equal(stateAfter(alwaysOff, "ot=th:8"), "ot=th:8");
});
