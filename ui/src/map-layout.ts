/** The box of a service, and the room between boxes, in pixels. */
export const boxWidth = 184;
export const boxHeight = 50;
const boxGap = 22;
/** Between two columns; the narrow one when there are so many columns that labels on the lines would take too much. */
const wideGap = 128;
const narrowGap = 60;
const mostWideColumns = 4;
/** A line that passes a column takes so much of its height. */
const laneHeight = 12;
const labelHeight = 34;
const portGap = 11;
/** Boxes of services that call nobody and that nobody calls stand in rows of this many, unless the map is wider. */
const looseColumns = 4;
const sweeps = 8;

export interface Call {
  readonly parent: string;
  readonly child: string;
  readonly callCount: number;
}

export interface MapBox {
  readonly name: string;
  /** The upper left corner. */
  readonly x: number;
  readonly y: number;
}

/** The line of one call. */
export interface MapLine {
  readonly parent: string;
  readonly child: string;
  /** SVG path data, from the caller to the one it calls. */
  readonly path: string;
  /** The end of the line, and which way it points there. */
  readonly tip: { readonly x: number; readonly y: number; readonly isLeftward: boolean };
  /** The middle of its label. */
  readonly label: { readonly x: number; readonly y: number };
}

export interface MapLayout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly MapBox[];
  /** In the order of the calls given. */
  readonly lines: readonly MapLine[];
  /** Whether there is room for a label on each line. */
  readonly hasLabels: boolean;
}

/** A service, or the place where a line passes a column. */
interface Place {
  column: number;
  /** Its middle. */
  y: number;
  /** With its share of the gaps above and below. */
  readonly height: number;
  /** Neighbours in the column before, and in the one behind. */
  readonly before: Place[];
  readonly after: Place[];
}

/** A call from left to right: of calls that go round in a circle the rarest is turned, and drawn against its direction. */
interface Edge {
  readonly from: number;
  readonly to: number;
  readonly isTurned: boolean;
}

/**
 * Places services in columns, each to the right of those that call it, and draws a line for each call (the layered drawing
 * of Sugiyama, Tagawa and Toda, 1981). The same services and calls give the same picture.
 */
export function layoutMap(names: readonly string[], calls: readonly Call[]): MapLayout {
  const indices = new Map(names.map((name, index) => [name, index]));
  const edges = turnRarest(calls, indices);
  const order = callersFirst(names.length, edges);
  const isLoose = names.map((_, index) => !edges.some(({ from, to }) => from === index || to === index));
  const columns = columnsOf(names.length, edges, order);

  const places = names.map((_, index) => newPlace(columns[index]!, boxHeight + boxGap));
  const chains = edges.map((edge) => chainOf(places, edge));
  const drawn = new Set(order.filter((index) => !isLoose[index]).map((index) => places[index]!));
  for (const place of chains.flat()) drawn.add(place);
  const layers: Place[][] = [];
  for (const place of drawn) {
    layers[place.column] ??= [];
    layers[place.column]!.push(place);
  }
  arrange(layers);
  const drawnHeight = moveToTop([...drawn]);

  const hasLabels = layers.length <= mostWideColumns;
  const step = boxWidth + (hasLabels ? wideGap : narrowGap);
  const drawnWidth = layers.length === 0 ? 0 : (layers.length - 1) * step + boxWidth;
  const lines = drawLines(chains, edges, step);
  spreadLabels(lines);

  const perRow = Math.max(looseColumns, Math.floor((drawnWidth + boxGap) / (boxWidth + boxGap)));
  const looseTop = drawnHeight === 0 ? 0 : drawnHeight + 2 * boxGap;
  let loose = 0;
  const boxes = names.map((name, index): MapBox => {
    const place = places[index]!;
    if (!isLoose[index]) return { name, x: place.column * step, y: place.y - boxHeight / 2 };
    const [row, column] = [Math.floor(loose / perRow), loose % perRow];
    loose++;
    return { name, x: column * (boxWidth + boxGap), y: looseTop + row * (boxHeight + boxGap) };
  });
  return {
    width: Math.max(0, ...boxes.map(({ x }) => x + boxWidth)),
    height: Math.max(drawnHeight, ...boxes.map(({ y }) => y + boxHeight)),
    boxes,
    lines: lines.map((line, index) => ({ parent: calls[index]!.parent, child: calls[index]!.child, ...line })),
    hasLabels,
  };
}

