import { batch, signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, fetchOperations, fetchServices, fetchSummaries, type Summary } from "./api.ts";
import { FirstRun } from "./first-run.tsx";
import { Icon } from "./icons.tsx";
import { useKeys } from "./keyboard.ts";
import { countOf } from "./quantity.ts";
import { navigate, replaceUrl } from "./router.ts";
import {
  emptyFilter,
  filterFromQuery,
  filterProblem,
  filterToQuery,
  isEmptyFilter,
  mayMatch,
  type SummaryFilter,
} from "./summary-filter.ts";
import { mergeSummaries, unknownTo } from "./summary-list.ts";
import { SummaryRow } from "./summary-row.tsx";
import { connection, listenToTail, stats } from "./tail.ts";

const pageSize = 50;
/** A live list is read afresh when it has grown to this many rows, or that many wait for a pause to end. */
const most = 600;
/** With a filter the collector is asked again after arrivals, at most so often. */
const askAgainMs = 1500;
const typingMs = 250;
/** Scrolled further than this, the list holds still. */
const topPx = 4;

const list = signal<readonly Summary[]>([]);
const next = signal<string | null>(null);
const held = signal<readonly Summary[]>([]);
const isPaused = signal(false);
const isScrolled = signal(false);
const isLoading = signal(true);
const problem = signal<ApiError | null>(null);
const filter = signal<SummaryFilter>(emptyFilter);
/** The row that the keys have reached, or that was opened last, by trace id. */
const cursor = signal<string | null>(null);
const servicesPx = signal(360);
/** Arrived since the page was opened; they are shown with a short glow. */
const fresh = new Set<string>();
/** How far the list was scrolled when it was left. */
let leftAt = 0;

/** What the list knows of a trace, so that its page need not ask. */
export function knownSummary(traceId: string): Summary | undefined {
  return list.peek().find((summary) => summary.traceId === traceId);
}

let request: AbortController | undefined;

/**
 * Reads the newest page. With `keep` the list stays, and the page is put into it, when the two meet; when there is a gap
 * between them the page takes its place.
 */
async function loadFirst({ keep = false } = {}): Promise<void> {
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  const query = filterToQuery(filter.peek());
  query.set("limit", String(pageSize));
  try {
    const page = await fetchSummaries(query, signal);
    batch(() => {
      problem.value = null;
      isLoading.value = false;
      const unknown = unknownTo(list.peek(), page.summaries);
      if (keep && unknown.length < page.summaries.length) {
        admit(page.summaries, unknown);
        return;
      }
      list.value = mergeSummaries([], page.summaries);
      next.value = page.next;
      held.value = [];
    });
  } catch (error) {
    if (signal.aborted) return;
    problem.value = error instanceof ApiError ? error : new ApiError(0, String(error));
    isLoading.value = false;
  }
}

/** Takes summaries that came after the list: what it knows changes in place, the rest goes in, or waits while nothing may move. */
function admit(arrived: readonly Summary[], unknown: readonly Summary[]): void {
  const known = arrived.filter((summary) => !unknown.includes(summary));
  if (known.length > 0) list.value = mergeSummaries(list.peek(), known);
  if (isHolding()) {
    held.value = mergeSummaries(held.peek(), unknown).slice(0, most + 1);
    return;
  }
  for (const { traceId } of unknown) fresh.add(traceId);
  list.value = mergeSummaries(list.peek(), unknown);
}

async function loadOlder(): Promise<void> {
  if (next.peek() === null || isLoading.peek()) return;
  isLoading.value = true;
  const query = filterToQuery(filter.peek());
  query.set("limit", String(pageSize));
  query.set("before", next.peek()!);
  const { signal } = request ?? new AbortController();
  try {
    const page = await fetchSummaries(query, signal);
    batch(() => {
      list.value = mergeSummaries(list.peek(), page.summaries);
      next.value = page.next;
    });
  } catch (error) {
    if (!signal.aborted) problem.value = error instanceof ApiError ? error : new ApiError(0, String(error));
  }
  isLoading.value = false;
}

function isHolding(): boolean {
  return isPaused.peek() || isScrolled.peek();
}

let askAgain: ReturnType<typeof setTimeout> | undefined;

function onSummaries(arrived: Summary[]): void {
  const now = filter.peek();
  if (!isEmptyFilter(now)) {
    // Only the collector can judge a filter; while paused or scrolled down nothing may move, so it is asked afterwards.
    if (isHolding() || !arrived.some((summary) => mayMatch(now, summary))) return;
    askAgain ??= setTimeout(() => {
      askAgain = undefined;
      if (!isHolding()) void loadFirst({ keep: true });
    }, askAgainMs);
    return;
  }
  batch(() => admit(arrived, unknownTo(list.peek(), arrived)));
  if (!isHolding() && list.peek().length > most) void loadFirst();
}

/** Lets in what waited. */
function release(): void {
  fresh.clear();
  if (!isEmptyFilter(filter.peek()) || held.peek().length > most) {
    void loadFirst({ keep: held.peek().length <= most });
    return;
  }
  batch(() => {
    for (const { traceId } of held.peek()) fresh.add(traceId);
    list.value = mergeSummaries(list.peek(), held.peek());
    held.value = [];
  });
}

