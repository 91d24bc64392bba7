// What a call costs: CPU time of the server process per request, every peer in the same run, their rounds interleaved, so
// that a machine that slows down slows all of them. Ratios are medians over the rounds. Writes bench/results.md.
//
//     npm run bench                    all cases
//     npm run bench -- grpc            the cases whose name contains "grpc"
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { allocationPeers, type Case, cases, grpcClients, grpcPeers, type Peer, tracingPeers } from "./cases.ts";
import { measureClient } from "./client-process.ts";
import { buildGoPeer } from "./go-peer.ts";
import { measure, median, openConnections, requireLoadTool, sendRequests } from "./load.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

// How optimised code and its data happen to lie differs from one process to the next, and costs up to a third more or less: each peer
// is several processes, one after the other.
const processes = 3;
const roundsOfEach = 3;
/** Of servers whose difference is looked for: it is a small part of what they cost. */
const processesOfTracing = 9;

interface Measured {
  readonly name: string;
  /** CPU us of each round. */
  readonly costs: readonly number[];
  readonly peakMiB: number;
}

/** What one request costs each of these, round by round. */
async function measureAll(one: Case, peers: readonly Peer[], count = processes): Promise<readonly Measured[]> {
  const measured = peers.map(({ name }) => ({ name, costs: [] as number[], peakMiB: 0 }));
  for (let made = 0; made < count; made++) {
    const servers: ServerProcess[] = [];
    try {
      for (const { name, command } of peers) servers.push(await startServerProcess(name, command()));
      for (const server of servers) await measure(one, server, 3 * one.requests);
      for (let round = 0; round < roundsOfEach; round++) {
        for (const [i, server] of servers.entries()) measured[i]!.costs.push(await measure(one, server, one.requests));
      }
      for (const [i, server] of servers.entries()) {
        measured[i]!.peakMiB = Math.max(measured[i]!.peakMiB, server.peakMiB());
      }
    } finally {
      for (const server of servers) await server.stop();
    }
  }
  return measured;
}

