import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { formatClock, formatDay } from "./clock.ts";
import { CopyButton } from "./copy-button.tsx";
import { formatDuration } from "./duration.ts";
import { Icon } from "./icons.tsx";
import { useKeys } from "./keyboard.ts";
import { Minimap } from "./minimap.tsx";
import { shortOperation, splitPath } from "./operation.ts";
import { countOf, formatCount } from "./quantity.ts";
import { listUrl, navigate } from "./router.ts";
import { SpanPanel } from "./span-panel.tsx";
import type { SpanTree } from "./span-tree.ts";
import { ServiceName } from "./summary-row.tsx";
import { rulerTicks } from "./time-ruler.ts";
import { TraceView } from "./trace-view.ts";
import { knownSummary } from "./traces-page.tsx";
import { Waterfall } from "./waterfall.ts";

/** A letter of the ruler, with room to spare. */
const letterPx = 7;
const storedNameWidth = "clew.name-width";

export function TracePage({ traceId }: { traceId: string }): JSX.Element {
  const view = useMemo(() => new TraceView(traceId, knownSummary(traceId)), [traceId]);
  useEffect(() => {
    view.open();
    const onHash = (): void => view.selectFromHash();
    addEventListener("hashchange", onHash);
    addEventListener("popstate", onHash);
    return () => {
      removeEventListener("hashchange", onHash);
      removeEventListener("popstate", onHash);
      view.close();
    };
  }, [view]);
  useTraceKeys(view);

  const tree = view.tree.value;
  const problem = view.problem.value;
  const root = tree === null ? -1 : rootOf(tree);
  const { spans, services, operations } = tree?.columns ?? {};
  const title = view.path.value ?? (tree === null ? traceId.slice(0, 8) : operations![spans!.operation[root]!]!);
  const service = tree === null ? "" : services![spans!.service[root]!]!;
  useEffect(() => {
    document.title = `${[title, service].filter(Boolean).join(" · ")} · Clew`;
  }, [title, service]);

  if (tree === null) {
    return (
      <main class="empty">
        {problem !== null && (
          <>
            <h1>{problem.status === 404 ? "This trace is not here" : "The trace could not be read"}</h1>
            <p>
              {problem.status === 404
                ? "It may have gone the way of the oldest when room was needed, or is still to come: should it arrive, it appears here by itself."
                : problem.message}
            </p>
            <p class="mono dim">{traceId}</p>
            <p>
              <a href={listUrl.value}>To the traces</a>
            </p>
          </>
        )}
      </main>
    );
  }
  return (
    <main class="trace">
      <TraceHead
        view={view}
        tree={tree}
        title={title}
        service={service}
        operation={operations![spans!.operation[root]!]!}
      />
      <Minimap view={view} />
      <div class="trace-main">
        <WaterfallGrid view={view} tree={tree} />
        {view.isPanelOpen.value && <SpanPanel view={view} />}
      </div>
    </main>
  );
}

/** The span that names the trace: the first root, or while there is none the first span. */
function rootOf(tree: SpanTree): number {
  const isSpan = (node: number): boolean => node !== tree.ghost;
  return tree.order.find((node) => isSpan(node) && tree.parent[node] === -1) ?? tree.order.find(isSpan)!;
}

function TraceHead(props: {
  view: TraceView;
  tree: SpanTree;
  title: string;
  service: string;
  operation: string;
}): JSX.Element {
  const { view, tree, title, operation } = props;
  const { columns } = tree;
  const count = columns.spans.spanId.length;
  const errors = tree.errorsBefore[tree.size]!;
  const { verb, rest } = splitPath(title);
  const perService = useMemo(() => {
    const counts = new Uint32Array(columns.services.length);
    for (const service of columns.spans.service) counts[service]!++;
    return columns.services.map((name, index) => ({ name, count: counts[index]! })).filter(({ count }) => count > 0);
  }, [columns]);
  return (
    <header class="trace-head">
      <div class="trace-title">
        <a class="icon-button" href={listUrl.value} aria-label="Back to the traces" title="Back to the traces (u)">
          <Icon name="back" />
        </a>
        <h1>
          {verb !== "" && <span class="verb">{verb}</span>} {rest}
        </h1>
        {title !== operation && (
          <span class="summary-operation" title={operation}>
            {shortOperation(operation)}
          </span>
        )}
        {view.isIncomplete.value && <Incomplete endMs={columns.startMs + columns.durationMs} />}
        <div class="top-space" />
        <span class="trace-id mono dim">{view.traceId}</span>
        <CopyButton text={view.traceId} label="Copy the trace id" />
      </div>
      <div class="trace-facts">
        <span>
          <b>{formatDuration(tree.toUs - tree.fromUs)}</b>
        </span>
        <span>
          {formatDay(columns.startMs)} {formatClock(columns.startMs)}
        </span>
        <span>{countOf(count, "span")}</span>
        {errors > 0 && (
          <button type="button" class="error-mark link-button" title="Next error (e)" onClick={() => view.nextError(1)}>
            <Icon name="error" /> {countOf(errors, "error")}
          </button>
        )}
        <span>{countOf(perService.length, "service")}</span>
        <span class="trace-services">
          {perService.map(({ name, count }) => (
            <button
              type="button"
              key={name}
              class="link-button"
              title={`Find the spans of ${name}`}
              onClick={() => {
                const query = `service:${name}`;
                view.query.value = view.query.peek() === query ? "" : query;
              }}
            >
              <ServiceName name={name} /> <span class="dim">{formatCount(count)}</span>
            </button>
          ))}
        </span>
        <div class="top-space" />
        <Find view={view} />
      </div>
    </header>
  );
}

