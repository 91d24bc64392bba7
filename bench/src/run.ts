// What a call costs: CPU time of the server process per request, every peer in the same run, their rounds interleaved, so
// that a machine that slows down slows all of them. Ratios are medians over the rounds. Writes bench/results.md.
//
//     npm run bench                    all cases
//     npm run bench -- grpc            the cases whose name contains "grpc"
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { type Case, cases } from "./cases.ts";
import { measure, median, requireLoadTool } from "./load.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

const rounds = 9;
const warmUp = 40_000;

async function runCase(one: Case): Promise<string> {
  const servers: ServerProcess[] = [];
  try {
    for (const { name, file } of one.peers) {
      servers.push(await startServerProcess(name, join(import.meta.dirname, "servers", file)));
    }
    for (const server of servers) measure(one, server, warmUp);
    const costs = servers.map((): number[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, server] of servers.entries()) costs[i]!.push(measure(one, server, one.requests));
    }
    const lines = servers.map((server, i) => {
      const ratio = median(costs[i]!.map((cost, round) => cost / costs[0]![round]!));
      const spread = `${Math.min(...costs[i]!).toFixed(1)}-${Math.max(...costs[i]!).toFixed(1)}`;
      const cells = [
        server.name,
        median(costs[i]!).toFixed(1),
        spread,
        ratio.toFixed(2),
        server.peakMemory().toFixed(0),
      ];
      return `| ${cells.join(" | ")} |`;
    });
    return [
      `## ${one.name}`,
      "",
      `| server | CPU us per call | min-max | ratio to ${one.peers[0]!.name} | peak MiB |`,
      "| --- | ---: | ---: | ---: | ---: |",
      ...lines,
      "",
    ].join("\n");
  } finally {
    for (const server of servers) await server.stop();
  }
}

requireLoadTool();
const wanted = process.argv[2]?.toLowerCase() ?? "";
const chosen = cases.filter(({ name }) => name.toLowerCase().includes(wanted));
if (chosen.length === 0) {
  console.error(`no case has "${wanted}" in its name; there are: ${cases.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}
const parts: string[] = [];
for (const one of chosen) {
  const part = await runCase(one);
  console.log(part);
  parts.push(part);
}
if (wanted === "") {
  const head = [
    "# What a call costs",
    "",
    `Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: Node ${process.version}, ${cpus()[0]?.model.trim()}.`,
    `CPU time of the server process (user and system, /proc/PID/stat), server on one core, h2load on another; ${rounds} rounds of`,
    `${cases[0]!.requests} requests each, interleaved, after ${warmUp} to warm up. Compare ratios, not microseconds.`,
    "",
    "",
  ].join("\n");
  writeFileSync(join(import.meta.dirname, "..", "results.md"), head + parts.join("\n"));
}