/** Calls as edges without a circle: the most frequent ones keep their direction. */
function turnRarest(calls: readonly Call[], indices: ReadonlyMap<string, number>): Edge[] {
  const edges: Edge[] = [];
  const after = new Map<number, number[]>();
  const leadsTo = (from: number, to: number, seen = new Set<number>()): boolean => {
    if (from === to) return true;
    seen.add(from);
    return (after.get(from) ?? []).some((next) => !seen.has(next) && leadsTo(next, to, seen));
  };
  const byCount = calls.map((call, index) => ({ ...call, index })).sort((a, b) => b.callCount - a.callCount);
  for (const { parent, child, index } of byCount) {
    const [caller, called] = [indices.get(parent)!, indices.get(child)!];
    const isTurned = leadsTo(called, caller);
    const [from, to] = isTurned ? [called, caller] : [caller, called];
    edges[index] = { from, to, isTurned };
    after.set(from, [...(after.get(from) ?? []), to]);
  }
  return edges;
}

/** All services, each before those it calls. */
function callersFirst(count: number, edges: readonly Edge[]): number[] {
  const done = new Set<number>();
  const visit = (index: number): void => {
    if (done.has(index)) return;
    for (const { from, to } of edges) if (from === index) visit(to);
    done.add(index);
  };
  for (let index = count - 1; index >= 0; index--) visit(index);
  return [...done].reverse();
}

/** The longest way to a service from one that nobody calls. */
function columnsOf(count: number, edges: readonly Edge[], order: readonly number[]): number[] {
  const columns = new Array<number>(count).fill(0);
  for (const index of order)
    for (const { from, to } of edges) if (from === index) columns[to] = Math.max(columns[to]!, columns[from]! + 1);
  return columns;
}

function newPlace(column: number, height: number): Place {
  return { column, y: 0, height, before: [], after: [] };
}

/** The places that an edge's line goes through, both ends included. */
function chainOf(places: readonly Place[], { from, to }: Edge): Place[] {
  const last = places[to]!;
  const chain = [places[from]!];
  for (let column = chain[0]!.column + 1; column < last.column; column++) chain.push(newPlace(column, laneHeight));
  chain.push(last);
  chain.slice(1).forEach((place, index) => {
    chain[index]!.after.push(place);
    place.before.push(chain[index]!);
  });
  return chain;
}

/** Orders each column so that few lines cross, then moves places level with their neighbours. */
function arrange(layers: Place[][]): void {
  for (const layer of layers) stack(layer);
  for (let sweep = 0; sweep < 2 * sweeps; sweep++) {
    const isForward = sweep % 2 === 0;
    for (const layer of isForward ? layers : layers.toReversed()) {
      const wanted = new Map(
        layer.map((place) => [place, middleOf(isForward ? place.before : place.after) ?? place.y]),
      );
      // In the first half by order alone, so that the gaps that come about do not hold it up.
      if (sweep < sweeps) {
        layer.sort((a, b) => wanted.get(a)! - wanted.get(b)!);
        stack(layer);
      } else {
        const tops = spread(
          layer.map((place) => wanted.get(place)! - place.height / 2),
          layer.map(({ height }) => height),
        );
        layer.forEach((place, index) => {
          place.y = tops[index]! + place.height / 2;
        });
      }
    }
  }
}

function stack(layer: readonly Place[]): void {
  const whole = layer.reduce((sum, { height }) => sum + height, 0);
  let y = -whole / 2;
  for (const place of layer) {
    place.y = y + place.height / 2;
    y += place.height;
  }
}

/** Moves all places so that the topmost box, or line that passes a column, begins at 0. Returns the height that they take. */
function moveToTop(places: readonly Place[]): number {
  let top = Number.POSITIVE_INFINITY;
  let bottom = Number.NEGATIVE_INFINITY;
  for (const { y, height } of places) {
    const half = (height === laneHeight ? laneHeight : boxHeight) / 2;
    top = Math.min(top, y - half);
    bottom = Math.max(bottom, y + half);
  }
  for (const place of places) place.y -= top;
  return places.length === 0 ? 0 : bottom - top;
}

