// Calls that pass through services with SkyWalking's agent for Node and services of ours, which all send segments to one collector.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type ReferenceData, type SegmentData, SpanType } from "@clew/trace/skywalking";

/** A service that runs. */
export interface Peer {
  readonly name: string;
  readonly http: string;
  readonly grpc: string;
  /** Which headers it sends. */
  readonly family: "agent" | "sw8" | "w3c" | "both";
}

export interface Case {
  readonly name: string;
  run(): Promise<void>;
}

type Stop = readonly [peer: Peer, protocol: "http" | "grpc"];

export function relayCases(peers: Readonly<Record<string, Peer>>, segments: readonly SegmentData[]): Case[] {
  const cases: Case[] = [];
  const of = (...words: readonly string[]): void => {
    const stops = words.map((word): Stop => {
      const [protocol = "", name = ""] = word.split(":");
      return [peers[name]!, protocol as "http" | "grpc"];
    });
    cases.push({ name: words.join(" > "), run: () => relay(stops, segments) });
  };
  for (const ours of ["clew-sw8", "clew-both", "clew-go"]) {
    of("http:js", `http:${ours}`, "http:js");
    of(`http:${ours}`, "http:js", `http:${ours}`);
    of("http:js", `http:${ours}`, `grpc:${ours}`, "http:js", `http:${ours}`);
  }
  // sw8, then W3C alone, then sw8 again: one trace.
  of("http:js", "http:clew-both", "grpc:clew-w3c", "http:clew-both", "http:js");
  of("http:clew-go", "http:clew-w3c", "grpc:clew-both", "http:js");
  of("http:clew-go", "grpc:clew-w3c", "http:clew-w3c", "http:clew-go", "http:js", "http:clew-sw8");
  return cases;
}

async function relay(stops: readonly Stop[], segments: readonly SegmentData[]): Promise<void> {
  const [[first]] = stops as readonly [Stop];
  const hops = stops.slice(1).map(([peer, protocol]) => `${protocol}=${peer[protocol]}`);
  const url = `http://${first.http}/relay?route=${encodeURIComponent(hops.join(","))}`;
  const before = segments.length;
  const response = await fetch(url);
  assert.equal(response.status, 200, await response.clone().text());
  const names = stops.map(([peer]) => peer.name);
  assert.deepEqual(((await response.json()) as { hops: string }).hops.split(" ").reverse(), names);
  const found = await findTrace(stops.length, first, segments, before);
  for (const [index, segment] of found.entries()) {
    assert.equal(segment.service, names[index]);
    const [entry] = segment.spans.filter(({ type }) => type === SpanType.ENTRY);
    const above = found[index - 1];
    if (above === undefined) {
      assert.deepEqual(entry!.references, []);
      continue;
    }
    const upstream = stops[index - 1]![0];
    const [peer, protocol] = stops[index]!;
    // Who speaks W3C alone neither tells nor reads of segments: the trace goes on, the reference is missing.
    if (upstream.family === "w3c" || peer.family === "w3c") {
      assert.deepEqual(entry!.references, []);
      continue;
    }
    const exit = above.spans.find(({ type }) => type === SpanType.EXIT)!;
    const [reference] = entry!.references as readonly [ReferenceData];
    assert.deepEqual(
      [reference.traceId, reference.parentSegmentId, reference.parentSpanId, reference.parentService],
      [above.traceId, above.segmentId, exit.spanId, above.service],
    );
    assert.equal(exit.peer, peer[protocol]);
    // The agent fills in neither, in its segments.
    if (peer.family !== "agent") {
      assert.equal(reference.address, exit.peer);
      assert.equal(reference.parentInstance, above.instance);
      if (upstream.family !== "agent") {
        assert.equal(reference.parentEndpoint, above.spans.find(({ type }) => type === SpanType.ENTRY)!.operation);
      }
    }
  }
}

/** The segments of the trace, in the order in which they began. */
async function findTrace(
  count: number,
  first: Peer,
  segments: readonly SegmentData[],
  before: number,
): Promise<SegmentData[]> {
  const giveUpAtMs = performance.now() + 15_000;
  for (;;) {
    const fresh = segments.slice(before);
    const roots = fresh.filter(({ service, spans }) => {
      return (
        service === first.name &&
        spans.some(({ type, references }) => type === SpanType.ENTRY && references.length === 0)
      );
    });
    for (const { traceId } of roots) {
      const trace = fresh.filter((segment) => segment.traceId === traceId);
      if (trace.length === count)
        return trace.sort((a, b) => startOf(a) - startOf(b) || b.spans[0]!.endMs - a.spans[0]!.endMs);
    }
    if (performance.now() > giveUpAtMs) {
      const seen = fresh.map(({ traceId, service }) => `${service} ${traceId}`);
      throw new Error(`no trace of ${count} segments from ${first.name}; there are ${seen.join(", ")}`);
    }
    await sleep(50);
  }
}

function startOf({ spans }: SegmentData): number {
  return Math.min(...spans.map(({ startMs }) => startMs));
}
