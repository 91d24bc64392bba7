import { Component, type JSX } from "preact";
import type { Summary, SummaryService } from "./api.ts";
import { formatClock, formatDay } from "./clock.ts";
import { formatDuration } from "./duration.ts";
import { Icon } from "./icons.tsx";
import { shortOperation, splitPath } from "./operation.ts";
import { countOf, formatCount } from "./quantity.ts";
import { colourOf } from "./service-colour.ts";
import { servicesPassed } from "./summary-list.ts";

/** How many of the services fit into a column this wide, told from the length of their names; at least one. */
function countFitting(services: SummaryService[], widthPx: number): number {
  const letterPx = 7;
  let left = widthPx;
  const tooMany = services.findIndex(({ name, errorCount }, index) => {
    left -= name.length * letterPx + 18 + (index > 0 ? 14 : 0) + (errorCount > 0 ? 16 : 0);
    const more = index < services.length - 1 ? 28 : 0;
    return left < more;
  });
  return tooMany === -1 ? services.length : Math.max(1, tooMany);
}

export function ServiceName({ name }: { name: string }): JSX.Element {
  return (
    <span class={`service service-${colourOf(name)}`}>
      <i class="dot" />
      {name}
    </span>
  );
}

function ServicePath({ services, widthPx }: { services: SummaryService[]; widthPx: number }): JSX.Element {
  const named = countFitting(services, widthPx);
  return (
    <>
      {services.slice(0, named).map(({ name, spanCount, errorCount }, index) => (
        <span
          key={name}
          class={`service-step${errorCount > 0 ? " is-error" : ""}`}
          title={`${name}: ${countOf(spanCount, "span")}${errorCount > 0 ? `, ${countOf(errorCount, "error")}` : ""}`}
        >
          {index > 0 && <Icon name="chevron" />}
          <ServiceName name={name} />
          {errorCount > 0 && <Icon name="error" label={countOf(errorCount, "error")} />}
        </span>
      ))}
      {services.length > named && (
        <span
          class="service-step dim"
          title={services
            .slice(named)
            .map(({ name }) => name)
            .join(", ")}
        >
          +{services.length - named}
        </span>
      )}
    </>
  );
}

interface Props {
  summary: Summary;
  longestMs: number;
  /** Width of the column of services. */
  servicesPx: number;
  isCurrent: boolean;
  isFresh: boolean;
}

/** A bar on a logarithmic scale from 0.1 ms, so that 2 ms and 2 s both show. */
function barWidth(ms: number, longestMs: number): number {
  const scale = Math.log10(Math.max(longestMs, 1) / 0.1);
  return Math.max(2, Math.min(100, (Math.log10(Math.max(ms, 0.1) / 0.1) / scale) * 100));
}

/** The link covers its row, all but what has a tooltip of its own; a click there counts as one on the link. */
function followLink(event: MouseEvent & { currentTarget: HTMLElement }): void {
  if ((event.target as Element).closest("a") !== null) return;
  const { ctrlKey, metaKey, shiftKey } = event;
  const link = event.currentTarget.querySelector("a")!;
  link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
}

function Row({ summary, longestMs, servicesPx, isCurrent, isFresh }: Props): JSX.Element {
  const { verb, rest } = splitPath(summary.path ?? shortOperation(summary.rootOperation));
  const isError = summary.errorCount > 0;
  const isToday = formatDay(summary.startMs) === formatDay(Date.now());
  return (
    <div
      class={`summary${isError ? " is-error" : ""}${isCurrent ? " is-current" : ""}${isFresh ? " is-fresh" : ""}`}
      role="row"
      data-trace={summary.traceId}
      onClick={followLink}
    >
      <span role="cell" class="summary-time" title={`${formatDay(summary.startMs)} ${formatClock(summary.startMs)}`}>
        {!isToday && <span class="dim">{formatDay(summary.startMs).slice(5)} </span>}
        {formatClock(summary.startMs).slice(0, 8)}
        <span class="dim">{formatClock(summary.startMs).slice(8)}</span>
      </span>
      <span role="cell" class="summary-name">
        {isError && (
          <span class="error-mark" title={countOf(summary.errorCount, "error")}>
            <Icon name="error" label={countOf(summary.errorCount, "error")} />
          </span>
        )}
        {verb !== "" && <span class="verb">{verb}</span>}
        <a class="summary-path" href={`/trace/${summary.traceId}`}>
          {rest}
        </a>
        {summary.path !== null && (
          <span class="summary-operation" title={summary.rootOperation}>
            {shortOperation(summary.rootOperation)}
          </span>
        )}
        {!summary.complete && (
          <span class="growing" title="The first span of this trace has not arrived yet">
            <span class="pulse" aria-hidden="true" /> growing
          </span>
        )}
      </span>
      <span role="cell" class="summary-services">
        <ServicePath services={servicesPassed(summary)} widthPx={servicesPx} />
      </span>
      <span role="cell" class="number">
        {formatCount(summary.spanCount)}
      </span>
      <span role="cell" class="number summary-duration">
        {formatDuration(summary.durationMs * 1000)}
      </span>
      <span role="cell" class="summary-bar" aria-hidden="true">
        <i style={{ width: `${barWidth(summary.durationMs, longestMs)}%` }} />
      </span>
    </div>
  );
}

/** One trace in the list. It is drawn again only when something of it changed: the list changes several times a second. */
export class SummaryRow extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    const { props } = this;
    return (Object.keys(next) as (keyof Props)[]).some((name) => next[name] !== props[name]);
  }

  override render(props: Props): JSX.Element {
    return <Row {...props} />;
  }
}
