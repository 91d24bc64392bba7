import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { ApiError, fetchSpan, fetchTrace, type SpanDetails, type Summary } from "./api.ts";
import { replaceUrl } from "./router.ts";
import { findSpans } from "./span-query.ts";
import { buildSpanTree, hasChildren, nextMarked, type SpanTree, visibleRows, withAncestors } from "./span-tree.ts";
import { listenToTail } from "./tail.ts";

export interface Range {
  fromUs: number;
  toUs: number;
}

/** At most so often is a growing trace read again; a big one takes longer, and is read again more seldom. */
const refreshMs = 700;
/** The URL follows the selection when it rests: browsers refuse more than some ten changes a second. */
const hashMs = 120;

/** One trace on screen: what was received of it, and what the user has folded, picked, searched and zoomed. */
export class TraceView {
  readonly traceId: string;
  readonly tree: Signal<SpanTree | null> = signal(null);
  readonly problem: Signal<ApiError | null> = signal(null);
  /** The root's "GET /path", once known. */
  readonly path: Signal<string | null> = signal(null);
  readonly collapsed: Signal<Uint8Array> = signal(new Uint8Array());
  /** A node, or -1. */
  readonly selected: Signal<number> = signal(-1);
  readonly isPanelOpen: Signal<boolean> = signal(false);
  readonly query: Signal<string> = signal("");
  readonly onlyMatches: Signal<boolean> = signal(false);
  /** The range on the time axis, or null for all of it. */
  readonly range: Signal<Range | null> = signal(null);
  /** A node to scroll to; written anew for every wish. */
  readonly wish: Signal<{ node: number; center: boolean } | null> = signal(null);

  /** Rows that fit on screen; set by who draws them. */
  pageSize: () => number = () => 1;

  readonly found: ReadonlySignal<{ marked: Uint8Array; count: number } | null> = computed(() => {
    const tree = this.tree.value;
    return tree === null || this.query.value.trim() === "" ? null : findSpans(tree, this.query.value);
  });
  readonly rows: ReadonlySignal<Uint32Array> = computed(() => {
    const tree = this.tree.value;
    if (tree === null) return new Uint32Array();
    const found = this.found.value;
    const kept = found !== null && this.onlyMatches.value ? withAncestors(tree, found.marked) : undefined;
    return visibleRows(tree, this.collapsed.value, kept);
  });
  /** Spans are missing: there is no root yet, or a parent has not arrived. */
  readonly isIncomplete: ReadonlySignal<boolean> = computed(() => {
    const tree = this.tree.value;
    return tree !== null && (tree.ghost !== -1 || !tree.columns.spans.parent.includes(-1));
  });

  readonly #abort = new AbortController();
  readonly #details = new Map<string, Promise<SpanDetails>>();
  #isLoading = false;
  #isStale = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hashTimer: ReturnType<typeof setTimeout> | undefined;
  #stopListening: () => void = () => {};

  /** `known` is what the list knows of the trace, if it has it. */
  constructor(traceId: string, known: Summary | undefined) {
    this.traceId = traceId;
    this.path.value = known?.path ?? null;
  }

