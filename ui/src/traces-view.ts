import { batch, type Signal, signal } from "@preact/signals";
import { ApiError, fetchSummaries, type Summary } from "./api.ts";
import { replaceUrl } from "./router.ts";
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
import { isBackward, type TimeRange } from "./time-range.ts";

const pageSize = 50;
/** A live list is read afresh when it has grown to this many rows, or that many wait for a pause to end. */
export const mostRows = 600;
/** With a filter the collector is asked again after arrivals, at most so often. */
const askAgainMs = 1500;
/** How often it is looked whether what the list shows is still there, and seldom enough that this takes a twentieth of the time. */
const checkMs = 10_000;
const restFactor = 20;
/** The most that the collector gives at once. */
const largestPage = 1000;

/**
 * The list on screen: what was received of it, its filter, and what the user has paused and picked. It outlives its page, so
 * that the way back from a trace finds it as it was left.
 */
export class TracesView {
  readonly summaries: Signal<readonly Summary[]> = signal([]);
  /** Where older ones begin; null at the end. */
  readonly next: Signal<string | null> = signal(null);
  /** What came while nothing might move. */
  readonly held: Signal<readonly Summary[]> = signal([]);
  readonly isPaused: Signal<boolean> = signal(false);
  readonly isScrolled: Signal<boolean> = signal(false);
  readonly isLoading: Signal<boolean> = signal(true);
  readonly problem: Signal<ApiError | null> = signal(null);
  readonly filter: Signal<SummaryFilter> = signal(emptyFilter);
  /** The row that the keys have reached, or that was opened last, by trace id. */
  readonly cursor: Signal<string | null> = signal(null);
  /** Arrived since the page was opened; they are shown with a short glow. */
  readonly fresh: Set<string> = new Set();

  #request: AbortController | undefined;
  /** What was asked for last; the filter may be ahead of it, while it is typed. */
  #asked = "";
  #askAgain: ReturnType<typeof setTimeout> | undefined;
  #check: ReturnType<typeof setTimeout> | undefined;
  #isCheckDue = false;

  /** What the list knows of a trace, so that its page need not ask. */
  known(traceId: string): Summary | undefined {
    return this.summaries.peek().find((summary) => summary.traceId === traceId);
  }

  /** Takes the filter that a URL's query tells and reads the newest page. True when the list with that filter is here still. */
  open(query: URLSearchParams): boolean {
    const before = filterToQuery(this.filter.peek()).toString();
    this.filter.value = filterFromQuery(query);
    const isSame = before === filterToQuery(this.filter.peek()).toString();
    if (!isSame) {
      this.summaries.value = [];
      this.isLoading.value = true;
    }
    void this.loadFirst({ keep: isSame });
    this.#checkAfter(checkMs);
    return isSame;
  }

