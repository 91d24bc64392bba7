import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { ApiError, type Attribute, type SpanDetails, type SpanEvent } from "./api.ts";
import { formatClock, formatDay } from "./clock.ts";
import { CopyButton } from "./copy-button.tsx";
import { formatDuration } from "./duration.ts";
import { Icon, type IconName } from "./icons.tsx";
import { selfTimeUs } from "./span-tree.ts";
import { ServiceName } from "./summary-row.tsx";
import type { TraceView } from "./trace-view.ts";
import { kindName } from "./waterfall.ts";

/** While the selection runs along the rows, only where it rests is asked for. */
const restMs = 60;

/** Everything about the selected span, beside the waterfall. */
export function SpanPanel({ view }: { view: TraceView }): JSX.Element | null {
  const tree = view.tree.value;
  const node = view.selected.value;
  const details = useSignal<SpanDetails | ApiError | null>(null);
  const body = useRef<HTMLDivElement>(null);
  const isGhost = tree !== null && node === tree.ghost;
  const spanId = tree === null || node === -1 || isGhost ? "" : tree.columns.spans.spanId[node]!;

  useEffect(() => {
    if (spanId === "") return;
    let isCurrent = true;
    const timer = setTimeout(() => {
      view.details(spanId).then(
        (found) => {
          if (isCurrent) details.value = found;
        },
        (error: unknown) => {
          if (isCurrent) details.value = error instanceof ApiError ? error : new ApiError(0, String(error));
        },
      );
    }, restMs);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [spanId]);
  useLayoutEffect(() => {
    if (body.current) body.current.scrollTop = 0;
  }, [spanId]);

  if (tree === null || node === -1) return null;
  const close = (): void => {
    view.isPanelOpen.value = false;
  };
  if (isGhost) {
    return (
      <aside class="panel" aria-label="Span details">
        <header class="panel-head">
          <h2>Parent not received</h2>
          <PanelClose close={close} />
        </header>
        <div class="panel-body">
          <p>
            The spans under this row name a parent that the collector has not received. Its service may not be traced,
            may still be working on the request, or could not send what it recorded.
          </p>
        </div>
      </aside>
    );
  }

  const { spans, services, operations } = tree.columns;
  const kind = spans.kind[node]!;
  const isError = spans.error[node] === 1;
  const now = details.value;
  const isLoaded = now !== null && !(now instanceof ApiError) && now.spanId === spanId;
  const share = (tree.durationUs[node]! / (tree.toUs - tree.fromUs)) * 100;
  return (
    <aside class="panel" aria-label="Span details">
      <header class="panel-head">
        <div>
          <div class="panel-kicker">
            <ServiceName name={services[spans.service[node]!]!} />
            <span class="panel-kind">
              {kind > 1 && <Icon name={kindName(kind) as IconName} />} {kindName(kind)}
            </span>
            {isError && (
              <span class="error-mark">
                <Icon name="error" /> error
              </span>
            )}
          </div>
          <h2>{operations[spans.operation[node]!]}</h2>
        </div>
        <PanelClose close={close} />
      </header>
      <dl class="facts">
        <div>
          <dt>Duration</dt>
          <dd>{formatDuration(tree.durationUs[node]!)}</dd>
        </div>
        <div>
          <dt>Self</dt>
          <dd title="The time that none of its children covers">{formatDuration(selfTimeUs(tree, node))}</dd>
        </div>
        <div>
          <dt>Starts at</dt>
          <dd title={isLoaded ? `${formatDay(now.startMs)} ${formatClock(now.startMs)}` : ""}>
            {formatDuration(tree.startUs[node]!)}
          </dd>
        </div>
        <div>
          <dt>Of trace</dt>
          <dd>{share < 0.1 ? "<0.1" : share.toFixed(share < 10 ? 1 : 0)} %</dd>
        </div>
      </dl>
      <div class="panel-body" ref={body}>
        {now instanceof ApiError && <p class="error-text">{now.message}</p>}
        {isLoaded && <Details details={now} view={view} />}
      </div>
    </aside>
  );
}

function PanelClose({ close }: { close: () => void }): JSX.Element {
  return (
    <button type="button" class="icon-button" aria-label="Close details" title="Close (Esc)" onClick={close}>
      <Icon name="close" />
    </button>
  );
}

function Details({ details, view }: { details: SpanDetails; view: TraceView }): JSX.Element {
  const exceptions = details.events.filter(({ name }) => name === "exception");
  const events = details.events.filter(({ name }) => name !== "exception");
  const url = (): string => `${location.origin}/trace/${view.traceId}#${details.spanId}`;
  const failed = details.status.code === 2;
  return (
    <>
      {failed && details.status.message !== "" && exceptions.length === 0 && (
        <div class="exception">
          <p class="exception-message">{details.status.message}</p>
        </div>
      )}
      {exceptions.map((event, index) => (
        <Exception key={index} event={event} />
      ))}
      <Section title="Attributes" count={details.attributes.length}>
        <Attributes attributes={details.attributes} canFilter />
      </Section>
      {events.length > 0 && (
        <Section title="Events" count={events.length}>
          {events.map((event, index) => (
            <div class="event" key={index}>
              <h4>
                <span class="event-time">+{formatDuration((event.timeMs - details.startMs) * 1000)}</span> {event.name}
              </h4>
              <Attributes attributes={event.attributes} />
            </div>
          ))}
        </Section>
      )}
      {details.links.length > 0 && (
        <Section title="Links" count={details.links.length}>
          {details.links.map((link) => (
            <div class="event" key={link.spanId}>
              <h4>
                <a href={`/trace/${link.traceId}#${link.spanId}`}>
                  <Icon name="link" /> {link.traceId.slice(0, 8)}…{link.traceId === view.traceId ? " (this trace)" : ""}{" "}
                  / {link.spanId}
                </a>
              </h4>
              <Attributes attributes={link.attributes} />
            </div>
          ))}
        </Section>
      )}
      <Section title="Resource" count={details.resource.length}>
        <Attributes attributes={details.resource} canFilter />
      </Section>
      <Section title="Identity">
        <Attributes
          attributes={[
            { key: "span id", value: details.spanId },
            { key: "parent", value: details.parentSpanId || "none" },
            { key: "trace id", value: view.traceId },
            ...(details.scope.name === ""
              ? []
              : [{ key: "scope", value: `${details.scope.name} ${details.scope.version}`.trim() }]),
          ]}
        />
        <div class="panel-actions">
          <CopyButton text={url} label="Copy a link to this span">
            Link
          </CopyButton>
          <CopyButton text={() => JSON.stringify(details, null, 2)} label="Copy the span as JSON">
            JSON
          </CopyButton>
        </div>
      </Section>
    </>
  );
}

function Section(props: { title: string; count?: number; children: ComponentChildren }): JSX.Element {
  return (
    <details class="section" open>
      <summary>
        <Icon name="chevron" /> {props.title} {props.count !== undefined && <span class="dim">{props.count}</span>}
      </summary>
      {props.children}
    </details>
  );
}

function Exception({ event }: { event: SpanEvent }): JSX.Element {
  const value = (key: string): string => text(event.attributes.find((attribute) => attribute.key === key)?.value ?? "");
  const type = value("exception.type");
  const message = value("exception.message");
  const stack = value("exception.stacktrace");
  const rest = event.attributes.filter(({ key }) => !key.startsWith("exception.") || key === "exception.escaped");
  return (
    <div class="exception">
      <h3>
        <Icon name="error" /> {type || "exception"}
        {stack !== "" && <CopyButton text={stack} label="Copy the stack" />}
      </h3>
      {message !== "" && <p class="exception-message">{message}</p>}
      {stack !== "" && <Stack stack={stack} heading={`${type}: ${message}`} />}
      {rest.length > 0 && <Attributes attributes={rest} />}
    </div>
  );
}

/** Frames one a line; those of the runtime and of libraries step back. */
function Stack({ stack, heading }: { stack: string; heading: string }): JSX.Element {
  const lines = stack.split("\n");
  // The first line of a V8 stack says type and message again.
  if (lines.length > 1 && (lines[0] === heading || !lines[0]!.trimStart().startsWith("at "))) {
    if (lines[1]!.trimStart().startsWith("at ")) lines.shift();
  }
  return (
    <pre class="stack">
      {lines.map((line, index) => (
        <span key={index} class={/node:|node_modules/.test(line) ? "dim" : ""}>
          {line.trim()}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}

function Attributes({ attributes, canFilter = false }: { attributes: Attribute[]; canFilter?: boolean }): JSX.Element {
  if (attributes.length === 0) return <p class="none">none</p>;
  return (
    <dl class="attributes">
      {attributes.map(({ key, value }) => (
        <div key={key}>
          <dt title={key}>{key}</dt>
          <dd class={`is-${typeof value}`}>
            <span class="attribute-value">{text(value)}</span>
            <span class="attribute-actions">
              {canFilter && isFilterable(value) && (
                <a
                  class="icon-button"
                  href={filterUrl(key, value)}
                  title="Traces that have this too"
                  aria-label="Traces that have this too"
                >
                  <Icon name="search" />
                </a>
              )}
              <CopyButton text={text(value)} label="Copy the value" />
            </span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function isFilterable(value: unknown): boolean {
  return (
    (typeof value === "string" && value !== "" && !/["\n]/.test(value)) ||
    typeof value === "number" ||
    typeof value === "boolean"
  );
}

function filterUrl(key: string, value: unknown): string {
  return `/?${new URLSearchParams({ tag: `${key}:${value}` })}`;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
