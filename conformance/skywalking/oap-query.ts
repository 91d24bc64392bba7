// Asks SkyWalking's own collector, by the GraphQL that its UI asks.
import assert from "node:assert/strict";
import type { Peer } from "./relays.ts";
import { until } from "./until.ts";

export interface OapSpan {
  readonly traceId: string;
  readonly segmentId: string;
  readonly spanId: number;
  readonly parentSpanId: number;
  readonly refs: readonly {
    readonly traceId: string;
    readonly parentSegmentId: string;
    readonly parentSpanId: number;
    readonly type: string;
  }[];
  readonly serviceCode: string;
  readonly serviceInstanceName: string;
  readonly endpointName: string;
  readonly type: string;
  readonly peer: string;
  readonly component: string;
  readonly isError: boolean;
  readonly layer: string;
  readonly tags: readonly { readonly key: string; readonly value: string }[];
}

type Protocol = "http" | "grpc";

const spanFields = `spans { traceId segmentId spanId parentSpanId refs { traceId parentSegmentId parentSpanId type }
  serviceCode serviceInstanceName endpointName type peer component isError layer tags { key value } }`;

/** Sends a call along the peers; resolves with the spans of its trace once OAP has those of every service. */
export async function passAndFind(
  graphql: string,
  peers: readonly Peer[],
  protocols: readonly Protocol[],
  end?: "fail",
): Promise<OapSpan[]> {
  const startMs = await pass(peers, protocols, end);
  const names = peers.map(({ name }) => name).sort();
  let found: OapSpan[] = [];
  await until(async () => {
    for (const id of await traceIdsSince(graphql, peers[0]!.name, startMs, end)) {
      const spans = await spansOf(graphql, id);
      const segments = new Map(spans.map(({ segmentId, serviceCode }) => [segmentId, serviceCode]));
      const root = spans.find(({ parentSpanId, refs }) => parentSpanId === -1 && refs.length === 0);
      if (root?.serviceCode === peers[0]!.name && [...segments.values()].sort().join() === names.join()) {
        found = spans;
        return undefined;
      }
    }
    return `OAP has not all of ${names.join(", ")}`;
  });
  return found;
}

/** Sends a call along the peers; resolves with the moment before it. */
export async function pass(peers: readonly Peer[], protocols: readonly Protocol[], end?: "fail"): Promise<number> {
  const [first, ...others] = peers;
  const hops = others.map((peer, index) => `${protocols[index + 1]}=${peer[protocols[index + 1]!]}`);
  if (end !== undefined) hops.push(end);
  const startMs = Date.now();
  const response = await fetch(`http://${first!.http}/relay?route=${encodeURIComponent(hops.join(","))}`);
  assert.equal(response.status === 200, end === undefined, await response.text());
  return startMs;
}

/** Traces that the service had a part in, failed or not, at that moment or later: a hundred at most, the last is first. */
export async function traceIdsSince(
  graphql: string,
  service: string,
  startMs: number,
  end?: "fail",
): Promise<string[]> {
  const condition = {
    serviceId: serviceId(service),
    queryDuration: duration(),
    traceState: end === undefined ? "SUCCESS" : "ERROR",
    queryOrder: "BY_START_TIME",
    paging: { pageNum: 1, pageSize: 100 },
  };
  const { queryBasicTraces: basic } = await ask<{
    queryBasicTraces: { traces: { traceIds: string[]; start: string }[] };
  }>(graphql, "query($c: TraceQueryCondition) { queryBasicTraces(condition: $c) { traces { traceIds start } } }", {
    c: condition,
  });
  return basic.traces.filter(({ start }) => Number(start) >= startMs - 5).map(({ traceIds }) => traceIds[0]!);
}

export async function spansOf(graphql: string, traceId: string): Promise<OapSpan[]> {
  const { queryTrace: trace } = await ask<{ queryTrace: { spans: OapSpan[] } }>(
    graphql,
    `query($id: ID!) { queryTrace(traceId: $id) { ${spanFields} } }`,
    { id: traceId },
  );
  return trace.spans;
}

/** The spans from the root on, each the child of the one before; fails when one has no parent there. */
export function chain(spans: readonly OapSpan[]): OapSpan[] {
  const roots = spans.filter(({ parentSpanId, refs }) => parentSpanId === -1 && refs.length === 0);
  assert.equal(roots.length, 1);
  const found = [roots[0]!];
  for (;;) {
    const last = found.at(-1)!;
    const next = spans.find(
      ({ segmentId, parentSpanId, refs }) =>
        (segmentId === last.segmentId && parentSpanId === last.spanId) ||
        refs.some((ref) => ref.parentSegmentId === last.segmentId && ref.parentSpanId === last.spanId),
    );
    if (next === undefined) break;
    found.push(next);
  }
  assert.equal(found.length, spans.length);
  return found;
}

export interface Instance {
  readonly name: string;
  readonly language: string;
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

export async function instancesOf(graphql: string, service: string): Promise<Instance[]> {
  const { listInstances: instances } = await ask<{ listInstances: Instance[] }>(
    graphql,
    "query($d: Duration!, $id: ID!) { listInstances(duration: $d, serviceId: $id) { name language attributes { name value } } }",
    { d: duration(), id: serviceId(service) },
  );
  return instances;
}

export async function topology(graphql: string): Promise<string[]> {
  const { getGlobalTopology: graph } = await ask<{
    getGlobalTopology: { nodes: { id: string; name: string }[]; calls: { source: string; target: string }[] };
  }>(
    graphql,
    "query($d: Duration!) { getGlobalTopology(duration: $d) { nodes { id name isReal } calls { source target } } }",
    { d: duration() },
  );
  const names = new Map(graph.nodes.map(({ id, name }) => [id, name]));
  return graph.calls.map(({ source, target }) => `${names.get(source)} -> ${names.get(target)}`);
}

/** How it calls a service that reports. */
export function serviceId(name: string): string {
  return `${Buffer.from(name).toString("base64")}.1`;
}

/** The quarter of an hour around now, by the minute, in UTC as the server is started. */
export function duration(): { start: string; end: string; step: string } {
  const at = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace("T", " ").replace(":", "");
  return { start: at(Date.now() - 10 * 60_000), end: at(Date.now() + 60_000), step: "MINUTE" };
}

export async function ask<T>(graphql: string, query: string, variables: object): Promise<T> {
  const response = await fetch(graphql, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: { message: string }[] };
  if (errors !== undefined && errors.length > 0) throw new Error(errors.map(({ message }) => message).join("; "));
  return data;
}