  /** The page is gone: nothing is asked for until it is opened again. */
  close(): void {
    clearTimeout(this.#askAgain);
    this.#askAgain = undefined;
    clearTimeout(this.#check);
    this.#request?.abort();
    this.isScrolled.value = false;
    this.fresh.clear();
  }

  /**
   * Reads the newest page. With `keep` the list stays, and the page is put into it, when the two meet; when there is a gap
   * between them the page takes its place.
   */
  async loadFirst({ keep = false }: { keep?: boolean } = {}): Promise<void> {
    this.#request?.abort();
    this.#request = new AbortController();
    const { signal } = this.#request;
    const query = this.#pageQuery();
    this.#asked = query.toString();
    try {
      const page = await fetchSummaries(query, signal);
      batch(() => {
        this.problem.value = null;
        this.isLoading.value = false;
        const unknown = unknownTo(this.summaries.peek(), page.summaries);
        // An empty page that is not the last one: the collector has looked at very many, and tells nothing of what is here.
        const hasEndedEarly = page.summaries.length === 0 && page.next !== null;
        if (keep && (unknown.length < page.summaries.length || hasEndedEarly)) {
          this.#admit(page.summaries, unknown);
          if (page.next === null) this.#leaveOut(this.summaries.peek(), page.summaries);
          return;
        }
        this.summaries.value = mergeSummaries([], page.summaries);
        this.next.value = page.next;
        this.held.value = [];
      });
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(error);
      this.isLoading.value = false;
    }
  }

  async loadOlder(): Promise<void> {
    if (this.next.peek() === null || this.isLoading.peek()) return;
    this.isLoading.value = true;
    const query = this.#pageQuery();
    query.set("before", this.next.peek()!);
    const { signal } = this.#request ?? new AbortController();
    try {
      const page = await fetchSummaries(query, signal);
      batch(() => {
        this.summaries.value = mergeSummaries(this.summaries.peek(), page.summaries);
        this.next.value = page.next;
      });
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
    this.isLoading.value = false;
  }

  #pageQuery(): URLSearchParams {
    const query = filterToQuery(this.filter.peek());
    query.set("limit", String(pageSize));
    return query;
  }

  #fail(error: unknown): void {
    this.problem.value = error instanceof ApiError ? error : new ApiError(0, String(error));
  }

  /** Takes what the tail brought. */
  hear(arrived: Summary[]): void {
    const filter = this.filter.peek();
    if (!isEmptyFilter(filter)) {
      // Only the collector can judge a filter; while paused or scrolled down nothing may move, so it is asked afterwards.
      if (this.#isHolding() || !arrived.some((summary) => mayMatch(filter, summary))) return;
      this.#askAgain ??= setTimeout(() => {
        this.#askAgain = undefined;
        if (!this.#isHolding()) void this.loadFirst({ keep: true });
      }, askAgainMs);
      return;
    }
    batch(() => this.#admit(arrived, unknownTo(this.summaries.peek(), arrived)));
    if (!this.#isHolding() && this.summaries.peek().length > mostRows) void this.loadFirst();
  }

  /** Takes summaries that came after the list: what it knows changes in place, the rest goes in, or waits while nothing may move. */
  #admit(arrived: readonly Summary[], unknown: readonly Summary[]): void {
    const known = arrived.filter((summary) => !unknown.includes(summary));
    if (known.length > 0) this.summaries.value = mergeSummaries(this.summaries.peek(), known);
    if (this.#isHolding()) {
      this.held.value = mergeSummaries(this.held.peek(), unknown).slice(0, mostRows + 1);
      return;
    }
    for (const { traceId } of unknown) this.fresh.add(traceId);
    this.summaries.value = mergeSummaries(this.summaries.peek(), unknown);
  }

  /** Of these rows keeps those that were found: the others have left the time looked at, or are kept no longer. */
  #leaveOut(rows: readonly Summary[], found: readonly Summary[]): void {
    if (this.#isHolding()) return;
    const gone = new Set(unknownTo(found, rows).map(({ traceId }) => traceId));
    if (gone.size > 0) this.summaries.value = this.summaries.peek().filter(({ traceId }) => !gone.has(traceId));
  }

  #checkAfter(ms: number): void {
    clearTimeout(this.#check);
    this.#check = setTimeout(async () => {
      const startedAt = performance.now();
      // Nothing may move now: it is looked as soon as something may.
      this.#isCheckDue = this.#isHolding();
      if (this.#isCheckDue) return;
      if (!document.hidden) await this.#leaveOutGone();
      if (this.#request?.signal.aborted === false) {
        this.#checkAfter(Math.max(checkMs, restFactor * (performance.now() - startedAt)));
      }
    }, ms);
  }

  /** Asks for all that the list shows, and leaves out what is gone: the newest page tells nothing of what lies behind it. */
  async #leaveOutGone(): Promise<void> {
    const rows = this.summaries.peek();
    const { signal } = this.#request!;
    if (this.isLoading.peek() || this.#pageQuery().toString() !== this.#asked) return;
    const found: Summary[] = [];
    let before: string | null = null;
    try {
      while (rows.length > 0 && (before === null || found.at(-1)!.startMs >= rows.at(-1)!.startMs)) {
        const query = this.#pageQuery();
        // And one more, which tells that the last row was reached.
        query.set("limit", String(Math.min(largestPage, Math.max(pageSize, rows.length - found.length + 1))));
        if (before !== null) query.set("before", before);
        const page = await fetchSummaries(query, signal);
        // Ended early, after very many that do not match: how far it has come it does not tell.
        if (page.summaries.length === 0 && page.next !== null) return;
        found.push(...page.summaries);
        before = page.next;
        if (before === null) break;
      }
    } catch {
      // The next time, or whatever is asked for by the user, tells what is wrong.
      return;
    }
    batch(() => {
      this.#leaveOut(rows, found);
      if (before === null && rows.length > 0 && !this.#isHolding()) this.next.value = null;
    });
  }

  #isHolding(): boolean {
    return this.isPaused.peek() || this.isScrolled.peek();
  }

  togglePause(): void {
    this.isPaused.value = !this.isPaused.peek();
    this.#release();
  }

  /** Scrolled down, the list holds still. */
  setScrolled(isScrolled: boolean): void {
    if (isScrolled === this.isScrolled.peek()) return;
    this.isScrolled.value = isScrolled;
    this.#release();
  }

  /** Lets in what waited, unless it has to wait on. */
  #release(): void {
    if (this.#isHolding()) return;
    if (this.#isCheckDue) this.#checkAfter(0);
    this.fresh.clear();
    if (!isEmptyFilter(this.filter.peek()) || this.held.peek().length > mostRows) {
      void this.loadFirst({ keep: this.held.peek().length <= mostRows });
      return;
    }
    batch(() => {
      for (const { traceId } of this.held.peek()) this.fresh.add(traceId);
      this.summaries.value = mergeSummaries(this.summaries.peek(), this.held.peek());
      this.held.value = [];
    });
  }

  /** Looks at another time, with the filter as it is. */
  look(range: TimeRange): void {
    this.filter.value = { ...this.filter.peek(), range };
    this.applyFilter();
  }

  /** Reads the list that the filter wants, once the filter can be read; the URL follows. */
  applyFilter(): void {
    if (filterProblem(this.filter.peek()) !== null || isBackward(this.filter.peek().range)) return;
    const query = filterToQuery(this.filter.peek());
    replaceUrl(query.size === 0 ? "/" : `/?${query}`);
    this.cursor.value = null;
    void this.loadFirst();
  }

  /** Puts the cursor on the row that lies `step` rows further down. Returns its trace id; undefined in an empty list. */
  move(step: number): string | undefined {
    const rows = this.summaries.peek();
    const now = rows.findIndex(({ traceId }) => traceId === this.cursor.peek());
    const reached = rows[Math.max(0, Math.min(rows.length - 1, now + step))];
    if (reached !== undefined) this.cursor.value = reached.traceId;
    return reached?.traceId;
  }
}

/** The one list of the UI. */
export const tracesView: TracesView = new TracesView();