/** A trace this old gets no more spans, as a rule: exporters send every few seconds. */
const settledMs = 60_000;

function Incomplete({ endMs }: { endMs: number }): JSX.Element {
  const isSettled = Date.now() - endMs > settledMs;
  return (
    <span class="growing" title="The root or a parent has not arrived. If it comes, it appears here by itself.">
      {isSettled ? <Icon name="ghost" /> : <span class="pulse" aria-hidden="true" />}
      {isSettled ? "spans missing" : "waiting for spans"}
    </span>
  );
}

function Find({ view }: { view: TraceView }): JSX.Element {
  const found = view.found.value;
  const at = useComputed(() => {
    const tree = view.tree.value;
    const now = view.found.value;
    const node = view.selected.value;
    if (tree === null || now === null || node === -1 || now.marked[node] !== 1) return 0;
    let before = 0;
    for (let place = 0; place <= tree.place[node]!; place++) before += now.marked[tree.order[place]!]!;
    return before;
  });
  return (
    <div class="find" role="search">
      <label class="field">
        <Icon name="search" />
        <input
          id="find"
          placeholder="Find spans"
          aria-label="Find spans"
          title="error, >10ms, kind:client, service:user, -term, or any word"
          autocomplete="off"
          spellcheck={false}
          value={view.query.value}
          onInput={(event) => {
            view.query.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") {
              event.preventDefault();
              view.nextMatch(event.shiftKey ? -1 : 1);
            } else if (event.key === "Escape") {
              if (view.query.peek() === "") event.currentTarget.blur();
              view.query.value = "";
              event.stopPropagation();
            }
          }}
        />
        {found !== null && (
          <span class={`find-count${found.count === 0 ? " is-none" : ""}`} role="status">
            {at.value > 0 ? `${formatCount(at.value)}/` : ""}
            {formatCount(found.count)}
          </span>
        )}
      </label>
      {found !== null && (
        <>
          <button
            type="button"
            class="icon-button"
            aria-label="Previous match"
            title="Previous match (N)"
            onClick={() => view.nextMatch(-1)}
          >
            <Icon name="up" />
          </button>
          <button
            type="button"
            class="icon-button"
            aria-label="Next match"
            title="Next match (n)"
            onClick={() => view.nextMatch(1)}
          >
            <Icon name="down" />
          </button>
          <button
            type="button"
            class={`button${view.onlyMatches.value ? " is-on" : ""}`}
            aria-pressed={view.onlyMatches.value}
            title="Show the matches and what is above them only"
            onClick={() => {
              view.onlyMatches.value = !view.onlyMatches.peek();
            }}
          >
            Only matches
          </button>
        </>
      )}
    </div>
  );
}