  /** Reads the trace, and again whenever the tail tells that it has grown. */
  open(): void {
    this.#stopListening = listenToTail({
      onSummaries: (summaries) => {
        const mine = summaries.findLast(({ traceId }) => traceId === this.traceId);
        if (mine === undefined) return;
        if (mine.path !== null) this.path.value = mine.path;
        if (mine.spanCount !== this.tree.peek()?.columns.spans.spanId.length) this.#refresh();
      },
      onReconnect: () => this.#refresh(),
    });
    void this.#load();
  }

  close(): void {
    this.#stopListening();
    this.#abort.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#hashTimer);
  }

  /** What there is to know of a span; asked for once. */
  details(spanId: string): Promise<SpanDetails> {
    let details = this.#details.get(spanId);
    if (details === undefined) {
      details = fetchSpan(this.traceId, spanId, this.#abort.signal);
      this.#details.set(spanId, details);
      // A failure is shown by who asked, and not kept: the next one asks again.
      details.catch(() => this.#details.delete(spanId));
    }
    return details;
  }

  #refresh(): void {
    this.#isStale = true;
    if (!this.#isLoading) this.#timer ??= setTimeout(() => void this.#load(), refreshMs);
  }

  async #load(): Promise<void> {
    this.#isLoading = true;
    this.#isStale = false;
    this.#timer = undefined;
    const startedAt = performance.now();
    try {
      const columns = await fetchTrace(this.traceId, this.#abort.signal);
      this.#accept(buildSpanTree(columns));
      this.problem.value = null;
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.problem.value = error instanceof ApiError ? error : new ApiError(0, String(error));
    } finally {
      this.#isLoading = false;
    }
    if (this.#isStale)
      this.#timer = setTimeout(() => void this.#load(), Math.max(refreshMs, 4 * (performance.now() - startedAt)));
  }

  /** Takes a newer tree; what is folded and picked stays, by span id. */
  #accept(tree: SpanTree): void {
    const before = this.tree.peek();
    const collapsed = new Uint8Array(tree.size);
    let selected = -1;
    if (before !== null) {
      const foldedIds = new Set<string>();
      const folded = this.collapsed.peek();
      for (let node = 0; node < folded.length; node++) if (folded[node] === 1) foldedIds.add(spanIdOf(before, node));
      const selectedId = this.selected.peek() === -1 ? undefined : spanIdOf(before, this.selected.peek());
      for (let node = 0; node < tree.size; node++) {
        const id = spanIdOf(tree, node);
        if (foldedIds.has(id)) collapsed[node] = 1;
        if (id === selectedId) selected = node;
      }
    }
    this.collapsed.value = collapsed;
    this.selected.value = selected;
    this.tree.value = tree;
    if (selected === -1) this.selectFromHash();
    if (this.path.peek() === null) void this.#readPath(tree);
  }

  async #readPath(tree: SpanTree): Promise<void> {
    const root = tree.columns.spans.parent.indexOf(-1);
    if (root === -1) return;
    try {
      const { attributes } = await this.details(tree.columns.spans.spanId[root]!);
      const value = (key: string): string | undefined => {
        const found = attributes.find((attribute) => attribute.key === key)?.value;
        return typeof found === "string" ? found : undefined;
      };
      const verb = value("http.request.method") ?? value("http.method");
      const path = value("url.path") ?? value("http.target") ?? value("http.route");
      if (verb !== undefined && path !== undefined) this.path.value = `${verb} ${path}`;
    } catch {
      // The operation is a good title too.
    }
  }

  /** Picks the span that the URL names after `#`, if it is here. */
  selectFromHash(): void {
    const tree = this.tree.peek();
    const spanId = location.hash.slice(1).toLowerCase();
    const node = tree === null || spanId === "" ? -1 : tree.columns.spans.spanId.indexOf(spanId);
    if (node === -1) return;
    this.select(node, { center: true });
    this.isPanelOpen.value = true;
  }

  select(node: number, { center = false }: { center?: boolean } = {}): void {
    const tree = this.tree.peek();
    if (tree === null || node === -1) return;
    this.#unfoldAbove(tree, node);
    this.selected.value = node;
    this.wish.value = { node, center };
    const hash = node === tree.ghost ? "" : `#${tree.columns.spans.spanId[node]}`;
    clearTimeout(this.#hashTimer);
    this.#hashTimer = setTimeout(() => replaceUrl(location.pathname + location.search + hash), hashMs);
  }

  #unfoldAbove(tree: SpanTree, node: number): void {
    let collapsed: Uint8Array | undefined;
    for (let above = tree.parent[node]!; above !== -1; above = tree.parent[above]!) {
      if (this.collapsed.peek()[above] !== 1) continue;
      collapsed ??= this.collapsed.peek().slice();
      collapsed[above] = 0;
    }
    if (collapsed !== undefined) this.collapsed.value = collapsed;
    if (this.onlyMatches.peek() && !this.rows.peek().includes(node)) this.onlyMatches.value = false;
  }

  /** Selects the row that lies `step` rows further down. */
  move(step: number): void {
    const rows = this.rows.peek();
    if (rows.length === 0) return;
    const now = rows.indexOf(this.selected.peek());
    const from = now === -1 && step < 0 ? rows.length : now;
    this.select(rows[Math.max(0, Math.min(rows.length - 1, from + step))]!);
  }

  setCollapsed(node: number, isCollapsed: boolean, isDeep = false): void {
    const tree = this.tree.peek();
    if (tree === null) return;
    const collapsed = this.collapsed.peek().slice();
    const last = isDeep ? tree.end[node]! : tree.place[node]! + 1;
    for (let place = tree.place[node]!; place < last; place++) {
      const at = tree.order[place]!;
      if (hasChildren(tree, at)) collapsed[at] = isCollapsed ? 1 : 0;
    }
    this.collapsed.value = collapsed;
    // A selection that got folded away moves up to where it can be seen.
    const selected = this.selected.peek();
    const isInside =
      selected !== -1 && tree.place[selected]! > tree.place[node]! && tree.place[selected]! < tree.end[node]!;
    if (isCollapsed && isInside) this.select(node);
  }

  toggle(node: number, isDeep: boolean): void {
    this.setCollapsed(node, this.collapsed.peek()[node] !== 1, isDeep);
  }

  /** Folds every node that is not at the top, or unfolds all. */
  setAllCollapsed(isCollapsed: boolean): void {
    const tree = this.tree.peek();
    if (tree === null) return;
    const collapsed = new Uint8Array(tree.size);
    if (isCollapsed)
      for (let node = 0; node < tree.size; node++)
        if (tree.depth[node]! > 0 && hasChildren(tree, node)) collapsed[node] = 1;
    this.collapsed.value = collapsed;
    const selected = this.selected.peek();
    if (selected !== -1 && !this.rows.peek().includes(selected)) {
      let above = selected;
      while (tree.depth[above]! > 1) above = tree.parent[above]!;
      this.select(above);
    }
  }

  /** Left: folds, or goes to the parent. */
  left(): void {
    const tree = this.tree.peek();
    const node = this.selected.peek();
    if (tree === null || node === -1) return;
    if (hasChildren(tree, node) && this.collapsed.peek()[node] !== 1) this.setCollapsed(node, true);
    else this.select(tree.parent[node]!);
  }

  /** Right: unfolds, or goes to the first child. */
  right(): void {
    const tree = this.tree.peek();
    const node = this.selected.peek();
    if (tree === null || node === -1 || !hasChildren(tree, node)) return;
    if (this.collapsed.peek()[node] === 1) this.setCollapsed(node, false);
    else this.move(1);
  }

  nextError(step: 1 | -1): void {
    const tree = this.tree.peek();
    if (tree === null) return;
    const { error } = tree.columns.spans;
    this.select(
      nextMarked(tree, this.selected.peek(), step, (node) => error[node] === 1),
      { center: true },
    );
  }

  nextMatch(step: 1 | -1): void {
    const tree = this.tree.peek();
    const found = this.found.peek();
    if (tree === null || found === null) return;
    this.select(
      nextMarked(tree, this.selected.peek(), step, (node) => found.marked[node] === 1),
      { center: true },
    );
  }

  /** Zooms the time axis to the selected span, with a little room on each side. */
  zoomToSelected(): void {
    const tree = this.tree.peek();
    const node = this.selected.peek();
    if (tree === null || node === -1) return;
    const room = Math.max(tree.durationUs[node]! * 0.05, 1);
    this.range.value = {
      fromUs: Math.max(tree.fromUs, tree.startUs[node]! - room),
      toUs: Math.min(tree.toUs, tree.startUs[node]! + tree.durationUs[node]! + room),
    };
  }
}

function spanIdOf(tree: SpanTree, node: number): string {
  return node === tree.ghost ? "ghost" : tree.columns.spans.spanId[node]!;
}
