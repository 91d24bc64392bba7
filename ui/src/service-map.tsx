import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { CallStats, Dependency, ServiceMap, ServiceStats } from "./api.ts";
import { formatDuration } from "./duration.ts";
import { iconPaths } from "./icons.tsx";
import { boxHeight, boxWidth, layoutMap, type MapBox, type MapLayout, type MapLine } from "./map-layout.ts";
import { countOf, formatCount, formatShare } from "./quantity.ts";
import { colourOf } from "./service-colour.ts";
import { tracesOf } from "./summary-filter.ts";
import type { TimeRange } from "./time-range.ts";

/** Around the drawing, so that nothing is cut off at its edges. */
const margin = 4;
/** A wider map than this share of its natural size would not be legible: it scrolls. */
const leastScale = 0.75;
const boxLetters = 20;
/** A letter of a label, and a line of it, with room to spare. */
const letterPx = 6;
const lineHeight = 15;

/** "1,204 calls, 6.1 % failed, p50 12.0 ms, p95 41.0 ms". */
export function describeCalls({ callCount, errorCount, p50Ms, p95Ms }: CallStats): string {
  const failed = errorCount === 0 ? "none failed" : `${formatShare(errorCount, callCount)} failed`;
  const times = `p50 ${formatDuration(p50Ms * 1000)}, p95 ${formatDuration(p95Ms * 1000)}`;
  return callCount === 0 ? "no calls" : `${countOf(callCount, "call")}, ${failed}, ${times}`;
}

/** Who calls whom in a time, drawn. A service leads to its traces, a line to those in which one calls the other. */
export function ServiceMapDrawing({ map, range }: { map: ServiceMap; range: TimeRange }): JSX.Element {
  const { services, dependencies } = map;
  const shape = JSON.stringify([
    services.map(({ name }) => name),
    dependencies.map(({ parent, child }) => [parent, child]),
  ]);
  // Counts change every few seconds, places only with what there is.
  const layout = useMemo(
    () =>
      layoutMap(
        services.map(({ name }) => name),
        dependencies,
      ),
    [shape],
  );
  /** The service under the pointer, or with the focus: what it has to do with stands out. */
  const chosen = useSignal<string | null>(null);
  const width = layout.width + 2 * margin;
  const height = layout.height + 2 * margin;
  const mostCalls = Math.max(1, ...dependencies.map(({ callCount }) => callCount));
  const isNear = (name: string): boolean =>
    name === chosen.value ||
    dependencies.some(
      ({ parent, child }) => (parent === name && child === chosen.value) || (child === name && parent === chosen.value),
    );
  return (
    <svg
      class={`service-map${chosen.value === null ? "" : " has-chosen"}`}
      role="group"
      aria-label={`${countOf(services.length, "service")}, and who calls whom; the tables below say the same`}
      viewBox={`${-margin} ${-margin} ${width} ${height}`}
      style={{ width: `${width}px`, minWidth: `${Math.min(width, leastScale * width)}px` }}
    >
      <g aria-hidden="true">
        {layout.lines.map((line, index) => (
          <Line
            key={`${line.parent} ${line.child}`}
            line={line}
            calls={dependencies[index]!}
            url={tracesOf(line.child, range, { caller: line.parent })}
            mostCalls={mostCalls}
            isNear={line.parent === chosen.value || line.child === chosen.value}
          />
        ))}
      </g>
      {layout.boxes.map((box, index) => (
        <Box
          key={box.name}
          box={box}
          service={services[index]!}
          url={tracesOf(box.name, range)}
          isNear={isNear(box.name)}
          onChoose={(isChosen) => {
            chosen.value = isChosen ? box.name : null;
          }}
        />
      ))}
      {layout.hasLabels && <Labels layout={layout} dependencies={dependencies} chosen={chosen.value} />}
    </svg>
  );
}

/** How red a line is: something failed can be seen, and from a tenth on it is as red as can be. */
function redness({ errorCount, callCount }: CallStats): number {
  return errorCount === 0 ? 0 : Math.round(20 + 80 * Math.min(1, (10 * errorCount) / callCount));
}

