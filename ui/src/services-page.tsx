import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { CallStats, ServiceMap } from "./api.ts";
import { formatSince } from "./clock.ts";
import { FirstRun } from "./first-run.tsx";
import { Icon } from "./icons.tsx";
import { useKeys } from "./keyboard.ts";
import { type MapCall, type MapNode, partsOf } from "./map-parts.ts";
import { ProblemBanner } from "./problem-banner.tsx";
import { countOf, formatCount } from "./quantity.ts";
import { navigate } from "./router.ts";
import { ServiceMapDrawing } from "./service-map.tsx";
import { type ServicesView, servicesView } from "./services-view.ts";
import { type NameColumn, StatsTable } from "./stats-table.tsx";
import { tracesOf } from "./summary-filter.ts";
import { ServiceName } from "./summary-row.tsx";
import { listenToTail, stats } from "./tail.ts";
import { allKept, describeRange, type TimeRange } from "./time-range.ts";
import { TimeRangeField } from "./time-range-field.tsx";

export function ServicesPage(): JSX.Element {
  const view = servicesView;
  useEffect(() => {
    const readUrl = (): void => {
      if (location.pathname.startsWith("/services")) view.open(new URLSearchParams(location.search));
    };
    readUrl();
    addEventListener("popstate", readUrl);
    const stop = listenToTail({ onSummaries: () => view.hear(), onReconnect: () => void view.load() });
    return () => {
      stop();
      removeEventListener("popstate", readUrl);
      view.close();
    };
  }, []);

  const { value: map } = view.map;
  const { value: problem } = view.problem;
  const isEmpty = map !== null && map.services.length === 0;
  if (isEmpty && stats.value?.traces === 0)
    return (
      <main class="services">
        <FirstRun />
      </main>
    );
  return (
    <main class="services">
      <ServicesBar view={view} map={map} />
      <ProblemBanner problem={problem} retry={() => void view.load()} />
      {isEmpty ? (
        <div class="empty">
          <h1>No service was called</h1>
          <p>
            {describeRange(view.range.value)}: no trace.{" "}
            <button type="button" class="link-button" onClick={() => view.look(allKept)}>
              Look at all that is kept
            </button>
          </p>
        </div>
      ) : (
        map !== null && <Services map={map} range={view.range.value} />
      )}
    </main>
  );
}

/** "2 databases, 1 queue"; how many there are when not all are given. */
function describeBackings({ backings, backingCount }: ServiceMap): string {
  if (backings.length < backingCount)
    return `the ${backings.length} busiest of ${formatCount(backingCount)} databases and queues`;
  const databases = backings.filter(({ kind }) => kind === "database").length;
  const queues = backings.length - databases;
  return [databases > 0 && countOf(databases, "database"), queues > 0 && countOf(queues, "queue")]
    .filter(Boolean)
    .join(", ");
}

/** The time that is looked at, and what was found in it. */
function ServicesBar({ view, map }: { view: ServicesView; map: ServiceMap | null }): JSX.Element {
  return (
    <div class="filter-bar">
      <TimeRangeField range={view.range.value} onChange={(range) => view.look(range)} />
      {map !== null && (
        <span class="services-facts">
          <span>
            {map.services.length < map.serviceCount
              ? `the ${map.services.length} busiest of ${formatCount(map.serviceCount)} services`
              : countOf(map.serviceCount, "service")}
          </span>
          {map.backingCount > 0 && <span>{describeBackings(map)}</span>}
          {map.cutAtMs === null ? (
            <span>{countOf(map.spanCount, "span")}</span>
          ) : (
            <span class="services-cut">
              only the newest {countOf(map.spanCount, "span")}, since {formatSince(map.cutAtMs, Date.now())}
            </span>
          )}
        </span>
      )}
      {map !== null && map.cutAtMs !== null && !view.isCountingMore.value && (
        <button type="button" class="button" onClick={() => view.countMore()}>
          Count more
        </button>
      )}
    </div>
  );
}

/** A service with its colour; a database or a queue with its sign, and what tells it from others. */
function NodeName({ node }: { node: MapNode }): JSX.Element {
  const { kind, name, title, system } = node;
  if (kind === "service") return <ServiceName name={name} />;
  return (
    <span class="backing" title={title}>
      <Icon name={kind} label={kind} />
      {name}
      {system !== "" && <span class="dim"> {system}</span>}
    </span>
  );
}

