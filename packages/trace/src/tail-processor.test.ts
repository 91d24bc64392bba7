import assert from "node:assert/strict";
import { test } from "node:test";
import { ROOT_CONTEXT, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import { keepSpans } from "../test/keep-spans.ts";
import { findAttribute } from "./attributes.ts";
import { composeProcessors } from "./compose-processors.ts";
import { alwaysOff, alwaysOn, type Sampler } from "./sampler.ts";
import { type TailOptions, TailProcessor } from "./tail-processor.ts";
import { TracerProvider } from "./tracer-provider.ts";

const ERROR = SpanStatusCode.ERROR;
const startMs = 1_800_000_000_000;

function setUp(options: TailOptions = {}, sampler: Sampler = alwaysOff) {
  const kept = keepSpans();
  const tail = new TailProcessor(kept, options);
  const provider = new TracerProvider({ sampler, processor: tail, env: {} });
  const tracer = provider.getTracer("test");
  const root = (name = "root"): Span => tracer.startSpan(name, { startTime: startMs });
  const child = (parent: Span, name = "child"): Span =>
    tracer.startSpan(name, { startTime: startMs }, trace.setSpan(ROOT_CONTEXT, parent));
  const end = (span: Span, ms = 1): void => span.end(startMs + ms);
  const names = (): string[] => kept.spans.map((span) => span.name);
  return { kept, tail, provider, root, child, end, names };
}

/** Every unsampled span that ended is somewhere. */
function isExact(tail: TailProcessor): void {
  const { ended, kept, forgotten, dropped, held } = tail.stats();
  assert.equal(ended, kept + forgotten + dropped + held);
}

test("what is neither wrong nor slow is recorded, and forgotten when its local root ends", () => {
  const { root, child, end, kept, tail } = setUp();
  const parent = root();
  assert.equal(parent.isRecording(), true);
  assert.equal(parent.spanContext().traceFlags & 1, 0, "on the wire it is not sampled");
  end(child(parent));
  assert.equal(tail.stats().held, 1);
  end(parent);
  assert.deepEqual(kept.spans, []);
  assert.deepEqual([tail.stats().forgotten, tail.stats().held, tail.stats().heldBytes], [2, 0, 0]);
  isExact(tail);
});

test("an error anywhere keeps all of it, as sampled, and the root says why", () => {
  const { root, child, end, kept, names, tail } = setUp();
  const parent = root();
  const failing = child(parent, "failing").setStatus({ code: ERROR });
  end(child(failing, "below"));
  end(failing);
  assert.deepEqual(names(), []);
  end(parent);
  assert.deepEqual(names(), ["below", "failing", "root"]);
  for (const span of kept.spans) assert.equal(span.traceFlags & 1, 1);
  assert.equal(findAttribute(kept.spans[2]!.attributes, "clew.kept"), "error");
  assert.equal(findAttribute(kept.spans[0]!.attributes, "clew.kept"), undefined);
  assert.equal(kept.started, 3, "the next one counts them as started");
  assert.deepEqual(tail.stats().keptTraces, { error: 1, slow: 0, rare: 0 });
  isExact(tail);
});

test("slow is over the limit of the operation, or of all", () => {
  const { root, end, names } = setUp({ slowMs: 100, slowMsByName: { poll: Number.POSITIVE_INFINITY, fast: 5 } });
  end(root("a"), 99);
  end(root("b"), 100);
  end(root("poll"), 60_000);
  end(root("fast"), 5);
  end(root("toString"), 5);
  assert.deepEqual(names(), ["b", "fast"]);
});

test("rare operations are kept, so many a minute", () => {
  let now = 0;
  const { root, end, names } = setUp({ rarePerMinute: 1, now: () => now });
  for (const name of ["a", "a", "b", "a"]) end(root(name));
  assert.deepEqual(names(), ["a", "b"]);
  now = 60_000;
  end(root("a"));
  assert.deepEqual(names(), ["a", "b", "a"]);
});

test("late spans follow the decision, and late spans of a kept root say that they are", () => {
  const { root, child, end, kept, tail, provider } = setUp();
  const forgotten = root();
  const late = child(forgotten, "late of forgotten");
  end(forgotten);
  end(late);
  const wanted = root("wanted").setStatus({ code: ERROR });
  end(wanted);
  end(child(wanted, "late of kept"));
  assert.deepEqual(
    kept.spans.map((span) => [span.name, span.parentSpanId, findAttribute(span.attributes, "clew.late")]),
    [
      ["wanted", "", undefined],
      ["late of kept", wanted.spanContext().spanId, true],
    ],
  );
  assert.equal(provider.stats().lateSpans, 1);
  isExact(tail);
});

test("sampled spans pass at once, and only once", () => {
  const { root, child, end, names, tail } = setUp({}, alwaysOn);
  const parent = root().setStatus({ code: ERROR });
  end(child(parent));
  assert.deepEqual(names(), ["child"]);
  end(parent);
  assert.deepEqual(names(), ["child", "root"]);
  assert.equal(tail.stats().ended, 0);
});

test("traces, spans and bytes have limits; an error that found no space still keeps its root", () => {
  const few = setUp({ maxSpans: 2 });
  const parent = few.root();
  for (let count = 0; count < 3; count++) few.end(few.child(parent));
  few.end(few.child(parent).setStatus({ code: ERROR }));
  few.end(parent);
  assert.deepEqual(few.names(), ["child", "child", "root"]);
  assert.equal(few.tail.stats().dropped, 2);
  isExact(few.tail);

  const small = setUp({ maxBytes: 1000 });
  const big = small.root();
  small.end(small.child(big).setAttribute("a", "x".repeat(5000)));
  assert.deepEqual([small.tail.stats().held, small.tail.stats().dropped], [0, 1]);

  const one = setUp({ maxTraces: 1 });
  const [first, second] = [one.root("first"), one.root("second")];
  one.end(one.child(first));
  one.end(one.child(second).setStatus({ code: ERROR }));
  assert.deepEqual([one.tail.stats().held, one.tail.stats().dropped], [1, 1]);
  one.end(second);
  assert.deepEqual(one.names(), ["second"]);
  isExact(one.tail);
});

test("a local root that never ends is given up when others need the space", () => {
  let now = 0;
  const { root, child, end, tail, names } = setUp({ maxTraces: 2, maxHoldMs: 1000, now: () => now });
  const leaks = [root("leak"), root("leak")];
  for (const leak of leaks) end(child(leak));
  now = 1000;
  const next = root("next");
  end(child(next).setStatus({ code: ERROR }));
  assert.deepEqual([tail.stats().held, tail.stats().dropped], [1, 2]);
  end(child(leaks[0]!));
  assert.equal(tail.stats().dropped, 3);
  end(next);
  end(leaks[0]!, 2000);
  assert.deepEqual(names(), ["child", "next", "leak"]);
  isExact(tail);
});

test("a shutdown counts what is held as dropped", async () => {
  const { root, child, end, tail } = setUp();
  end(child(root()));
  await tail.shutdown();
  assert.deepEqual([tail.stats().dropped, tail.stats().held], [1, 0]);
});

test("beside it, other processors get what was sampled only", () => {
  const plain = keepSpans();
  const kept = keepSpans();
  const processor = composeProcessors(plain, new TailProcessor(kept));
  const tracer = new TracerProvider({ sampler: alwaysOff, processor, env: {} }).getTracer("test");
  tracer.startSpan("failing").setStatus({ code: ERROR }).end();
  assert.deepEqual([plain.started, plain.spans.length, kept.spans.length], [0, 0, 1]);
});
