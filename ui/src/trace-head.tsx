import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { formatClock, formatDay } from "./clock.ts";
import { CopyButton } from "./copy-button.tsx";
import { formatDuration } from "./duration.ts";
import { Find } from "./find.tsx";
import { Icon } from "./icons.tsx";
import { shortOperation, splitPath } from "./operation.ts";
import { countOf, formatCount } from "./quantity.ts";
import { listUrl } from "./router.ts";
import type { SpanTree } from "./span-tree.ts";
import { ServiceName } from "./summary-row.tsx";
import type { TraceView } from "./trace-view.ts";

/** What the trace is called, and its facts in one line. */
export function TraceHead(props: {
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
  // In the order in which the rows come to them.
  const perService = useMemo(() => {
    const counts = new Map<string, number>();
    for (const node of tree.order) {
      if (node === tree.ghost) continue;
      const name = columns.services[columns.spans.service[node]!]!;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return [...counts];
  }, [tree]);
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
          {perService.map(([name, count]) => (
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
