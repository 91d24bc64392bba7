import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { FilterBar } from "./filter-bar.tsx";
import { FirstRun } from "./first-run.tsx";
import { useKeys } from "./keyboard.ts";
import { LiveButton } from "./live-button.tsx";
import { ProblemBanner } from "./problem-banner.tsx";
import { countOf } from "./quantity.ts";
import { navigate } from "./router.ts";
import { isEmptyFilter } from "./summary-filter.ts";
import { SummaryTable } from "./summary-table.tsx";
import { listenToTail, stats } from "./tail.ts";
import { allKept, describeRange, isAllKept } from "./time-range.ts";
import { type TracesView, tracesView } from "./traces-view.ts";

/** Scrolled further than this, the list holds still. */
const topPx = 4;
/** How far the list was scrolled when it was left. */
let leftAt = 0;

export function TracesPage(): JSX.Element {
  const view = tracesView;
  const scroller = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const readUrl = (): void => {
      if (location.pathname !== "/") {
        // The page is on its way out, and still there to be asked.
        leftAt = scroller.current?.scrollTop ?? 0;
        return;
      }
      const isSame = view.open(new URLSearchParams(location.search));
      // The way back from a trace finds the list as it was left, and then whatever is new.
      if (isSame && scroller.current !== null) scroller.current.scrollTop = leftAt;
      view.isScrolled.value = (scroller.current?.scrollTop ?? 0) > topPx;
    };
    readUrl();
    addEventListener("popstate", readUrl);
    const stop = listenToTail({
      onSummaries: (arrived) => view.hear(arrived),
      onReconnect: () => void view.loadFirst({ keep: true }),
    });
    return () => {
      stop();
      removeEventListener("popstate", readUrl);
      view.close();
    };
  }, []);

  const toTop = (): void => {
    scroller.current?.scrollTo({ top: 0 });
  };
  const move = (step: number): void => {
    const reached = view.move(step);
    scroller.current?.querySelector(`[data-trace="${reached}"]`)?.scrollIntoView({ block: "nearest" });
  };
  useKeys({
    ".": () => view.togglePause(),
    "/": () => document.getElementById("filter-service")?.focus(),
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    Enter: () => {
      if (view.cursor.peek() !== null) navigate(`/trace/${view.cursor.peek()}`);
    },
  });

  const { value: problem } = view.problem;
  const isEmpty = view.summaries.value.length === 0 && isEmptyFilter(view.filter.value);
  const isFirstRun = isEmpty && !view.isLoading.value && problem === null && (stats.value?.traces ?? 0) === 0;
  return (
    <main
      class="traces"
      onKeyDown={(event) => {
        if (event.key === "Escape" && (event.target as HTMLElement).matches("input"))
          (event.target as HTMLElement).blur();
      }}
    >
      <FilterBar view={view}>
        <LiveButton view={view} toTop={toTop} />
      </FilterBar>
      <ProblemBanner problem={problem} retry={() => void view.loadFirst()} />
      {isFirstRun ? (
        <FirstRun />
      ) : (
        <div
          class="summaries"
          ref={scroller}
          onScroll={({ currentTarget: { scrollTop, isConnected } }) => {
            // A box that is taken away tells that it was scrolled to its top.
            if (isConnected) view.setScrolled(scrollTop > topPx);
          }}
        >
          <SummaryTable view={view} />
          <ListEnd view={view} />
        </div>
      )}
    </main>
  );
}

/** Below the last row: the way to older ones, or that there are none. */
function ListEnd({ view }: { view: TracesView }): JSX.Element | null {
  const { length: count } = view.summaries.value;
  const hasFilter = !isEmptyFilter(view.filter.value);
  if (count > 0)
    return (
      <div class="older">
        {view.next.value !== null ? (
          <button type="button" class="button" disabled={view.isLoading.value} onClick={() => void view.loadOlder()}>
            Load older
          </button>
        ) : (
          <span class="dim">
            {countOf(count, "trace")}; that is all{hasFilter ? " that match" : ""}
          </span>
        )}
      </div>
    );
  if (view.isLoading.value) return null;
  if (view.next.value !== null)
    return (
      <div class="empty">
        <h2>No trace matches so far</h2>
        <p>Very many had to be looked at.</p>
        <button type="button" class="button" onClick={() => void view.loadOlder()}>
          Look at older ones
        </button>
      </div>
    );
  const { range } = view.filter.value;
  return (
    <div class="empty">
      <h2>{hasFilter ? "No trace matches" : "No traces"}</h2>
      {hasFilter && <p>New ones that match appear here by themselves.</p>}
      {hasFilter &&
        (isAllKept(range) ? (
          <p>The filter looks at everything that is kept.</p>
        ) : (
          <p>
            The time looked at: {describeRange(range).toLowerCase()}.{" "}
            <button type="button" class="link-button" onClick={() => view.look(allKept)}>
              Look at all that is kept
            </button>
          </p>
        ))}
    </div>
  );
}
