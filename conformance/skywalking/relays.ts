// Calls that pass through services with SkyWalking's agents and services of ours, which all send segments to one collector.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type ReferenceData, type SegmentData, type SegmentSpan, SpanLayer, SpanType } from "@clew/trace/skywalking";

/** A service that runs. */
export interface Peer {
  readonly name: string;
  readonly http: string;
  readonly grpc: string;
  /** Whose agent it has, or which headers it sends if it is ours. */
  readonly family: "js" | "go" | "kratos" | "python" | "sw8" | "w3c" | "both";
}

export interface Case {
  readonly name: string;
  run(): Promise<void>;
}

/** What the first service puts into the correlation: bytes beyond ASCII, and what separates in W3C's baggage. */
const correlation = "grün,a=b;c-d%41";

type Protocol = "http" | "grpc";
type Stop = readonly [peer: Peer, protocol: Protocol];

export function relayCases(peers: Readonly<Record<string, Peer>>, segments: readonly SegmentData[]): Case[] {
  const cases: Case[] = [];
  const of = (...words: readonly string[]): void => {
    const isFailing = words.at(-1) === "fail";
    const stops = words.slice(0, isFailing ? -1 : undefined).map((word): Stop => {
      const [protocol = "", name = ""] = word.split(":");
      return [peers[name]!, protocol as Protocol];
    });
    cases.push({ name: words.join(" > "), run: () => relay(stops, isFailing, segments) });
  };
  for (const ours of ["clew-sw8", "clew-both", "clew-go"]) {
    of("http:js", `http:${ours}`, "http:js");
    of(`http:${ours}`, "http:js", `http:${ours}`);
    of("http:js", `http:${ours}`, `grpc:${ours}`, "http:js", `http:${ours}`);
    for (const agent of ["go", "kratos", "python"]) {
      for (const protocol of ["http", "grpc"]) {
        of(`http:${agent}`, `${protocol}:${ours}`, `${protocol}:${agent}`);
        of(`http:${ours}`, `${protocol}:${agent}`, `${protocol}:${ours}`);
      }
    }
  }
  // sw8, then W3C alone, then sw8 again: one trace.
  of("http:js", "http:clew-both", "grpc:clew-w3c", "http:clew-both", "http:js");
  of("http:clew-go", "http:clew-w3c", "grpc:clew-both", "http:js");
  of("http:clew-go", "grpc:clew-w3c", "http:clew-w3c", "http:clew-go", "http:js", "http:clew-sw8");
  for (const agent of ["go", "kratos", "python"]) {
    of(`http:${agent}`, "http:clew-both", "grpc:clew-w3c", "http:clew-go", `grpc:${agent}`);
    of(`http:${agent}`, "grpc:clew-go", "http:clew-w3c", "grpc:clew-both", `http:${agent}`, "grpc:clew-sw8");
    of(`http:${agent}`, "grpc:clew-both", `http:${agent}`, "http:clew-both", `grpc:${agent}`, "fail");
    of("http:clew-both", `grpc:${agent}`, "grpc:clew-go", "fail");
    // Without a correlation: these agents send the header all the same, empty.
    of("http:js", "http:clew-both", `grpc:${agent}`, "grpc:clew-go", `http:${agent}`, "http:clew-sw8");
  }
  of(
    "http:go",
    "grpc:python",
    "http:clew-go",
    "grpc:kratos",
    "grpc:clew-both",
    "http:python",
    "http:js",
    "http:clew-sw8",
  );
  return cases;
}