function Line(props: {
  line: MapLine;
  calls: Dependency;
  url: string;
  mostCalls: number;
  isNear: boolean;
}): JSX.Element {
  const { line, calls, url, mostCalls, isNear } = props;
  const { x, y, isLeftward } = line.tip;
  const back = isLeftward ? 7 : -7;
  return (
    <a
      class={`map-line${isNear ? " is-near" : ""}`}
      style={{ "--failed": `${redness(calls)}%` }}
      href={url}
      tabIndex={-1}
    >
      <title>{`${line.parent} calls ${line.child}: ${describeCalls(calls)}`}</title>
      <path class="map-line-room" d={line.path} />
      <path
        class="map-line-stroke"
        d={line.path}
        stroke-width={1.2 + (2 * Math.log(calls.callCount)) / Math.log(mostCalls + 1)}
      />
      <path class="map-line-tip" d={`M${x} ${y}l${back} -4.5v9z`} />
    </a>
  );
}

/** On top of all lines, each on a ground of its own. */
function Labels(props: { layout: MapLayout; dependencies: Dependency[]; chosen: string | null }): JSX.Element {
  const { layout, dependencies, chosen } = props;
  return (
    <g aria-hidden="true">
      {layout.lines.map(({ parent, child, label: { x, y } }, index) => {
        const { callCount, errorCount, p95Ms } = dependencies[index]!;
        const calls = `${formatCount(callCount)} · ${formatDuration(p95Ms * 1000)}`;
        const failed = errorCount === 0 ? "" : `${formatShare(errorCount, callCount)} failed`;
        const width = Math.max(calls.length, failed.length) * letterPx + 8;
        const height = failed === "" ? lineHeight : 2 * lineHeight;
        return (
          <g
            key={`${parent} ${child}`}
            class={`map-label${parent === chosen || child === chosen ? " is-near" : ""}`}
            transform={`translate(${x} ${y - height / 2})`}
          >
            <rect x={-width / 2} width={width} height={height} />
            <text y={11}>{calls}</text>
            {failed !== "" && (
              <text class="map-error" y={11 + lineHeight}>
                {failed}
              </text>
            )}
          </g>
        );
      })}
    </g>
  );
}

function Box(props: {
  box: MapBox;
  service: ServiceStats;
  url: string;
  isNear: boolean;
  onChoose: (isChosen: boolean) => void;
}): JSX.Element {
  const { box, service, url, isNear, onChoose } = props;
  const { name, callCount, errorCount, p95Ms } = service;
  const hasErrors = errorCount > 0;
  const short = name.length > boxLetters ? `${name.slice(0, boxLetters - 1)}…` : name;
  return (
    <g transform={`translate(${box.x} ${box.y})`}>
      <a
        class={`map-box service-${colourOf(name)}${isNear ? " is-near" : ""}`}
        href={url}
        aria-label={`Traces of ${name}: ${describeCalls(service)}`}
        onPointerEnter={() => onChoose(true)}
        onPointerLeave={() => onChoose(false)}
        onFocus={() => onChoose(true)}
        onBlur={() => onChoose(false)}
      >
        <title>{`${name}: ${describeCalls(service)}`}</title>
        <rect class="map-box-frame" width={boxWidth} height={boxHeight} rx={7} />
        <rect class="map-box-dot" x={12} y={11.5} width={9} height={9} rx={2.5} />
        <text class="map-box-name" x={28} y={20.5}>
          {short}
        </text>
        <text class="map-box-calls" x={12} y={39}>
          {callCount === 0 ? "no calls" : `${formatCount(callCount)} · ${formatDuration(p95Ms * 1000)}`}
        </text>
        {hasErrors && (
          <>
            <text class="map-error" x={boxWidth - 12} y={39} text-anchor="end">
              {formatShare(errorCount, callCount)}
            </text>
            <path class="map-error-icon" d={iconPaths.error} transform={`translate(${boxWidth - 26} 9)`} />
          </>
        )}
      </a>
    </g>
  );
}
