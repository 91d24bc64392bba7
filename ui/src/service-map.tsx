import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { CallStats } from "./api.ts";
import { formatDuration } from "./duration.ts";
import { iconPaths } from "./icons.tsx";
import { boxHeight, boxWidth, layoutMap, type MapBox, type MapLayout, type MapLine } from "./map-layout.ts";
import type { MapCall, MapNode } from "./map-parts.ts";
import { countOf, formatCount, formatShare } from "./quantity.ts";
import { colourOf } from "./service-colour.ts";

/** Around the drawing, so that nothing is cut off at its edges. */
const margin = 4;
/** A wider map than this share of its natural size would not be legible: it scrolls. */
const leastScale = 0.75;
/** So many letters fit beside the icon in the upper line of a box, and into its lower line. */
const boxLetters = 20;
const lineLetters = 25;
/** A letter of a label, and a line of it, with room to spare. */
const letterPx = 6;
const lineHeight = 15;

/** "1,204 calls, 6.1 % failed, p50 12.0 ms, p95 41.0 ms". */
export function describeCalls({ callCount, errorCount, p50Ms, p95Ms }: CallStats): string {
  const failed = errorCount === 0 ? "none failed" : `${formatShare(errorCount, callCount)} failed`;
  const times = `p50 ${formatDuration(p50Ms * 1000)}, p95 ${formatDuration(p95Ms * 1000)}`;
  return callCount === 0 ? "no calls" : `${countOf(callCount, "call")}, ${failed}, ${times}`;
}

/**
 * Who calls whom in a time, drawn. A box leads to the traces of a service, a database or a queue, a line to those in which one
 * calls the other.
 */
export function ServiceMapDrawing({ nodes, calls }: { nodes: MapNode[]; calls: MapCall[] }): JSX.Element {
  const shape = JSON.stringify([nodes.map(({ id }) => id), calls.map(({ parent, child }) => [parent, child])]);
  // Counts change every few seconds, places only with what there is.
  const layout = useMemo(
    () =>
      layoutMap(
        nodes.map(({ id }) => id),
        calls,
      ),
    [shape],
  );
  /** What is under the pointer, or has the focus: what it has to do with stands out. */
  const chosen = useSignal<string | null>(null);
  const width = layout.width + 2 * margin;
  const height = layout.height + 2 * margin;
  const mostCalls = Math.max(1, ...calls.map(({ callCount }) => callCount));
  const isNear = (id: string): boolean =>
    id === chosen.value ||
    calls.some(
      ({ parent, child }) => (parent === id && child === chosen.value) || (child === id && parent === chosen.value),
    );
  return (
    <svg
      class={`service-map${chosen.value === null ? "" : " has-chosen"}`}
      role="group"
      aria-label="Who calls whom; the tables below say the same"
      viewBox={`${-margin} ${-margin} ${width} ${height}`}
      style={{ width: `${width}px`, minWidth: `${Math.min(width, leastScale * width)}px` }}
    >
      <g aria-hidden="true">
        {layout.lines.map((line, index) => (
          <Line
            key={`${line.parent} ${line.child} ${calls[index]!.isLink}`}
            line={line}
            call={calls[index]!}
            mostCalls={mostCalls}
            isNear={line.parent === chosen.value || line.child === chosen.value}
          />
        ))}
      </g>
      {layout.boxes.map((box, index) => (
        <Box
          key={box.name}
          box={box}
          node={nodes[index]!}
          isNear={isNear(box.name)}
          onChoose={(isChosen) => {
            chosen.value = isChosen ? box.name : null;
          }}
        />
      ))}
      {layout.hasLabels && <Labels layout={layout} calls={calls} chosen={chosen.value} />}
    </svg>
  );
}

/** How red a line is: something failed can be seen, and from a tenth on it is as red as can be. */
function redness({ errorCount, callCount }: CallStats): number {
  return errorCount === 0 ? 0 : Math.round(20 + 80 * Math.min(1, (10 * errorCount) / callCount));
}

function Line(props: { line: MapLine; call: MapCall; mostCalls: number; isNear: boolean }): JSX.Element {
  const { line, call, mostCalls, isNear } = props;
  const { x, y, isLeftward } = line.tip;
  const back = isLeftward ? 7 : -7;
  return (
    <a
      class={`map-line${isNear ? " is-near" : ""}${call.isLink ? " is-link" : ""}`}
      style={{ "--failed": `${redness(call)}%` }}
      href={call.url}
      tabIndex={-1}
    >
      <title>{`${call.title}: ${describeCalls(call)}`}</title>
      <path class="map-line-room" d={line.path} />
      <path
        class="map-line-stroke"
        d={line.path}
        stroke-width={1.2 + (2 * Math.log(call.callCount)) / Math.log(mostCalls + 1)}
      />
      <path class="map-line-tip" d={`M${x} ${y}l${back} -4.5v9z`} />
    </a>
  );
}

