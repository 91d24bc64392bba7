import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { useKeys } from "./keyboard.ts";
import { Minimap } from "./minimap.tsx";
import { listUrl, navigate } from "./router.ts";
import { SpanPanel } from "./span-panel.tsx";
import type { SpanTree } from "./span-tree.ts";
import { TraceHead } from "./trace-head.tsx";
import { TraceView } from "./trace-view.ts";
import { tracesView } from "./traces-view.ts";
import { WaterfallGrid } from "./waterfall-grid.tsx";

export function TracePage({ traceId }: { traceId: string }): JSX.Element {
  const view = useMemo(() => new TraceView(traceId, tracesView.known(traceId)), [traceId]);
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
