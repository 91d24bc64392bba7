// What SkyWalking's own collector shows of our segments, by the GraphQL that its UI asks.
import assert from "node:assert/strict";
import type { Case, Peer } from "./relays.ts";
import { until } from "./until.ts";

interface OapSpan {
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

const spanFields = `spans { traceId segmentId spanId parentSpanId refs { traceId parentSegmentId parentSpanId type }
  serviceCode serviceInstanceName endpointName type peer component isError layer tags { key value } }`;

export function oapCases(peers: Readonly<Record<string, Peer>>, graphql: string): Case[] {
  const js = peers.js!;
  const both = peers["clew-both"]!;
  const go = peers["clew-go"]!;
  const { go: agentGo, kratos, python } = peers as Record<"go" | "kratos" | "python", Peer>;
  return [
    {
      name: "OAP: the trace of an agent's service and two of ours is one tree",
      run: async () => {
        const spans = await passAndFind(graphql, [js, both, go], ["http", "http", "grpc"]);
        const trace = chain(spans);
        assert.deepEqual(
          trace.map(({ serviceCode, type }) => `${serviceCode} ${type}`),
          ["js Entry", "js Exit", "clew-both Entry", "clew-both Exit", "clew-go Entry"],
        );
        const [, , entry, exit, last] = trace;
        assert.equal(entry!.component, "Http");
        assert.equal(entry!.layer, "Http");
        assert.equal(exit!.component, "GRPC");
        assert.equal(exit!.peer, go.grpc);
        assert.equal(last!.component, "GRPC");
        assert.equal(last!.layer, "RPCFramework");
        assert.equal(last!.serviceInstanceName, "clew-go@zürich");
        assert.equal(last!.endpointName, "/relay.v1.Relay/Pass");
        assert.equal(last!.refs[0]!.type, "CROSS_PROCESS");
        assert.equal(entry!.tags.find(({ key }) => key === "http.status_code")?.value, "200");
      },
    },
    {
      name: "OAP: the trace of the agents for Go and Python and two of ours is one tree",
      run: async () => {
        const stops = [agentGo, both, kratos, python, go];
        const spans = await passAndFind(graphql, stops, ["http", "grpc", "grpc", "http", "grpc"]);
        assert.deepEqual(
          chain(spans).map(({ serviceCode, type, component }) => `${serviceCode} ${type} ${component}`),
          [
            "go Entry GoHttpServer",
            "go Exit GRPC",
            "clew-both Entry GRPC",
            "clew-both Exit GRPC",
            "kratos Entry GoKratos",
            "kratos Exit GoKratos",
            "python Entry Python",
            "python Exit GRPC",
            "clew-go Entry GRPC",
          ],
        );
        assert.ok(
          spans.every(({ serviceCode, serviceInstanceName }) => serviceInstanceName === `${serviceCode}@zürich`),
        );
        const wanted = ["go -> clew-both", "clew-both -> kratos", "kratos -> python", "python -> clew-go"];
        await until(async () => {
          const calls = await topology(graphql);
          return wanted.every((call) => calls.includes(call)) ? undefined : `calls are ${calls.join(", ")}`;
        });
      },
    },
    {
      name: "OAP: an error is one, on every service of the way",
      run: async () => {
        const spans = await passAndFind(graphql, [both, go], ["http", "grpc"], "fail");
        assert.ok(spans.length >= 3);
        assert.ok(spans.every(({ isError }) => isError));
      },
    },
    {
      name: "OAP: a trace with ids in Go's form is found by its own id",
      run: async () => {
        const spans = await passAndFind(graphql, [go, both], ["http", "http"]);
        assert.match((spans[0] as unknown as { traceId: string }).traceId, /^[0-9a-f]{32}\.\d+\.\d+$/);
      },
    },
    {
      name: "OAP: the topology has each service once, and the calls between them",
      run: async () => {
        await passAndFind(graphql, [js, both, go], ["http", "http", "grpc"]);
        const wanted = ["js -> clew-both", "clew-both -> clew-go"];
        await until(async () => {
          const calls = await topology(graphql);
          return wanted.every((call) => calls.includes(call)) ? undefined : `calls are ${calls.join(", ")}`;
        });
      },
    },
    {
      name: "OAP: instances tell their language and properties",
      run: async () => {
        await until(async () => {
          const { listInstances: instances } = (await ask(
            graphql,
            `query($d: Duration!, $id: ID!) { listInstances(duration: $d, serviceId: $id) { name language attributes { name value } } }`,
            { d: duration(), id: `${Buffer.from("clew-both").toString("base64")}.1` },
          )) as { listInstances: { name: string; language: string; attributes: { name: string; value: string }[] }[] };
          const found = instances.find(({ name }) => name === "clew-both@zürich");
          if (found?.language !== "NODEJS") return `instances are ${JSON.stringify(instances)}`;
          return found.attributes.some(({ name }) => name === "hostname") ? undefined : "no hostname";
        });
      },
    },
  ];
}

/** Sends a call along the peers; resolves with the spans of its trace once OAP has those of every service. */
async function passAndFind(
  graphql: string,
  peers: readonly Peer[],
  protocols: readonly ("http" | "grpc")[],
  end = "",
): Promise<OapSpan[]> {
  const [first, ...others] = peers;
  const hops = others.map((peer, index) => `${protocols[index + 1]}=${peer[protocols[index + 1]!]}`);
  if (end !== "") hops.push(end);
  const startMs = Date.now();
  const response = await fetch(`http://${first!.http}/relay?route=${encodeURIComponent(hops.join(","))}`);
  await response.arrayBuffer();
  const names = peers.map(({ name }) => name).sort();
  let found: OapSpan[] = [];
  await until(async () => {
    const condition = {
      serviceId: `${Buffer.from(first!.name).toString("base64")}.1`,
      queryDuration: duration(),
      traceState: "ALL",
      queryOrder: "BY_START_TIME",
      paging: { pageNum: 1, pageSize: 10 },
    };
    const { queryBasicTraces: basic } = (await ask(
      graphql,
      `query($c: TraceQueryCondition) { queryBasicTraces(condition: $c) { traces { traceIds start } } }`,
      { c: condition },
    )) as { queryBasicTraces: { traces: { traceIds: string[]; start: string }[] } };
    for (const { traceIds, start } of basic.traces) {
      if (Number(start) < startMs - 5) continue;
      const { queryTrace: trace } = (await ask(
        graphql,
        `query($id: ID!) { queryTrace(traceId: $id) { ${spanFields} } }`,
        {
          id: traceIds[0],
        },
      )) as { queryTrace: { spans: OapSpan[] } };
      const segments = new Map(trace.spans.map(({ segmentId, serviceCode }) => [segmentId, serviceCode]));
      const root = trace.spans.find(({ parentSpanId, refs }) => parentSpanId === -1 && refs.length === 0);
      if (root?.serviceCode === first!.name && [...segments.values()].sort().join() === names.join()) {
        found = trace.spans;
        return undefined;
      }
    }
    return `OAP has not all of ${names.join(", ")}`;
  });
  return found;
}

/** The spans from the root on, each the child of the one before; fails when one has no parent there. */
function chain(spans: readonly OapSpan[]): OapSpan[] {
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

async function topology(graphql: string): Promise<string[]> {
  const { getGlobalTopology: graph } = (await ask(
    graphql,
    `query($d: Duration!) { getGlobalTopology(duration: $d) { nodes { id name isReal } calls { source target } } }`,
    { d: duration() },
  )) as { getGlobalTopology: { nodes: { id: string; name: string }[]; calls: { source: string; target: string }[] } };
  const names = new Map(graph.nodes.map(({ id, name }) => [id, name]));
  return graph.calls.map(({ source, target }) => `${names.get(source)} -> ${names.get(target)}`);
}

/** The quarter of an hour around now, by the minute, in UTC as the server is started. */
function duration(): { start: string; end: string; step: string } {
  const at = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace("T", " ").replace(":", "");
  return { start: at(Date.now() - 10 * 60_000), end: at(Date.now() + 60_000), step: "MINUTE" };
}

async function ask(graphql: string, query: string, variables: object): Promise<unknown> {
  const response = await fetch(graphql, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: unknown; errors?: { message: string }[] };
  if (errors !== undefined && errors.length > 0) throw new Error(errors.map(({ message }) => message).join("; "));
  return data;
}
