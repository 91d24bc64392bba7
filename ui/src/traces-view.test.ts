import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Summary, SummaryPage } from "./api.ts";
import { TracesView } from "./traces-view.ts";

const summaryAt = (startMs: number): Summary => ({
  ...{ traceId: String(startMs), rootService: "user", rootOperation: "op", path: null, startMs, durationMs: 1 },
  ...{ spanCount: 1, errorCount: 0, services: [], complete: true },
});

/** A collector that keeps these traces, by start, and what it is asked for. */
class Kept {
  readonly starts: Set<number>;
  readonly asked: string[] = [];
  isDown = false;

  constructor(starts: number[]) {
    this.starts = new Set(starts);
  }

  answer(url: string): Response {
    this.asked.push(url);
    if (this.isDown) return Response.json({ code: 503, message: "not now" }, { status: 503 });
    const query = new URL(url, "http://collector").searchParams;
    const [limit, before] = [Number(query.get("limit")), Number(query.get("before") ?? Number.POSITIVE_INFINITY)];
    const older = [...this.starts].filter((start) => start < before).sort((a, b) => b - a);
    const page: SummaryPage = {
      summaries: older.slice(0, limit).map(summaryAt),
      next: older.length > limit ? String(older[limit - 1]) : null,
    };
    return Response.json(page);
  }
}

const page = { hidden: false };

/** Opens a list of all that is kept, down to its last row. */
async function withView(
  count: number,
  pages: number,
  run: (view: TracesView, kept: Kept, check: () => Promise<void>, soon: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const kept = new Kept(Array.from({ length: count }, (_, index) => 1000 + index));
  const fetched = mock.method(globalThis, "fetch", async (url: string) => kept.answer(url));
  Object.assign(globalThis, { document: page });
  mock.timers.enable({ apis: ["setTimeout"] });
  const view = new TracesView();
  /** Until what was asked for is answered and taken in. */
  const settle = async (): Promise<void> => {
    for (let calls = -1; calls !== fetched.mock.callCount(); ) {
      calls = fetched.mock.callCount();
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  try {
    view.open(new URLSearchParams());
    await settle();
    for (let number = 1; number < pages; number++) await view.loadOlder();
    assert.equal(view.summaries.value.length, Math.min(count, pages * 50));
    kept.asked.length = 0;
    const after = async (ms: number): Promise<void> => {
      mock.timers.tick(ms);
      await settle();
    };
    // Longer than it ever rests after an answer; and as soon as can be.
    await run(
      view,
      kept,
      () => after(600_000),
      () => after(1),
    );
  } finally {
    view.close();
    mock.timers.reset();
    fetched.mock.restore();
    Reflect.deleteProperty(globalThis, "document");
  }
}

const startsOf = (view: TracesView): number[] => view.summaries.value.map(({ startMs }) => startMs);

test("what is kept no longer leaves the list, wherever it stands; what lies behind the list is not asked for", async () => {
  await withView(200, 3, async (view, kept, check) => {
    kept.starts.delete(1199);
    for (const start of [1120, 1051, 1050]) kept.starts.delete(start);
    await check();
    assert.equal(startsOf(view).length, 146);
    assert.ok(startsOf(view).every((start) => kept.starts.has(start)));
    assert.equal(kept.asked.length, 1, "of as many rows as there are, and one");
    assert.notEqual(view.next.value, null);
    const before = view.summaries.value;
    await check();
    assert.equal(view.summaries.value, before, "nothing changes where nothing is gone");
  });
});

test("where all older ones are gone the list ends", async () => {
  await withView(200, 3, async (view, kept, check) => {
    for (let start = 1000; start < 1100; start++) kept.starts.delete(start);
    await check();
    assert.deepEqual([startsOf(view).length, startsOf(view).at(-1), view.next.value], [100, 1100, null]);
    kept.starts.clear();
    await check();
    assert.deepEqual(startsOf(view), []);
    kept.asked.length = 0;
    await check();
    assert.deepEqual(kept.asked, [], "an empty list has nothing to lose");
  });
});

test("a very long list is asked for in pages of what a collector gives", async () => {
  await withView(2500, 50, async (view, kept, check) => {
    for (const start of [3000, 2000, 1000]) kept.starts.delete(start);
    await check();
    assert.equal(startsOf(view).length, 2497);
    assert.deepEqual(
      kept.asked.map((url) => new URL(url, "http://collector").searchParams.get("limit")),
      ["1000", "1000", "501"],
    );
  });
});

test("nothing moves while the list is paused or scrolled, and nothing is asked for a page that nobody sees", async () => {
  await withView(60, 2, async (view, kept, check, soon) => {
    kept.starts.delete(1000);
    view.togglePause();
    await check();
    view.setScrolled(true);
    view.togglePause();
    await check();
    assert.deepEqual([startsOf(view).length, kept.asked], [60, []]);
    view.setScrolled(false);
    await soon();
    assert.equal(startsOf(view).length, 59, "it is due since then");
    kept.starts.delete(1001);
    kept.asked.length = 0;
    page.hidden = true;
    await check();
    assert.deepEqual([startsOf(view).length, kept.asked], [59, []]);
    page.hidden = false;
    await check();
    assert.equal(startsOf(view).length, 58);
    view.close();
    kept.asked.length = 0;
    await check();
    assert.deepEqual(kept.asked, []);
  });
});

test("a filter that is still being typed, or a collector that is away, takes nothing out of the list", async () => {
  await withView(60, 2, async (view, kept, check) => {
    kept.starts.delete(1000);
    const { value: applied } = view.filter;
    view.filter.value = { ...applied, service: "pro" };
    await check();
    assert.deepEqual([startsOf(view).length, kept.asked], [60, []]);
    view.filter.value = applied;
    kept.isDown = true;
    await check();
    assert.deepEqual([startsOf(view).length, kept.asked.length, view.problem.value], [60, 1, null]);
    kept.isDown = false;
    await check();
    assert.equal(startsOf(view).length, 59);
  });
});

test("a collector that ends its pages early is asked until the last row, unless it finds nothing", async () => {
  await withView(120, 3, async (view, kept, check) => {
    kept.starts.delete(1000);
    const whole = kept.answer.bind(kept);
    kept.answer = (url) => whole(url.replace(/limit=\d+/, "limit=30"));
    await check();
    assert.deepEqual([startsOf(view).length, kept.asked.length], [119, 4]);
    kept.starts.delete(1001);
    kept.answer = () => Response.json({ summaries: [], next: "900" });
    await check();
    assert.equal(startsOf(view).length, 119, "it has not come so far");
  });
});
