import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Dependency, ServiceMap, ServiceStats } from "./api.ts";
import { formatSince } from "./clock.ts";
import { FirstRun } from "./first-run.tsx";
import { useKeys } from "./keyboard.ts";
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

function TracesLink({ url, hint, service }: { url: string; hint: string; service: string }): JSX.Element {
  return (
    <a href={url} title={hint}>
      <ServiceName name={service} />
    </a>
  );
}

/** The columns with names of both tables, whose links lead to traces of the same time. */
function columnsOf(range: TimeRange): {
  services: NameColumn<ServiceStats>[];
  dependencies: NameColumn<Dependency>[];
} {
  return {
    services: [
      {
        title: "Service",
        of: ({ name }) => name,
        cell: ({ name }) => <TracesLink url={tracesOf(name, range)} hint={`Traces of ${name}`} service={name} />,
      },
    ],
    dependencies: [
      { title: "Caller", of: ({ parent }) => parent, cell: ({ parent }) => <ServiceName name={parent} /> },
      {
        title: "Called",
        of: ({ child }) => child,
        cell: ({ parent, child }) => (
          <TracesLink
            url={tracesOf(child, range, { caller: parent })}
            hint={`Traces in which ${parent} calls ${child}`}
            service={child}
          />
        ),
      },
    ],
  };
}

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
  const columns = columnsOf(range);
  return (
    <div class="services-body">
      <figure class="map-room">
        <ServiceMapDrawing map={map} range={range} />
        <figcaption class="dim">
          Calls · p95, and the share that failed: of a line, where either end says so. It is timed by the service it
          leads to.
        </figcaption>
      </figure>
      <div class="services-tables" ref={tables}>
        <StatsTable
          caption="Services"
          names={columns.services}
          rows={map.services}
          failures={({ name }) => ({
            url: tracesOf(name, range, { failed: true }),
            hint: `show the traces in which ${name} failed`,
          })}
          current={cursor.value}
        />
        {map.dependencies.length > 0 && (
          <StatsTable
            caption="Who calls whom"
            names={columns.dependencies}
            rows={map.dependencies}
            failures={({ parent, child }) => ({
              url: tracesOf(child, range, { caller: parent, failed: true }),
              hint: `show the traces in which ${parent} called ${child} and it failed at either end`,
            })}
          />
        )}
      </div>
    </div>
  );
}
