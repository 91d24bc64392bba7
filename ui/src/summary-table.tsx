import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { SummaryRow } from "./summary-row.tsx";
import type { TracesView } from "./traces-view.ts";

/** The rows of the list under their heads. */
export function SummaryTable({ view }: { view: TracesView }): JSX.Element {
  const servicesHead = useRef<HTMLSpanElement>(null);
  const servicesPx = useSignal(360);
  const { value: summaries } = view.summaries;
  const hasRows = summaries.length > 0;
  useEffect(() => {
    if (!hasRows || servicesHead.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry!.contentRect.width > 0) servicesPx.value = Math.round(entry!.contentRect.width);
    });
    observer.observe(servicesHead.current);
    return () => observer.disconnect();
  }, [hasRows]);

  const remember = (event: Event): void => {
    const row = (event.target as Element).closest("[data-trace]");
    if (row !== null) view.cursor.value = row.getAttribute("data-trace");
  };
  const longest = summaries.reduce((most, { durationMs }) => Math.max(most, durationMs), 0);
  return (
    <div class="summary-table" role="table" aria-label="Traces" aria-rowcount={-1} onClick={remember}>
      <div class="summary-head" role="row" hidden={!hasRows}>
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
          isCurrent={summary.traceId === view.cursor.value}
          isFresh={view.fresh.has(summary.traceId)}
        />
      ))}
    </div>
  );
}
