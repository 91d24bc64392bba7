import type { TraceColumns } from "./api.ts";

/** OTLP's span kinds. */
export const Kind = { Internal: 1, Server: 2, Client: 3, Producer: 4, Consumer: 5 } as const;

/**
 * A trace as a tree over typed arrays. A node is a row of the columns; when spans name a parent that has not been received,
 * one more node, the ghost, stands for what is missing, and they hang under it.
 *
 * ```
 * order     node at each place of a depth-first walk       0 3 1 2 ...
 * place     the place of each node                         inverse of order
 * end       first place after the subtree of each node     so a subtree is order[place..end)
 * ```
 */
export interface SpanTree {
  readonly columns: TraceColumns;
  /** Nodes: the spans, and the ghost if there is one. */
  readonly size: number;
  /** The ghost's node, or -1. It is the last. */
  readonly ghost: number;
  readonly order: Uint32Array;
  readonly place: Uint32Array;
  readonly end: Uint32Array;
  /** By node; -1 at the top. */
  readonly parent: Int32Array;
  readonly depth: Uint16Array;
  readonly maxDepth: number;
  /** By node, in microseconds from the start of the trace. */
  readonly startUs: Float64Array;
  readonly durationUs: Float64Array;
  /** Errors at places before p; one longer than the nodes. */
  readonly errorsBefore: Uint32Array;
  /** By node: the service that answered this client's call or took this producer's message, or -1. */
  readonly peer: Int32Array;
  /** The whole trace, in microseconds. */
  readonly fromUs: number;
  readonly toUs: number;
}

/** Builds the tree: children by start time, the longer first among equals. Circles of parents are cut and put under the ghost. */
export function buildSpanTree(columns: TraceColumns): SpanTree {
  const { spans } = columns;
  const count = spans.spanId.length;
  const parent = new Int32Array(count + 1).fill(-1);
  const startUs = new Float64Array(count + 1);
  const durationUs = new Float64Array(count + 1);
  startUs.set(spans.startUs);
  durationUs.set(spans.durationUs);

  let hasOrphans = false;
  for (let node = 0; node < count; node++) {
    const given = spans.parent[node]!;
    if (given === -1) continue;
    const isKnown = given >= 0 && given < count && given !== node;
    parent[node] = isKnown ? given : count;
    if (!isKnown) hasOrphans = true;
  }
  if (cutCircles(parent, count)) hasOrphans = true;

  const ghost = hasOrphans ? count : -1;
  const size = hasOrphans ? count + 1 : count;
  if (hasOrphans) spanGhost(parent, startUs, durationUs, count);

  const byStart = new Uint32Array(size);
  for (let node = 0; node < size; node++) byStart[node] = node;
  byStart.sort((a, b) => startUs[a]! - startUs[b]! || durationUs[b]! - durationUs[a]! || a - b);

  // Lists of children, filled from the last, so that each is in order of time. The list at `size` is the top.
  const firstChild = new Int32Array(size + 1).fill(-1);
  const nextSibling = new Int32Array(size).fill(-1);
  for (let i = size - 1; i >= 0; i--) {
    const node = byStart[i]!;
    const above = parent[node] === -1 ? size : parent[node]!;
    nextSibling[node] = firstChild[above]!;
    firstChild[above] = node;
  }

  const order = new Uint32Array(size);
  const place = new Uint32Array(size);
  const end = new Uint32Array(size);
  const depth = new Uint16Array(size);
  const errorsBefore = new Uint32Array(size + 1);
  let maxDepth = 0;
  let at = 0;
  let node = firstChild[size]!;
  while (node !== -1) {
    const above = parent[node]!;
    depth[node] = above === -1 ? 0 : Math.min(65_535, depth[above]! + 1);
    if (depth[node]! > maxDepth) maxDepth = depth[node]!;
    order[at] = node;
    place[node] = at;
    errorsBefore[at + 1] = errorsBefore[at]! + (node === ghost ? 0 : spans.error[node]!);
    at++;
    if (firstChild[node] !== -1) {
      node = firstChild[node]!;
      continue;
    }
    end[node] = at;
    while (node !== -1 && nextSibling[node] === -1) {
      node = parent[node]!;
      if (node !== -1) end[node] = at;
    }
    if (node !== -1) node = nextSibling[node]!;
  }

  let fromUs = 0;
  let toUs = columns.durationMs * 1000;
  for (let i = 0; i < size; i++) {
    if (startUs[i]! < fromUs) fromUs = startUs[i]!;
    const endUs = startUs[i]! + durationUs[i]!;
    if (endUs > toUs) toUs = endUs;
  }
  if (!(toUs > fromUs)) toUs = fromUs + 1;

  return {
    columns,
    size,
    ghost,
    order,
    place,
    end,
    parent: parent.subarray(0, size),
    depth,
    maxDepth,
    startUs: startUs.subarray(0, size),
    durationUs: durationUs.subarray(0, size),
    errorsBefore,
    peer: findPeers(columns, parent),
    fromUs,
    toUs,
  };
}