function togglePause(): void {
  isPaused.value = !isPaused.peek();
  if (!isHolding()) release();
}

function LiveButton({ toTop }: { toTop: () => void }): JSX.Element {
  const isLost = connection.value === "lost" || connection.value === "connecting";
  const waiting = held.value.length > most ? `${most}+` : String(held.value.length);
  const state = isLost ? "offline" : isPaused.value ? "paused" : "live";
  return (
    <div class="live">
      {held.value.length > 0 && (
        <button type="button" class="pill" onClick={isPaused.value ? togglePause : toTop}>
          <Icon name="up" /> {waiting} new
        </button>
      )}
      <button
        type="button"
        class={`button live-button is-${state}`}
        aria-pressed={isPaused.value}
        title="Pause or resume (.)"
        onClick={togglePause}
      >
        {isPaused.value ? <Icon name="play" /> : <span class="pulse" aria-hidden="true" />}
        <span>{isLost ? "Offline" : isPaused.value ? "Paused" : "Live"}</span>
      </button>
    </div>
  );
}

function FilterBar({ toTop }: { toTop: () => void }): JSX.Element {
  const services = useSignal<string[]>([]);
  const operations = useSignal<string[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const { value: now } = filter;
  const wrong = filterProblem(now);

  const change = (part: Partial<SummaryFilter>): void => {
    filter.value = { ...filter.peek(), ...part };
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      if (filterProblem(filter.peek()) !== null) return;
      const query = filterToQuery(filter.peek());
      replaceUrl(query.size === 0 ? "/" : `/?${query}`);
      cursor.value = null;
      void loadFirst();
    }, typingMs);
  };
  useEffect(() => () => clearTimeout(timer.current), []);

  const suggest = (): void => {
    fetchServices().then(
      (names) => {
        services.value = names;
      },
      // Suggestions only.
      () => {},
    );
  };
  useEffect(suggest, []);
  const service = now.service.trim();
  useEffect(() => {
    operations.value = [];
    if (service === "" || !services.peek().includes(service)) return;
    let isCurrent = true;
    fetchOperations(service).then(
      (names) => {
        if (isCurrent) operations.value = names;
      },
      () => {},
    );
    return () => {
      isCurrent = false;
    };
  }, [service, services.value]);

  return (
    <form class="filter-bar" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="field field-service">
        <Icon name="filter" />
        <input
          id="filter-service"
          list="services"
          placeholder="Service"
          aria-label="Service"
          autocomplete="off"
          spellcheck={false}
          value={now.service}
          onFocus={suggest}
          onInput={(event) => change({ service: event.currentTarget.value })}
        />
      </label>
      <label class="field field-operation">
        <input
          list="operations"
          placeholder="Operation"
          aria-label="Operation"
          autocomplete="off"
          spellcheck={false}
          value={now.operation}
          onInput={(event) => change({ operation: event.currentTarget.value })}
        />
      </label>
      <label class="field field-tags">
        <input
          placeholder="Attribute  key:value"
          aria-label="Attributes, key:value"
          aria-invalid={wrong?.field === "tags"}
          title={wrong?.field === "tags" ? wrong.message : "Several are divided by spaces"}
          autocomplete="off"
          spellcheck={false}
          value={now.tags}
          onInput={(event) => change({ tags: event.currentTarget.value })}
        />
      </label>
      <label class="field field-duration">
        <span class="dim">≥</span>
        <input
          placeholder="Duration"
          aria-label="Minimum duration"
          aria-invalid={wrong?.field === "minDuration"}
          title={wrong?.field === "minDuration" ? wrong.message : "The whole trace lasts at least: 200ms, 1.5s"}
          autocomplete="off"
          spellcheck={false}
          value={now.minDuration}
          onInput={(event) => change({ minDuration: event.currentTarget.value })}
        />
      </label>
      <button
        type="button"
        class={`button errors-only${now.errors ? " is-on" : ""}`}
        aria-pressed={now.errors}
        onClick={() => change({ errors: !now.errors })}
      >
        <Icon name="error" /> <span>Errors</span>
      </button>
      {!isEmptyFilter(now) && (
        <button type="button" class="button is-quiet" onClick={() => change(emptyFilter)}>
          Clear
        </button>
      )}
      {wrong !== null && (
        <span class="filter-problem" role="alert">
          {wrong.message}
        </span>
      )}
      <div class="top-space" />
      <LiveButton toTop={toTop} />
      <datalist id="services">
        {services.value.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <datalist id="operations">
        {operations.value.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}

export function TracesPage(): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const servicesHead = useRef<HTMLSpanElement>(null);

  useEffect(() => {
    const readUrl = (): void => {
      if (location.pathname !== "/") {
        // The page is on its way out, and still there to be asked.
        leftAt = scroller.current?.scrollTop ?? 0;
        return;
      }
      const before = filterToQuery(filter.peek()).toString();
      filter.value = filterFromQuery(new URLSearchParams(location.search));
      const isSame = before === filterToQuery(filter.peek()).toString();
      // The way back from a trace finds the list as it was left, and then whatever is new.
      if (!isSame) {
        list.value = [];
        isLoading.value = true;
      } else if (scroller.current !== null) scroller.current.scrollTop = leftAt;
      isScrolled.value = (scroller.current?.scrollTop ?? 0) > topPx;
      void loadFirst({ keep: isSame });
    };
    readUrl();
    addEventListener("popstate", readUrl);
    const stop = listenToTail({ onSummaries, onReconnect: () => void loadFirst({ keep: true }) });
    return () => {
      stop();
      removeEventListener("popstate", readUrl);
      clearTimeout(askAgain);
      askAgain = undefined;
      request?.abort();
      isScrolled.value = false;
      fresh.clear();
    };
  }, []);

  const hasRows = list.value.length > 0;
  useEffect(() => {
    if (!hasRows || servicesHead.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry!.contentRect.width > 0) servicesPx.value = Math.round(entry!.contentRect.width);
    });
    observer.observe(servicesHead.current);
    return () => observer.disconnect();
  }, [hasRows]);

  const toTop = (): void => {
    scroller.current?.scrollTo({ top: 0 });
  };
  const move = (step: number): void => {
    const rows = list.peek();
    const now = rows.findIndex(({ traceId }) => traceId === cursor.peek());
    const reached = rows[Math.max(0, Math.min(rows.length - 1, now + step))];
    if (reached === undefined) return;
    cursor.value = reached.traceId;
    scroller.current?.querySelector(`[data-trace="${reached.traceId}"]`)?.scrollIntoView({ block: "nearest" });
  };
  useKeys({
    ".": togglePause,
    "/": () => document.getElementById("filter-service")?.focus(),
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    Enter: () => {
      if (cursor.peek() !== null) navigate(`/trace/${cursor.peek()}`);
    },
  });

  const remember = (event: Event): void => {
    const row = (event.target as Element).closest("[data-trace]");
    if (row !== null) cursor.value = row.getAttribute("data-trace");
  };

  const { value: summaries } = list;
  const hasFilter = !isEmptyFilter(filter.value);
  const isFirstRun = summaries.length === 0 && !hasFilter && !isLoading.value && problem.value === null;
  const longest = summaries.reduce((most, { durationMs }) => Math.max(most, durationMs), 0);

  return (
    <main
      class="traces"
      onKeyDown={(event) => {
        if (event.key === "Escape" && (event.target as HTMLElement).matches("input"))
          (event.target as HTMLElement).blur();
      }}
    >
      <FilterBar toTop={toTop} />
      {problem.value !== null && (
        <div class="banner is-lost" role="alert">
          <Icon name="error" /> {problem.value.message}
          <button type="button" class="button" onClick={() => void loadFirst()}>
            Try again
          </button>
        </div>
      )}
      {isFirstRun && (stats.value?.traces ?? 0) === 0 ? (
        <FirstRun />
      ) : (
        <div
          class="summaries"
          ref={scroller}
          onScroll={(event) => {
            const { scrollTop, isConnected } = event.currentTarget;
            const isNow = scrollTop > topPx;
            // A box that is taken away tells that it was scrolled to its top.
            if (!isConnected) return;
            if (isNow === isScrolled.peek()) return;
            isScrolled.value = isNow;
            if (!isHolding()) release();
          }}
        >
          <div class="summary-table" role="table" aria-label="Traces" aria-rowcount={-1} onClick={remember}>
            <div class="summary-head" role="row" hidden={summaries.length === 0}>
              <span role="columnheader">Time</span>
              <span role="columnheader">Trace</span>
              <span role="columnheader" ref={servicesHead}>
                Services
              </span>
              <span role="columnheader" class="number">
                Spans
              </span>
              <span role="columnheader" class="number">
                Duration
              </span>
              <span role="columnheader" aria-label="Duration as a bar" />
            </div>
            {summaries.map((summary) => (
              <SummaryRow
                key={summary.traceId}
                summary={summary}
                longestMs={longest}
                servicesPx={servicesPx.value}
                isCurrent={summary.traceId === cursor.value}
                isFresh={fresh.has(summary.traceId)}
              />
            ))}
          </div>
          {summaries.length === 0 && !isLoading.value && (
            <div class="empty">
              <h2>{hasFilter ? "No trace matches" : "No traces"}</h2>
              {hasFilter && (
                <p>New ones that match appear here by themselves. The filter looks at everything that is kept.</p>
              )}
            </div>
          )}
          {summaries.length > 0 && (
            <div class="older">
              {next.value !== null ? (
                <button type="button" class="button" disabled={isLoading.value} onClick={() => void loadOlder()}>
                  Load older
                </button>
              ) : (
                <span class="dim">
                  {countOf(summaries.length, "trace")}; that is all{hasFilter ? " that match" : ""}
                </span>
              )}
            </div>
          )}
        </div>
      )}
    </main>
  );
}
