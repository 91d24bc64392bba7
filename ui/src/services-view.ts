import { type Signal, signal } from "@preact/signals";
import { ApiError, fetchServiceMap, type ServiceMap } from "./api.ts";
import { replaceUrl } from "./router.ts";
import { addRange, isBackward, lastHour, rangeFromQuery, type TimeRange } from "./time-range.ts";

/** When asked to count more, the collector looks at so many spans. */
const moreSpans = 1_000_000;
/** While traces arrive the map is read again at most so often, and seldom enough that reading takes a twentieth of the time. */
const refreshMs = 5000;
const restFactor = 20;

/** The services on screen: what was received of them, and the time the user looks at. */
export class ServicesView {
  /** Null until the first answer. */
  readonly map: Signal<ServiceMap | null> = signal(null);
  readonly problem: Signal<ApiError | null> = signal(null);
  readonly range: Signal<TimeRange> = signal(lastHour);
  readonly isCountingMore: Signal<boolean> = signal(false);

  #request: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tookMs = 0;

  /** Takes the time that a URL's query tells, and reads the map. */
  open(query: URLSearchParams): void {
    this.#take(rangeFromQuery(query, lastHour));
  }

  #take(range: TimeRange): void {
    const before = this.#query().toString();
    this.range.value = range;
    if (this.#query().toString() !== before) {
      this.isCountingMore.value = false;
      this.map.value = null;
    }
    void this.load();
  }

  /** The page is gone: nothing is asked for until it is opened again. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#request?.abort();
  }

  async load(): Promise<void> {
    this.#request?.abort();
    if (isBackward(this.range.peek())) return;
    this.#request = new AbortController();
    const { signal } = this.#request;
    const query = this.#query();
    if (this.isCountingMore.peek()) query.set("maxSpans", String(moreSpans));
    const startedAt = performance.now();
    try {
      const map = await fetchServiceMap(query, signal);
      this.map.value = map;
      this.problem.value = null;
    } catch (error) {
      if (!signal.aborted) this.problem.value = error instanceof ApiError ? error : new ApiError(0, String(error));
    }
    this.#tookMs = performance.now() - startedAt;
  }

  /** Traces came: what is on screen is a little out of date. */
  hear(): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        void this.load();
      },
      Math.max(refreshMs, restFactor * this.#tookMs),
    );
  }

  /** Looks at another time; the URL follows. Not at one that ends before it begins, which is still being typed. */
  look(range: TimeRange): void {
    this.#take(range);
    if (isBackward(range)) return;
    const query = this.#query();
    replaceUrl(query.size === 0 ? "/services" : `/services?${query}`);
  }

  /** The time, as the API and the URL have it. */
  #query(): URLSearchParams {
    const query = new URLSearchParams();
    addRange(query, this.range.peek(), lastHour);
    return query;
  }

  countMore(): void {
    this.isCountingMore.value = true;
    void this.load();
  }
}

/** The one map of the UI. */
export const servicesView: ServicesView = new ServicesView();