function WaterfallGrid({ view, tree }: { view: TraceView; tree: SpanTree }): JSX.Element {
  const grid = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const ruler = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  const waterfall = useRef<Waterfall | undefined>(undefined);

  useEffect(() => {
    const rows = new Waterfall(grid.current!, scroller.current!, {
      onSelect: (node) => {
        view.select(node);
        view.isPanelOpen.value = true;
      },
      onToggle: (node, isDeep) => view.toggle(node, isDeep),
    });
    waterfall.current = rows;
    const stored = localStorage.getItem(storedNameWidth);
    if (stored !== null) grid.current!.style.setProperty("--name-width", stored);
    grid.current!.focus({ preventScroll: true });
    const observer = new ResizeObserver(([entry]) => {
      width.value = entry!.contentRect.width;
    });
    observer.observe(ruler.current!);
    return () => {
      observer.disconnect();
      rows.close();
    };
  }, []);

  useSignalEffect(() => {
    const now = view.tree.value;
    if (now === null) return;
    const range = view.range.value ?? now;
    waterfall.current!.update({
      tree: now,
      rows: view.rows.value,
      collapsed: view.collapsed.value,
      selected: view.selected.value,
      marked: view.found.value?.marked ?? null,
      fromUs: range.fromUs,
      toUs: range.toUs,
    });
  });
  useSignalEffect(() => {
    const wish = view.wish.value;
    if (wish !== null) waterfall.current!.reveal(wish.node, wish.center);
  });
  view.pageSize = () => waterfall.current?.pageSize ?? 1;

  const range = view.range.value ?? tree;
  const whole = range.toUs - range.fromUs;
  // Zoomed in, labels are longer: 292.356 ms.
  const gapPx = view.range.value === null ? 72 : 90;
  const ticks = rulerTicks(range.fromUs, range.toUs, width.value, gapPx).map(({ us, label }) => {
    const share = (us - range.fromUs) / whole;
    // A label that would not fit before the end is left out; its line stays.
    return { label: (1 - share) * width.value < 10 + label.length * letterPx ? "" : label, left: `${share * 100}%` };
  });

  const onSplit = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const bounds = grid.current!.getBoundingClientRect();
    const share = Math.max(0.2, Math.min(0.7, (event.clientX - bounds.left) / bounds.width));
    const value = `${(share * 100).toFixed(1)}%`;
    grid.current!.style.setProperty("--name-width", value);
    localStorage.setItem(storedNameWidth, value);
  };

  return (
    <div class="waterfall" ref={grid} role="treegrid" aria-label="Spans" aria-colcount={3} tabIndex={0}>
      <div class="waterfall-head" role="row" aria-rowindex={1}>
        <div class="cell cell-name" role="columnheader">
          <span>Span</span>
          <span class="head-actions">
            <button
              type="button"
              class="link-button"
              title="Fold all below the first level"
              onClick={() => view.setAllCollapsed(true)}
            >
              Fold
            </button>
            <button type="button" class="link-button" title="Unfold all" onClick={() => view.setAllCollapsed(false)}>
              Unfold
            </button>
          </span>
        </div>
        <div class="cell cell-duration" role="columnheader">
          Duration
        </div>
        <div class="cell cell-timeline" role="columnheader" aria-label="Timeline">
          <div class="ruler" ref={ruler}>
            {ticks.map(({ label, left }) => (
              <span class="tick" key={left} style={{ left }}>
                {label}
              </span>
            ))}
          </div>
        </div>
      </div>
      <div class="waterfall-body">
        <div class="grid-lines" aria-hidden="true">
          <div>
            {ticks.map(({ left }) => (
              <i key={left} style={{ left }} />
            ))}
          </div>
        </div>
        <div class="waterfall-rows" ref={scroller} tabIndex={-1} />
      </div>
      <div class="splitter-box" aria-hidden="true">
        <div
          class="splitter"
          onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
          onPointerMove={onSplit}
        />
      </div>
    </div>
  );
}

function useTraceKeys(view: TraceView): void {
  const down = (): void => view.move(1);
  const up = (): void => view.move(-1);
  useKeys({
    j: down,
    ArrowDown: down,
    k: up,
    ArrowUp: up,
    ArrowLeft: () => view.left(),
    ArrowRight: () => view.right(),
    h: () => view.left(),
    l: () => view.right(),
    Home: () => view.move(Number.NEGATIVE_INFINITY),
    End: () => view.move(Number.POSITIVE_INFINITY),
    PageDown: () => view.move(view.pageSize()),
    PageUp: () => view.move(-view.pageSize()),
    Enter: () => {
      if (view.selected.peek() === -1) view.move(1);
      view.isPanelOpen.value = !view.isPanelOpen.peek();
    },
    "/": () => document.getElementById("find")?.focus(),
    n: () => view.nextMatch(1),
    N: () => view.nextMatch(-1),
    e: () => view.nextError(1),
    E: () => view.nextError(-1),
    z: () => view.zoomToSelected(),
    u: () => navigate(listUrl.peek()),
    Escape: () => {
      if (view.range.peek() !== null) view.range.value = null;
      else if (view.isPanelOpen.peek()) view.isPanelOpen.value = false;
      else view.query.value = "";
    },
  });
}