async function relay(stops: readonly Stop[], isFailing: boolean, segments: readonly SegmentData[]): Promise<void> {
  const [[first]] = stops as readonly [Stop];
  const route = stops.slice(1).map(([peer, protocol]) => `${protocol}=${peer[protocol]}`);
  if (isFailing) route.push("fail");
  // The agent for Node has no correlation, and what others sent ends with it.
  let carried = first.family === "js" ? "" : correlation;
  if (carried !== "") route.unshift("set");
  const before = segments.length;
  const response = await fetch(`http://${first.http}/relay?route=${encodeURIComponent(route.join(","))}`);
  const body = await response.text();
  assert.equal(response.status, isFailing ? 500 : 200, body);
  if (!isFailing) {
    const seen = stops.map(([{ name, family }]) => {
      if (family === "js") carried = "";
      return `${name}:${carried}`;
    });
    assert.deepEqual((JSON.parse(body) as { hops: string }).hops.split(" "), seen.reverse(), "what each saw");
  }
  const trace = await findTrace(stops, segments, before);
  assert.match(trace[0]!.traceId, isGo(first) ? /^[0-9a-f]{32}\.\d+\.\d+$/ : /^[0-9a-f]{32}$/);
  for (const [index, segment] of trace.entries()) {
    const [peer, protocol] = stops[index]!;
    const entry = spanOf(segment, SpanType.ENTRY)!;
    const exit = spanOf(segment, SpanType.EXIT);
    assert.equal(segment.instance, `${peer.name}@zürich`);
    assert.equal(entry.layer, layerOf(peer, protocol));
    if (exit !== undefined) assert.equal(exit.layer, layerOf(peer, stops[index + 1]![1]));
    assert.equal(entry.isError, isFailing, `${peer.name}'s entry`);
    // Python's agent does not see that a call over gRPC failed.
    const isSeen = peer.family !== "python" || exit?.layer !== SpanLayer.RPC_FRAMEWORK;
    if (exit !== undefined && isSeen) assert.equal(exit.isError, isFailing, `${peer.name}'s exit`);
    if (index === 0) assert.deepEqual(entry.references, []);
    else checkReferences(entry, peer, stops[index - 1]![0], trace[index - 1]!);
  }
}

/** That an entry refers to the exit that called it. */
function checkReferences({ references }: SegmentSpan, peer: Peer, upstream: Peer, above: SegmentData): void {
  // Who speaks W3C alone neither tells nor reads of segments: the trace goes on, the reference is missing.
  if (upstream.family === "w3c" || peer.family === "w3c") {
    assert.deepEqual(references, []);
    return;
  }
  const exit = spanOf(above, SpanType.EXIT)!;
  assert.equal(references.length, 1);
  const [reference] = references as readonly [ReferenceData];
  assert.deepEqual(
    [reference.traceId, reference.parentSegmentId, reference.parentSpanId, reference.parentService],
    [above.traceId, above.segmentId, exit.spanId, above.service],
  );
  assert.equal(reference.address, exit.peer);
  assert.equal(reference.parentInstance, above.instance);
  // Node's agent keeps the endpoint out of its segments. In the header it and Python's tell the operation of the call instead.
  const isOwn = upstream.family === "js" || upstream.family === "python";
  const endpoint = isOwn ? exit.operation : spanOf(above, SpanType.ENTRY)!.operation;
  assert.equal(reference.parentEndpoint, peer.family === "js" ? "" : endpoint);
}

/** The segments of one trace in the order of the stops. */
async function findTrace(
  stops: readonly Stop[],
  segments: readonly SegmentData[],
  before: number,
): Promise<readonly SegmentData[]> {
  const giveUpAtMs = performance.now() + 120_000;
  for (;;) {
    const fresh = segments.slice(before);
    for (const trace of Map.groupBy(fresh, ({ traceId }) => traceId).values()) {
      const found = matchStops(trace, stops);
      if (found !== undefined) return found;
    }
    if (performance.now() > giveUpAtMs) {
      const seen = fresh.map(({ traceId, service }) => `${service} ${traceId}`);
      throw new Error(`no trace that has a segment of each service; there are ${seen.join(", ")}`);
    }
    await sleep(50);
  }
}

/**
 * The segment of each stop: of its service, with a call to where the next one is; of several, the one that refers to the stop before.
 * Undefined when it is not this trace, or not all of it.
 */
function matchStops(trace: readonly SegmentData[], stops: readonly Stop[]): SegmentData[] | undefined {
  if (trace.length !== stops.length) return undefined;
  const left = [...trace];
  const found: SegmentData[] = [];
  for (const [index, [{ name }]] of stops.entries()) {
    const next = stops[index + 1];
    const to = next?.[0][next[1]];
    const fitting = left.filter((one) => one.service === name && spanOf(one, SpanType.EXIT)?.peer === to);
    const above = found.at(-1)?.segmentId;
    const segment =
      fitting.find((one) => spanOf(one, SpanType.ENTRY)?.references[0]?.parentSegmentId === above) ?? fitting[0];
    if (segment === undefined) return undefined;
    left.splice(left.indexOf(segment), 1);
    found.push(segment);
  }
  return found;
}

function spanOf({ spans }: SegmentData, wanted: SpanType): SegmentSpan | undefined {
  return spans.find(({ type }) => type === wanted);
}

function isGo({ family, name }: Peer): boolean {
  return family === "go" || family === "kratos" || name === "clew-go";
}

function layerOf({ family }: Peer, protocol: Protocol): SpanLayer {
  return protocol === "http" && family !== "kratos" ? SpanLayer.HTTP : SpanLayer.RPC_FRAMEWORK;
}