const nodeNames = (title: string): NameColumn<NodeRow>[] => [
  {
    title,
    of: ({ node }) => node.id,
    cell: ({ node }) => (
      <a href={node.url} title={`Traces of ${node.title}`}>
        <NodeName node={node} />
      </a>
    ),
  },
];

const callNames: NameColumn<MapCall>[] = [
  { title: "Caller", of: ({ parent }) => parent, cell: ({ from }) => <NodeName node={from} /> },
  {
    title: "Called",
    of: ({ child, isLink }) => (isLink ? `${child} by link` : child),
    cell: ({ to, title, url, isLink }) => (
      <a href={url} title={`Traces in which ${title}`}>
        <NodeName node={to} />
        {isLink && <span class="dim"> by link</span>}
      </a>
    ),
  },
];

/** A service, a database or a queue as a row. */
type NodeRow = CallStats & { node: MapNode };

const rowOf = (node: MapNode): NodeRow => ({ ...node.stats, node });

function Services({ map, range }: { map: ServiceMap; range: TimeRange }): JSX.Element {
  const tables = useRef<HTMLDivElement>(null);
  /** The service that the keys have reached. */
  const cursor = useSignal<string | null>(null);
  const move = (step: number): void => {
    // As they stand on screen: the table knows its order.
    const rows = [...tables.current!.querySelectorAll<HTMLElement>("table:first-child [data-row]")];
    const now = rows.findIndex(({ dataset }) => dataset.row === cursor.peek());
    const reached = rows[Math.max(0, Math.min(rows.length - 1, now + step))];
    reached?.scrollIntoView({ block: "nearest" });
    cursor.value = reached?.dataset.row ?? null;
  };
  useKeys({
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    Enter: () => {
      if (cursor.peek() !== null) navigate(tracesOf(cursor.peek()!, range));
    },
  });
  const { nodes, calls } = partsOf(map, range);
  const backings = nodes.filter(({ kind }) => kind !== "service");
  const failuresOf = ({ node }: NodeRow): { url: string; hint: string } => ({
    url: node.failedUrl,
    hint: `show the traces in which ${node.title} failed`,
  });
  return (
    <div class="services-body">
      <figure class="map-room">
        <ServiceMapDrawing nodes={nodes} calls={calls} />
        <figcaption class="dim">
          Calls · p95, and the share that failed: of a line, where either end says so. It is timed by the service it
          leads to{backings.length > 0 && "; a database or a queue by those that call it"}.
          <Legend nodes={nodes} calls={calls} />
        </figcaption>
      </figure>
      <div class="services-tables" ref={tables}>
        <div>
          <StatsTable
            caption="Services"
            names={nodeNames("Service")}
            rows={nodes.filter(({ kind }) => kind === "service").map(rowOf)}
            failures={failuresOf}
            current={cursor.value}
          />
          {backings.length > 0 && (
            <StatsTable
              caption="Databases and queues"
              names={nodeNames("Name")}
              rows={backings.map(rowOf)}
              failures={failuresOf}
            />
          )}
        </div>
        {calls.length > 0 && (
          <StatsTable
            caption="Who calls whom"
            names={callNames}
            rows={calls}
            failures={({ failedUrl, title, from, to, isLink }) => ({
              url: failedUrl,
              // What has no spans of its own cannot say so, and a link is no call.
              hint: `show the traces in which ${title} and it failed${isLink || from.kind !== to.kind ? "" : " at either end"}`,
            })}
          />
        )}
      </div>
    </div>
  );
}

/** What the shapes in the drawing are, of those that are there. */
function Legend({ nodes, calls }: { nodes: MapNode[]; calls: MapCall[] }): JSX.Element | null {
  const signs = [
    nodes.some(({ kind }) => kind === "database") && "a drum is a database",
    nodes.some(({ kind }) => kind === "queue") && "a pipe is a queue",
    calls.some(({ isLink }) => isLink) && "a dashed line is a link, where no parent leads",
  ].filter((sign) => sign !== false);
  const text = signs.join(", ");
  if (text === "") return null;
  return (
    <>
      <br />
      {`${text[0]!.toUpperCase()}${text.slice(1)}.`}
    </>
  );
}