function middleOf(places: readonly Place[]): number | undefined {
  return places.length === 0 ? undefined : places.reduce((sum, { y }) => sum + y, 0) / places.length;
}

/**
 * Puts things as near as can be to where they are wanted (by least squares), in this order and none closer to the one
 * behind it than its size: pool adjacent violators.
 */
export function spread(wanted: readonly number[], sizes: readonly number[]): number[] {
  // Without the sizes of what is before, places only must not fall.
  const pools: { sum: number; count: number }[] = [];
  let before = 0;
  wanted.forEach((place, index) => {
    let pool = { sum: place - before, count: 1 };
    before += sizes[index]!;
    for (
      let last = pools.at(-1);
      last !== undefined && last.sum / last.count > pool.sum / pool.count;
      last = pools.at(-1)
    ) {
      pool = { sum: last.sum + pool.sum, count: last.count + pool.count };
      pools.pop();
    }
    pools.push(pool);
  });
  let offset = 0;
  return pools
    .flatMap(({ sum, count }) => new Array<number>(count).fill(sum / count))
    .map((place, index) => {
      const at = place + offset;
      offset += sizes[index]!;
      return at;
    });
}

interface DrawnLine {
  readonly path: string;
  readonly tip: { readonly x: number; readonly y: number; readonly isLeftward: boolean };
  label: { readonly x: number; readonly y: number };
}

function drawLines(chains: readonly Place[][], edges: readonly Edge[], step: number): DrawnLine[] {
  const leaving = portsOf(chains, (chain) => [chain[0]!, chain[1]!]);
  const arriving = portsOf(chains, (chain) => [chain.at(-1)!, chain.at(-2)!]);
  return chains.map((chain, index) => {
    // Where the line is at the left and at the right side of each column.
    const points = chain.flatMap((place, at): [number, number][] => {
      const left = place.column * step;
      if (at === 0) return [[left + boxWidth, place.y + leaving[index]!]];
      if (at === chain.length - 1) return [[left, place.y + arriving[index]!]];
      return [
        [left, place.y],
        [left + boxWidth, place.y],
      ];
    });
    const { isTurned } = edges[index]!;
    if (isTurned) points.reverse();
    const [x, y] = points.at(-1)!;
    const [beforeX, beforeY] = points.at(-2)!;
    return {
      path: pathOf(points),
      tip: { x, y, isLeftward: isTurned },
      label: { x: (x + beforeX) / 2, y: (y + beforeY) / 2 },
    };
  });
}

/** How far from the middle of its box each line ends, so that lines at one side of a box stand apart and do not cross there. */
function portsOf(chains: readonly Place[][], endOf: (chain: Place[]) => [Place, Place]): number[] {
  const ports = new Array<number>(chains.length).fill(0);
  const ends = chains.map((chain, index) => ({ index, box: endOf(chain)[0], next: endOf(chain)[1] }));
  for (const own of Map.groupBy(ends, ({ box }) => box).values()) {
    own.sort((a, b) => a.next.y - b.next.y || a.index - b.index);
    const gap = Math.min(portGap, (boxHeight - 12) / Math.max(1, own.length - 1));
    own.forEach(({ index }, at) => {
      ports[index] = (at - (own.length - 1) / 2) * gap;
    });
  }
  return ports;
}

/** Curves from column to column that leave and arrive level. */
function pathOf(points: readonly (readonly [number, number])[]): string {
  const text = (value: number): string => String(Math.round(value * 10) / 10);
  return points
    .map(([x, y], index) => {
      if (index === 0) return `M${text(x)} ${text(y)}`;
      const [fromX, fromY] = points[index - 1]!;
      if (fromY === y) return `H${text(x)}`;
      const middle = text((fromX + x) / 2);
      return `C${middle} ${text(fromY)} ${middle} ${text(y)} ${text(x)} ${text(y)}`;
    })
    .join("");
}

/** Moves labels between the same two columns apart. */
function spreadLabels(lines: DrawnLine[]): void {
  for (const own of Map.groupBy(lines, ({ label }) => label.x).values()) {
    own.sort((a, b) => a.label.y - b.label.y);
    const places = spread(
      own.map(({ label }) => label.y),
      own.map(() => labelHeight),
    );
    own.forEach((line, index) => {
      line.label = { x: line.label.x, y: places[index]! };
    });
  }
}