/** On top of all lines, each on a ground of its own. */
function Labels(props: { layout: MapLayout; calls: MapCall[]; chosen: string | null }): JSX.Element {
  const { layout, chosen } = props;
  return (
    <g aria-hidden="true">
      {layout.lines.map(({ parent, child, label: { x, y } }, index) => {
        const { callCount, errorCount, p95Ms, isLink } = props.calls[index]!;
        const calls = `${formatCount(callCount)} · ${formatDuration(p95Ms * 1000)}`;
        const failed = errorCount === 0 ? "" : `${formatShare(errorCount, callCount)} failed`;
        const width = Math.max(calls.length, failed.length) * letterPx + 8;
        const height = failed === "" ? lineHeight : 2 * lineHeight;
        return (
          <g
            key={`${parent} ${child} ${isLink}`}
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

// Beside the corners of a service: a database is a drum that stands, a queue a pipe that lies.
const drumHeight = 4;
const pipeWidth = 5;
const frames = {
  database: [
    `M0 ${drumHeight}a${boxWidth / 2} ${drumHeight} 0 0 1 ${boxWidth} 0V${boxHeight - drumHeight}a${boxWidth / 2} ${drumHeight} 0 0 1 ${-boxWidth} 0z`,
    `M0 ${drumHeight}a${boxWidth / 2} ${drumHeight} 0 0 0 ${boxWidth} 0`,
  ],
  queue: [
    `M${pipeWidth} 0H${boxWidth - pipeWidth}a${pipeWidth} ${boxHeight / 2} 0 0 1 0 ${boxHeight}H${pipeWidth}a${pipeWidth} ${boxHeight / 2} 0 0 1 0 ${-boxHeight}z`,
    `M${pipeWidth} 0a${pipeWidth} ${boxHeight / 2} 0 0 1 0 ${boxHeight}`,
  ],
} as const;

function Box(props: {
  box: MapBox;
  node: MapNode;
  isNear: boolean;
  onChoose: (isChosen: boolean) => void;
}): JSX.Element {
  const { box, node, isNear, onChoose } = props;
  const { kind, name, system, title, stats, url } = node;
  const { callCount, errorCount, p95Ms } = stats;
  const told = `${title}: ${describeCalls(stats)}`;
  const share = errorCount === 0 ? "" : formatShare(errorCount, callCount);
  const calls = callCount === 0 ? "no calls" : `${formatCount(callCount)} · ${formatDuration(p95Ms * 1000)}`;
  // The lower line of a database says which system it is.
  const isShareAbove = kind !== "service" && share !== "";
  const errorX = boxWidth - 26 - (isShareAbove ? share.length * letterPx + 9 : 0);
  const roomOfShare = isShareAbove ? share.length + 3 : 0;
  const top = kind === "database" ? 21.5 : 20.5;
  const colour = kind === "service" ? `service-${colourOf(name)}` : "map-backing";
  return (
    <g transform={`translate(${box.x} ${box.y})`}>
      <a
        class={`map-box ${colour}${isNear ? " is-near" : ""}`}
        href={url}
        aria-label={`Traces of ${told}`}
        onPointerEnter={() => onChoose(true)}
        onPointerLeave={() => onChoose(false)}
        onFocus={() => onChoose(true)}
        onBlur={() => onChoose(false)}
      >
        <title>{told}</title>
        {kind === "service" ? (
          <>
            <rect class="map-box-frame" width={boxWidth} height={boxHeight} rx={7} />
            <rect class="map-box-dot" x={12} y={11.5} width={9} height={9} rx={2.5} />
          </>
        ) : (
          <>
            <path class="map-box-frame" d={frames[kind][0]} />
            <path class="map-box-rim" d={frames[kind][1]} />
            <path class="map-box-icon" d={iconPaths[kind]} transform="translate(11 11) scale(.8)" />
          </>
        )}
        <text class="map-box-name" x={28} y={top}>
          {cut(name, boxLetters - roomOfShare)}
        </text>
        <text class="map-box-calls" x={12} y={39}>
          {calls}
        </text>
        <text x={boxWidth - 12} y={39} text-anchor="end">
          {cut(system.slice(system.lastIndexOf(".") + 1), lineLetters - calls.length)}
        </text>
        {share !== "" && (
          <>
            <text class="map-error" x={boxWidth - 12} y={isShareAbove ? top : 39} text-anchor="end">
              {share}
            </text>
            <path class="map-error-icon" d={iconPaths.error} transform={`translate(${errorX} 9)`} />
          </>
        )}
      </a>
    </g>
  );
}

function cut(text: string, letters: number): string {
  return text.length > letters ? `${text.slice(0, Math.max(1, letters - 1))}…` : text;
}
