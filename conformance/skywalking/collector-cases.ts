// What our collector shows of the agents' segments, and of traces that are segments in one service and OTLP in the next.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Collector } from "@clew/collector";
import { type JaegerSpan, type JaegerTrace, tagOf } from "../traces/jaeger-trace.ts";
import type { Case, Peer } from "./relays.ts";
import { until } from "./until.ts";

/** Our collector, as it is without options but on free ports. */
export async function startOurs(closers: (() => Promise<void>)[]): Promise<Collector> {
  const folder = await mkdtemp(join(tmpdir(), "skywalking-"));
  const address = "127.0.0.1:0";
  const collector = new Collector({
    address,
    otlpAddress: address,
    skywalkingGrpcAddress: address,
    data: join(folder, "traces.db"),
  });
  await collector.start();
  closers.push(async () => {
    await collector.stop(AbortSignal.timeout(5000));
    await rm(folder, { recursive: true });
  });
  return collector;
}

type Step = readonly [protocol: "http" | "grpc", name: string];

/** `service kind operation` of each span from the root on, each the only child of the one before. */
type Chain = readonly string[];

export function collectorCases(peers: Readonly<Record<string, Peer>>, collector: Collector): Case[] {
  const of = (name: string, steps: readonly Step[], chain: Chain, end?: "fail"): Case => ({
    name: `our collector: ${name}`,
    run: () => passAndFind(collector, peers, steps, chain, end),
  });
  const relay = "/relay.v1.Relay/Pass";
  return [
    of(
      "two services with Node's agent",
      [
        ["http", "js"],
        ["http", "js"],
      ],
      ["js server GET:/relay", "js client /relay", "js server GET:/relay"],
    ),
    of(
      "Node's agent, ours in segments, Go's agent, Python's",
      [
        ["http", "js"],
        ["http", "clew-both"],
        ["grpc", "go"],
        ["http", "python"],
      ],
      [
        "js server GET:/relay",
        "js client /relay",
        `clew-both server ${relay}`,
        `clew-both client ${relay}`,
        "go server relay.v1.Relay.Pass",
        "go client GET:/relay",
        "python server /relay",
      ],
    ),
    of(
      "agents report segments, ours between them OTLP",
      [
        ["http", "js"],
        ["http", "clew-otlp"],
        ["grpc", "kratos"],
        ["http", "clew-otlp"],
        ["http", "js"],
      ],
      [
        "js server GET:/relay",
        "js client /relay",
        `clew-otlp server ${relay}`,
        `clew-otlp client ${relay}`,
        `kratos server ${relay}`,
        `kratos client ${relay}`,
        `clew-otlp server ${relay}`,
        `clew-otlp client ${relay}`,
        "js server GET:/relay",
      ],
    ),
    of(
      "an id in Go's three parts goes through OTLP and on",
      [
        ["http", "go"],
        ["grpc", "clew-otlp"],
        ["grpc", "go"],
      ],
      [
        "go server GET:/relay",
        "go client relay.v1.Relay.Pass",
        `clew-otlp server ${relay}`,
        `clew-otlp client ${relay}`,
        "go server relay.v1.Relay.Pass",
      ],
    ),
    of(
      "an error is one, on every service of the way",
      [
        ["http", "go"],
        ["http", "clew-otlp"],
        ["http", "clew-both"],
      ],
      [
        "go server GET:/relay",
        "go client GET:/relay",
        `clew-otlp server ${relay}`,
        `clew-otlp client ${relay}`,
        `clew-both server ${relay}`,
      ],
      "fail",
    ),
    {
      name: "our collector: who calls whom",
      run: () =>
        until(async () => {
          const { data } = await ask<{ data: { parent: string; child: string }[] }>(collector, "/api/dependencies");
          const found = data.map(({ parent, child }) => `${parent} -> ${child}`);
          const wanted = [
            "js -> clew-both",
            "clew-both -> go",
            "go -> python",
            "js -> clew-otlp",
            "clew-otlp -> kratos",
          ];
          return wanted.every((call) => found.includes(call)) ? undefined : `calls are ${found.join(", ")}`;
        }),
    },
  ];
}

async function passAndFind(
  collector: Collector,
  peers: Readonly<Record<string, Peer>>,
  steps: readonly Step[],
  wanted: Chain,
  end: "fail" | undefined,
): Promise<void> {
  const [[, first], ...others] = steps as [Step, ...Step[]];
  const route = others.map(([protocol, name]) => `${protocol}=${peers[name]![protocol]}`);
  if (end !== undefined) route.push(end);
  const response = await fetch(`http://${peers[first]!.http}/relay?route=${encodeURIComponent(route.join(","))}`);
  assert.equal(response.status, end === undefined ? 200 : 500, await response.text());
  await until(async () => {
    const { data } = await ask<{ data: JaegerTrace[] }>(collector, `/api/traces?service=${first}&limit=100`);
    const chains = data.map(chainOf);
    const found = data[chains.findIndex((chain) => chain.join() === wanted.join())];
    if (found === undefined) return `the traces are ${JSON.stringify(chains)}`;
    for (const span of found.spans) {
      assert.equal(tagOf(span, "error") === true, end === "fail", `${span.operationName} of ${JSON.stringify(found)}`);
    }
    return undefined;
  });
}

function chainOf({ spans, processes }: JaegerTrace): Chain {
  const chain: string[] = [];
  let children = spans.filter(({ references }) => references.length === 0);
  while (children.length === 1) {
    const [span] = children as [JaegerSpan];
    const { serviceName } = processes[span.processID]!;
    chain.push(`${serviceName} ${String(tagOf(span, "span.kind") ?? "internal")} ${span.operationName}`);
    children = spans.filter(({ references }) => references[0]?.spanID === span.spanID);
  }
  if (chain.length !== spans.length) chain.push(`and ${spans.length - chain.length} elsewhere`);
  return chain;
}

async function ask<T>(collector: Collector, path: string): Promise<T> {
  const response = await fetch(new URL(path, collector.endpoint()));
  return (await response.json()) as T;
}
