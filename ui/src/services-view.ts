import { type Signal, signal } from "@preact/signals";
import { ApiError, fetchServiceMap, type ServiceMap } from "./api.ts";
import { replaceUrl } from "./router.ts";

/** How far back traces are counted. */
export interface Lookback {
  /** As the URL of the page says it. */
  name: string;
  title: string;
  ms: number;
}

const hourMs = 60 * 60_000;

const defaultLookback: Lookback = { name: "1h", title: "Last hour", ms: hourMs };

export const lookbacks: readonly Lookback[] = [
  { name: "5m", title: "Last 5 minutes", ms: hourMs / 12 },
  defaultLookback,
  { name: "6h", title: "Last 6 hours", ms: 6 * hourMs },
  { name: "1d", title: "Last day", ms: 24 * hourMs },
  { name: "all", title: "All that is kept", ms: Number.MAX_SAFE_INTEGER },
];

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
  readonly lookback: Signal<Lookback> = signal(defaultLookback);
  readonly isCountingMore: Signal<boolean> = signal(false);

  #request: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tookMs = 0;

  /** Takes the time that a URL's query tells, and reads the map. */
  open(query: URLSearchParams): void {
    const name = query.get("lookback");
    const lookback = lookbacks.find((lookback) => lookback.name === name) ?? defaultLookback;
    if (lookback !== this.lookback.peek()) {
      this.lookback.value = lookback;
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
    this.#request = new AbortController();
    const { signal } = this.#request;
    const query = new URLSearchParams({ lookbackMs: String(this.lookback.peek().ms) });
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

  look(lookback: Lookback): void {
    const query = lookback === defaultLookback ? "" : `?lookback=${lookback.name}`;
    replaceUrl(`/services${query}`);
    this.open(new URLSearchParams(query));
  }

  countMore(): void {
    this.isCountingMore.value = true;
    void this.load();
  }
}

/** The one map of the UI. */
export const servicesView: ServicesView = new ServicesView();