/** Follows every chain of parents once; a node met again on its own chain is handed to the ghost. */
function cutCircles(parent: Int32Array, count: number): boolean {
  const seenIn = new Int32Array(count).fill(-1);
  let found = false;
  for (let start = 0; start < count; start++) {
    let node = start;
    while (node >= 0 && node < count && seenIn[node] === -1) {
      seenIn[node] = start;
      node = parent[node]!;
    }
    if (node >= 0 && node < count && seenIn[node] === start) {
      parent[node] = count;
      found = true;
    }
  }
  return found;
}

/** The ghost covers the time of its children. */
function spanGhost(parent: Int32Array, startUs: Float64Array, durationUs: Float64Array, ghost: number): void {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (let node = 0; node < ghost; node++) {
    if (parent[node] !== ghost) continue;
    from = Math.min(from, startUs[node]!);
    to = Math.max(to, startUs[node]! + durationUs[node]!);
  }
  startUs[ghost] = from;
  durationUs[ghost] = to - from;
}

function findPeers({ spans }: TraceColumns, parent: Int32Array): Int32Array {
  const peer = new Int32Array(spans.spanId.length).fill(-1);
  for (let node = 0; node < peer.length; node++) {
    const kind = spans.kind[node];
    if (kind !== Kind.Server && kind !== Kind.Consumer) continue;
    const above = parent[node]!;
    if (above < 0 || above >= peer.length || peer[above] !== -1) continue;
    const asks = spans.kind[above] === (kind === Kind.Server ? Kind.Client : Kind.Producer);
    if (asks && spans.service[above] !== spans.service[node]) peer[above] = spans.service[node]!;
  }
  return peer;
}

export function hasChildren(tree: SpanTree, node: number): boolean {
  return tree.end[node]! > tree.place[node]! + 1;
}

/** Nodes below this one, at any depth. */
export function countBelow(tree: SpanTree, node: number): number {
  return tree.end[node]! - tree.place[node]! - 1;
}

/** Errors below this node, at any depth, its own left out. */
export function errorsBelow(tree: SpanTree, node: number): number {
  return tree.errorsBefore[tree.end[node]!]! - tree.errorsBefore[tree.place[node]! + 1]!;
}

/**
 * The rows to show, as nodes from top to bottom. What is under a collapsed node is left out; with `kept`, so is every node
 * that is not kept.
 */
export function visibleRows(tree: SpanTree, collapsed: Uint8Array, kept?: Uint8Array): Uint32Array {
  const rows = new Uint32Array(tree.size);
  let count = 0;
  for (let place = 0; place < tree.size; ) {
    const node = tree.order[place]!;
    if (kept !== undefined && kept[node] === 0) {
      place++;
      continue;
    }
    rows[count++] = node;
    place = collapsed[node] === 1 ? tree.end[node]! : place + 1;
  }
  return rows.subarray(0, count);
}

/** The marked nodes and everything above them. */
export function withAncestors(tree: SpanTree, marked: Uint8Array): Uint8Array {
  const kept = new Uint8Array(tree.size);
  for (let node = 0; node < tree.size; node++) {
    if (marked[node] !== 1) continue;
    for (let above = node; above !== -1 && kept[above] === 0; above = tree.parent[above]!) kept[above] = 1;
  }
  return kept;
}

/** The next marked node after (or with step -1, before) this one in the walk, going round at the end; -1 when none is. */
export function nextMarked(tree: SpanTree, from: number, step: 1 | -1, isMarked: (node: number) => boolean): number {
  const start = from === -1 ? (step === 1 ? -1 : tree.size) : tree.place[from]!;
  for (let i = 1; i <= tree.size; i++) {
    const place = (((start + i * step) % tree.size) + tree.size) % tree.size;
    const node = tree.order[place]!;
    if (isMarked(node)) return node;
  }
  return -1;
}

/** The part of a span's time that none of its children covers, in microseconds. */
export function selfTimeUs(tree: SpanTree, node: number): number {
  const from = tree.startUs[node]!;
  const to = from + tree.durationUs[node]!;
  let covered = 0;
  let reached = from;
  // The walk visits children in order of their start, which is what a union of intervals needs.
  for (let place = tree.place[node]! + 1; place < tree.end[node]!; place = tree.end[tree.order[place]!]!) {
    const child = tree.order[place]!;
    const start = Math.max(reached, tree.startUs[child]!);
    const stop = Math.min(to, tree.startUs[child]! + tree.durationUs[child]!);
    if (stop <= start) continue;
    covered += stop - start;
    reached = stop;
  }
  return to - from - covered;
}