async function runCase(one: Case): Promise<string> {
  const unit = one.messages === undefined ? "call" : "message";
  const measured = await measureAll(one, one.peers);
  // What others cost is what ours is measured by.
  const others = measured.filter(({ name }) => !name.startsWith("Clew"));
  const lines = measured.map(({ name, costs, peakMiB }) => {
    const ratios = others.map((other) => median(costs.map((cost, round) => cost / other.costs[round]!)));
    const cells = [
      name,
      median(costs).toFixed(1),
      `${Math.min(...costs).toFixed(1)}-${Math.max(...costs).toFixed(1)}`,
      ...ratios.map((ratio) => ratio.toFixed(2)),
      peakMiB.toFixed(0),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    `## ${one.name}`,
    "",
    `| server | CPU us per ${unit} | min-max | ${others.map(({ name }) => `/ ${name}`).join(" | ")} | peak MiB |`,
    `| --- | ---: | ---: | ${others.map(() => "---:").join(" | ")} | ---: |`,
    ...lines,
    "",
  ].join("\n");
}

/** The memory of idle connections: what a server holds with many of them open, less what it held before. */
async function runIdleConnections(): Promise<string> {
  const count = 2000;
  const lines: string[] = [];
  for (const { name, command } of grpcPeers) {
    const server = await startServerProcess(name, command());
    try {
      await measure(cases.find(({ peers }) => peers === grpcPeers)!, server, 5000);
      const before = server.residentMiB();
      const close = await openConnections(server.port, count);
      lines.push(`| ${name} | ${(((server.residentMiB() - before) * 1024) / count).toFixed(1)} |`);
      close();
    } finally {
      await server.stop();
    }
  }
  return [
    `## ${idleName}`,
    "",
    `| server | KiB for each of ${count} connections |`,
    "| --- | ---: |",
    ...lines,
    "",
  ].join("\n");
}

/** What a call costs its caller: each client, a process of its own, calls the same server of grpc-go. */
async function runClients(): Promise<string> {
  const server = await startServerProcess("grpc-go", [buildGoPeer()], 1);
  try {
    const costs = grpcClients.map((): number[] => []);
    for (let round = 0; round < 7; round++) {
      for (const [i, { file }] of grpcClients.entries()) costs[i]!.push(measureClient(file, server.port));
    }
    const lines = grpcClients.map(({ name }, i) => {
      const own = costs[i]!;
      const ratio = median(own.map((cost, round) => cost / costs[0]![round]!));
      return `| ${name} | ${median(own).toFixed(1)} | ${Math.min(...own).toFixed(1)}-${Math.max(...own).toFixed(1)} | ${ratio.toFixed(2)} |`;
    });
    return [
      `## ${clientName}`,
      "",
      "| client | CPU us per call | min-max | / grpc-js |",
      "| --- | ---: | ---: | ---: |",
      ...lines,
      "",
    ].join("\n");
  } finally {
    await server.stop();
  }
}

/** What tracing adds to a request, ours and OpenTelemetry's, each over the same server without it. */
async function runTracing(): Promise<string> {
  const lines: string[] = [];
  // OpenTelemetry's and ours in the same rounds; so few that none of them idles for long.
  for (const pairs of [tracingPeers.slice(0, 2), tracingPeers.slice(2)]) {
    const measured = await measureAll(
      cases[0]!,
      pairs.flatMap(({ plain, traced }) => [plain, traced]),
      processesOfTracing,
    );
    const added = pairs.map((_, i) => {
      const [plain, traced] = [measured[2 * i]!, measured[2 * i + 1]!];
      return median(traced.costs.map((cost, round) => cost - plain.costs[round]!));
    });
    for (const [i, { name }] of pairs.entries()) {
      const cells = [
        name,
        added[i]!.toFixed(1),
        (added[i]! / added[0]!).toFixed(2),
        measured[2 * i + 1]!.peakMiB.toFixed(0),
      ];
      lines.push(`| ${cells.join(" | ")} |`);
    }
  }
  return [
    `## ${tracingName}`,
    "",
    "| tracing | CPU us it adds to a request | / OpenTelemetry | peak MiB |",
    "| --- | ---: | ---: | ---: |",
    ...lines,
    "",
  ].join("\n");
}

/** What tracing adds to the heap that a request asks for, ours and OpenTelemetry's, in the same server. */
async function runAllocations(): Promise<string> {
  const [one] = cases;
  const requests = 6000;
  // So slow that OpenTelemetry's exporter keeps up: a span that it drops costs it less.
  const perSecond = 2000;
  const servers: ServerProcess[] = [];
  try {
    for (const { name, command } of Object.values(allocationPeers)) {
      const [program, ...args] = command();
      const probe = join(import.meta.dirname, "allocation-probe.ts");
      servers.push(await startServerProcess(name, [program!, "--import", probe, ...args]));
    }
    const bytes = servers.map((): number[] => []);
    for (const server of servers) await measure(one!, server, 2 * one!.requests);
    for (let round = -1; round < 5; round++) {
      for (const [i, server] of servers.entries()) {
        await server.ask<number>("allocated");
        await sendRequests(one!, server, requests, perSecond);
        const allocated = await server.ask<number>("allocated");
        // The first round sends what was left by warming up.
        if (round >= 0) bytes[i]!.push(allocated / requests);
      }
    }
    const [plain, theirs] = bytes;
    const added = (own: readonly number[], round: number): number => own[round]! - plain![round]!;
    const lines = servers.map(({ name }, i) => {
      const own = bytes[i]!;
      const cells = [name, median(own).toFixed(0)];
      if (i === 0) cells.push("", "");
      else {
        cells.push(median(own.map((_, round) => added(own, round))).toFixed(0));
        cells.push(median(own.map((_, round) => added(own, round) / added(theirs!, round))).toFixed(2));
      }
      return `| ${cells.join(" | ")} |`;
    });
    return [
      `## ${allocationName}`,
      "",
      "| tracing by | bytes of heap for each request | of them for its span | / OpenTelemetry |",
      "| --- | ---: | ---: | ---: |",
      ...lines,
      "",
    ].join("\n");
  } finally {
    for (const server of servers) await server.stop();
  }
}

/** Runs a benchmark that is a program of its own and prints a table. */
function runProgram(file: string): string {
  return execFileSync(process.execPath, [join(import.meta.dirname, file)], { encoding: "utf8" });
}

const tracingName = "Tracing, OTLP to a sink";
const partsName = "Parts of a traced request";
const allocationName = "Heap of a traced request";
const sendingName = "Sending spans, OTLP to a sink";
const idleName = "gRPC idle connections";
const codecName = "Codecs, 1.8 KB order and hello";
const coldStartName = "Cold start";
const chainName = "Chains of middleware";
const clientName = "gRPC client, hello, 16 calls at a time";

requireLoadTool();
const wanted = process.argv[2]?.toLowerCase() ?? "";
const all: readonly { readonly name: string; readonly run: () => Promise<string> }[] = [
  ...cases.map((one) => ({ name: one.name, run: () => runCase(one) })),
  { name: tracingName, run: runTracing },
  { name: partsName, run: async () => `## ${partsName}\n\n${runProgram("parts.ts")}` },
  { name: sendingName, run: async () => `## ${sendingName}\n\n${runProgram("sending.ts")}` },
  { name: allocationName, run: runAllocations },
  { name: clientName, run: runClients },
  { name: idleName, run: runIdleConnections },
  { name: coldStartName, run: async () => `## ${coldStartName}\n\n${runProgram("cold-start.ts")}` },
  { name: chainName, run: async () => `## ${chainName}\n\n${runProgram("chain.ts")}` },
  { name: codecName, run: async () => `## ${codecName}\n\n${runProgram("codec.ts")}` },
];
const chosen = all.filter(({ name }) => name.toLowerCase().includes(wanted));
if (chosen.length === 0) {
  console.error(`no case has "${wanted}" in its name; there are: ${all.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}
const parts: string[] = [];
for (const { run } of chosen) {
  const part = await run();
  console.log(part);
  parts.push(part);
}
if (wanted === "") {
  const head = [
    "# What a call costs",
    "",
    `Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: Node ${process.version}, ${cpus()[0]?.model.trim()}.`,
    `CPU time of the server process (user and system, of all its threads), server on one core, h2load on another; ${processes} processes`,
    `of each, one after the other, ${roundsOfEach} rounds in each, interleaved, after three to warm up. A ratio is the median over the rounds. Compare ratios, not`,
    "microseconds.",
    "",
    "",
  ].join("\n");
  writeFileSync(join(import.meta.dirname, "..", "results.md"), head + parts.join("\n"));
}
