import assert from "node:assert/strict";
import { test } from "node:test";
import { composeProcessors } from "./compose-processors.ts";
import type { SpanData } from "./span-data.ts";
import type { SpanProcessor } from "./span-processor.ts";
import { TracerProvider } from "./tracer-provider.ts";

function keepCalls(name: string, calls: string[]): SpanProcessor {
  return {
    onStart: () => void calls.push(`${name} start`),
    onEnd: () => void calls.push(`${name} end`),
    forceFlush: async () => void calls.push(`${name} flush`),
    shutdown: async () => void calls.push(`${name} shutdown`),
  };
}

test("each processor is handed every span, in order, and one that fails to flush does not stop the others", async () => {
  const calls: string[] = [];
  const broken: SpanProcessor = {
    ...keepCalls("broken", calls),
    forceFlush: () => {
      throw new Error("no");
    },
  };
  const processor = composeProcessors(keepCalls("a", calls), broken, keepCalls("b", calls));
  const provider = new TracerProvider({ processor });
  provider.getTracer("test").startSpan("work").end();
  await provider.forceFlush();
  await provider.shutdown();
  assert.deepEqual(calls, [
    ...["a start", "broken start", "b start", "a end", "broken end", "b end"],
    ...["a flush", "b flush", "a shutdown", "broken shutdown", "b shutdown"],
  ]);
});

test("a span is left as it is written only where all of them write it", () => {
  const attributes = Object.freeze({ route: "/" });
  for (const [writes, expected] of [
    [
      [true, true],
      [[], []],
    ],
    [
      [true, false],
      [
        ["route", "/"],
        ["route", "/"],
      ],
    ],
  ] as const) {
    const seen: SpanData["attributes"][] = [];
    const parts = writes.map((onlyEncodes) => ({
      ...keepCalls("", []),
      onlyEncodes,
      onEnd: (span: SpanData) => void seen.push(span.attributes),
    }));
    const provider = new TracerProvider({ processor: composeProcessors(...parts), env: {} });
    provider.getTracer("test").startSpan("work", { attributes }).end();
    assert.deepEqual(seen, expected);
  }
});
