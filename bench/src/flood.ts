// 50,000 requests a second, every one traced, to a server of gRPC whose sink takes the spans, goes away, hangs and comes back: what was
// not sent is counted to the span, and memory stays within bounds.
//
//     npm run flood                        a minute with the sink up, 20 s with each of its failures
//     npm run flood -- 9                   9 s and 3 s
//
//     second core: h2load ──▶ first core: server ──▶ second core: sink
import { readFileSync } from "node:fs";
import { cases, node } from "./cases.ts";
import { requireLoadTool, sendRequests } from "./load.ts";
import { growth, growthLimit, memoryFlags } from "./memory.ts";
import { startServerProcess } from "./server-process.ts";
import { type AppStats, countMissing } from "./servers/app-stats.ts";
import { type SinkMode, startSink } from "./servers/sink.ts";

const seconds = Number(process.argv[2] ?? 60);
/** Requests a second. */
const rate = 50_000;
/** What more a server may hold, alive or resident, with the sink down than with the sink up: the ring, full of spans with their bytes. */
const limitMiB = 32;

interface Phase {
  readonly name: string;
  readonly sink: SinkMode;
  readonly seconds: number;
}

const phases: readonly Phase[] = [
  { name: "sink up", sink: "well", seconds },
  { name: "sink away", sink: "away", seconds: seconds / 3 },
  { name: "sink hangs", sink: "hangs", seconds: seconds / 3 },
  { name: "sink back", sink: "well", seconds: seconds / 3 },
];

/** What a phase came to. */
interface PhaseResult {
  readonly name: string;
  readonly perSecond: number;
  /** How much of each core was in use, by whomever. */
  readonly busy: readonly number[];
  readonly microsPerRequest: number;
  /** Resident memory of the server, from the beginning of the phase to its end. */
  readonly residentMiB: readonly number[];
  readonly stats: AppStats;
}

/** CPU time since the machine started, for each core: all of it, and what was idle (/proc/stat, proc(5)). */
function readCores(): { readonly all: number; readonly idle: number }[] {
  return [...readFileSync("/proc/stat", "utf8").matchAll(/^cpu\d+ (.*)$/gm)].map(([, line]) => {
    const times = line!.split(" ").map(Number);
    return { all: times.slice(0, 8).reduce((sum, time) => sum + time, 0), idle: times[3]! + times[4]! };
  });
}

requireLoadTool();
const hello = cases.find(({ name }) => name === "gRPC hello, 8 x 16")!;
const sink = await startSink();
const { name, command } = node("Clew, traced", "grpc-clew-traced.ts", sink.endpoint);
const [program, ...args] = command();
const server = await startServerProcess(name, [program!, ...memoryFlags, ...args]);

let requests = 0;
async function send(count: number, perSecond?: number): Promise<number> {
  requests += count;
  return count / (await sendRequests(hello, server, count, perSecond));
}

// Warms up, and tells what this machine can do.
await send(rate);
const reachable = await send(2 * rate);
const pace = Math.min(rate, reachable);

async function runPhase({ name, sink: mode, seconds }: Phase): Promise<PhaseResult> {
  await sink.become(mode);
  const count = Math.round(pace * seconds);
  const residentMiB = [server.residentMiB()];
  const sampling = setInterval(() => residentMiB.push(server.residentMiB()), 200);
  const cores = readCores();
  const cpuMicros = server.cpuMicros();
  const perSecond = await send(count, pace);
  clearInterval(sampling);
  const busy = readCores().map(({ all, idle }, core) => 1 - (idle - cores[core]!.idle) / (all - cores[core]!.all));
  const microsPerRequest = (server.cpuMicros() - cpuMicros) / count;
  residentMiB.push(server.residentMiB());
  return { name, perSecond, busy, microsPerRequest, residentMiB, stats: await server.ask<AppStats>("stats") };
}

const results: PhaseResult[] = [];
for (const phase of phases) results.push(await runPhase(phase));
await server.ask<AppStats>("flush");
const ends = await server.ask<AppStats>("shutdown");
const { taken } = await sink.become("well");
await server.stop();
await sink.stop();

const { started, exported, rejected, dropped, failed, waiting } = ends.spans!;
console.log(`${requests} requests, every one traced; Node ${process.version}; spans up to the end of each phase\n`);
console.log(
  "| phase | requests/s | CPU us per request | cores busy | started | sent | dropped | waiting | resident MiB: start, peak, end | alive MiB |",
);
console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
for (const { name, perSecond, busy, microsPerRequest, residentMiB, stats } of results) {
  const now = stats.spans!;
  const cells = [
    name,
    perSecond.toFixed(0),
    microsPerRequest.toFixed(1),
    busy.map((share) => `${(share * 100).toFixed(0)} %`).join(" "),
    now.started,
    now.exported,
    now.dropped + now.failed,
    now.waiting,
    [residentMiB[0]!, Math.max(...residentMiB), residentMiB.at(-1)!].map((mib) => mib.toFixed(0)).join(" "),
    stats.liveMiB.toFixed(1),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
console.log(
  `\n${started} spans started = ${exported} sent + ${dropped} dropped + ${rejected + failed} refused + ${waiting} waiting`,
);
console.log(`the sink has ${taken}`);

const problems: string[] = [];
if (started !== requests) problems.push(`${requests} requests made ${started} spans`);
for (const { name, stats } of [...results, { name: "at the end", stats: ends }]) {
  const missing = countMissing(stats.spans!);
  if (missing !== 0) problems.push(`${name}: ${missing} spans are not accounted for`);
}
if (taken !== exported) problems.push(`${exported} spans were sent, and the sink has ${taken}`);
if (ends.unhandled.length > 0) problems.push(`unhandled: ${ends.unhandled.slice(0, 3).join("; ")}`);
const [up, ...others] = results;
const peak = ({ residentMiB }: PhaseResult): number => Math.max(...residentMiB);
for (const result of others) {
  const { name, stats } = result;
  if (stats.liveMiB > up!.stats.liveMiB + limitMiB) problems.push(`${name}: ${stats.liveMiB.toFixed(0)} MiB are alive`);
  if (peak(result) > peak(up!) + limitMiB) problems.push(`${name}: ${peak(result).toFixed(0)} MiB are resident`);
}
for (const { name, residentMiB } of results) {
  // What a few seconds bring is warming up.
  if (residentMiB.length > 50 && growth(residentMiB) > growthLimit) problems.push(`${name}: memory grows`);
}
if (results.some(({ perSecond }) => perSecond < rate * 0.98)) {
  const { microsPerRequest, perSecond, busy } = up!;
  const [own, others] = [(microsPerRequest * perSecond) / 1e6, ...busy].map((share) => `${(share * 100).toFixed(0)} %`);
  console.log(
    `${rate} requests a second were not reached. With the sink up the server had ${own} of its core, which was busy to`,
  );
  console.log(`${others}; the other one, of h2load and the sink, to ${(busy[1]! * 100).toFixed(0)} %.`);
}
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? "\nEverything is accounted for." : "\nFAILED");
process.exitCode = problems.length === 0 ? 0 : 1;
