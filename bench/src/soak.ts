// A traced app whose collector fails in every way, beside the same app without tracing: the callers must not notice, nothing may be
// thrown, nothing may grow, and every span is accounted for.
//
//     npm run soak                         ten minutes
//     npm run soak -- 1                    one
//
//     callers ──▶ traced app ──▶ sink: well · fails · well · throttles · well · takes half ... (turn, below)
//        └──────▶ bare app
import { Agent, get } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { node } from "./cases.ts";
import { growth, growthLimit, memoryFlags } from "./memory.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";
import { type AppStats, countMissing } from "./servers/app-stats.ts";
import { type SinkMode, sinkModes, startSink } from "./servers/sink.ts";

const minutes = Number(process.argv[2] ?? 10);
/** Requests a second to each app, and spans inside each. */
const rate = 200;
const spansInside = 20;
/** What the sink does in turn: it fails in one way, and is well again. */
const turn = sinkModes.filter((mode) => mode !== "well").flatMap((mode): SinkMode[] => ["well", mode]);
/** How long it stays as it is. In a shorter run every way still has its turn, but latencies say little. */
const longestPhaseMs = 15_000;
const phaseMs = Math.min(longestPhaseMs, (minutes * 60_000) / turn.length);
const isLong = phaseMs === longestPhaseMs;

/**
 * How much longer callers may wait than while the sink is well: half of them, and all but one of a hundred. The bare app waits for
 * no sink: what changes for its callers is the machine's doing, and taken off.
 */
const latencyLimits = { p50: 1.25, p99: 1.5 } as const;
const parts = ["p50", "p99"] as const;
/** What is less than this is no difference: a timer, a collection. */
const noticeableMs = 0.5;

/** What callers waited, in milliseconds, by what the sink did meanwhile. */
type Latencies = Record<SinkMode, number[]>;

interface App {
  readonly server: ServerProcess;
  readonly latencies: Latencies;
  /** What is alive at the end of each phase, and resident. */
  readonly liveMiB: number[];
  readonly residentMiB: number[];
}

async function startApp(name: string, core: number, ...args: string[]): Promise<App> {
  const [program, ...rest] = node(name, "soak-app.ts", String(spansInside), ...args).command();
  const latencies = Object.fromEntries(sinkModes.map((mode) => [mode, [] as number[]])) as Latencies;
  const server = await startServerProcess(name, [program!, ...memoryFlags, ...rest], core);
  return { server, latencies, liveMiB: [], residentMiB: [] };
}

const sink = await startSink();
// A core for each: what one does must not be what the other waits for.
const traced = await startApp("traced", 0, sink.endpoint);
const bare = await startApp("bare", 1);
const apps = [traced, bare];

const agent = new Agent({ keepAlive: true, maxSockets: 50 });
/** Undefined while the apps warm up. */
let mode: SinkMode | undefined;
let count = 0;
let open = 0;
let failures = 0;

function call({ server, latencies }: App): void {
  const startMs = performance.now();
  open++;
  const request = get({ port: server.port, path: `/helloworld/n${count}`, agent }, (response) => {
    if (response.statusCode !== 200 && response.statusCode !== 404) failures++;
    response.resume();
    response.on("end", () => {
      if (mode !== undefined) latencies[mode].push(performance.now() - startMs);
    });
  });
  request.on("error", () => failures++);
  request.on("close", () => open--);
}

const load = setInterval(() => {
  count++;
  // Which goes first costs the other a little.
  call(apps[count % 2]!);
  call(apps[(count + 1) % 2]!);
}, 1000 / rate);

await wait(Math.min(5000, phaseMs));
const phases = Math.round((minutes * 60_000) / phaseMs);
for (let phase = 0; phase < phases; phase++) {
  mode = turn[phase % turn.length]!;
  await sink.become(mode);
  await wait(phaseMs);
  for (const { server, liveMiB, residentMiB } of apps) {
    residentMiB.push(server.residentMiB());
    liveMiB.push((await server.ask<AppStats>("stats")).liveMiB);
  }
}
mode = "well";
await sink.become(mode);
await wait(Math.min(5000, phaseMs));
clearInterval(load);
while (open > 0) await wait(10);
// Once before the end, so that what waited for the sink has gone, and the engine is still there.
const flushed = await Promise.all(apps.map(({ server }) => server.ask<AppStats>("flush")));
const ends = await Promise.all(apps.map(({ server }) => server.ask<AppStats>("shutdown")));
const { taken, rejected: refusedSpans, requests } = await sink.become("well");
agent.destroy();
for (const { stop } of [sink, traced.server, bare.server]) await stop();

const problems: string[] = [];

console.log(
  `${minutes} minutes, ${count} requests to each app, ${spansInside + 1} spans in each; latencies in ms, and`,
);
console.log("how many times those with the sink well\n");
console.log("| sink | asked | traced p50 | p99 | bare p50 | p99 |\n| --- | ---: | ---: | ---: | ---: | ---: |");
let isBusy = false;
for (const one of sinkModes) {
  const [own, others] = [compareWaits(traced.latencies, one), compareWaits(bare.latencies, one)];
  const cells = [own, others].flatMap((waits) => parts.map((part) => waits[part]));
  console.log(
    `| ${[one, requests[one], ...cells.map(({ ms, ratio }) => `${ms.toFixed(2)} (${ratio.toFixed(2)})`)].join(" | ")} |`,
  );
  for (const part of parts) {
    const { ms, addedMs, ratio } = own[part];
    if (isLong && ratio > latencyLimits[part] * Math.max(1, others[part].ratio) && addedMs > noticeableMs) {
      problems.push(`${one}: callers wait ${ms.toFixed(2)} ms (${part}), ${ratio.toFixed(2)} times as long`);
    }
    isBusy ||= others[part].ratio > 2;
  }
  if (isLong && one !== "away" && requests[one] === 0) problems.push(`${one}: nobody asked the sink`);
}
if (!isLong) console.log("A run this short does not hold latencies to anything.");
else if (isBusy)
  console.log("The bare app's callers waited twice as long at times: this machine was too busy to tell.");

console.log("");
for (const [index, { server, liveMiB, residentMiB }] of apps.entries()) {
  const endMiB = flushed[index]!.liveMiB;
  const wellMiB = Math.max(...liveMiB.filter((_, phase) => turn[phase % turn.length] === "well"));
  const figures = {
    "alive at the end / with the sink well": endMiB / wellMiB,
    // Like with like: both halves have the sink in each of its ways.
    ...(phases >= 2 * turn.length
      ? { "alive, second half / first": growth(liveMiB), "resident, second half / first": growth(residentMiB) }
      : {}),
  };
  console.log(
    `${server.name}: ${endMiB.toFixed(1)} MiB alive at the end, ${wellMiB.toFixed(1)} with the sink well, ` +
      `${Math.max(...liveMiB).toFixed(1)} at most; ${Math.max(...residentMiB).toFixed(0)} resident at most`,
  );
  console.log(`  resident after each phase: ${residentMiB.map((mib) => mib.toFixed(0)).join(" ")}`);
  for (const [what, ratio] of Object.entries(figures)) {
    console.log(`  ${what}: ${ratio.toFixed(2)}`);
    if (ratio > growthLimit) problems.push(`${server.name} grows: ${what} ${ratio.toFixed(2)}`);
  }
}

const { started, exported, rejected, dropped, failed, waiting } = ends[0]!.spans!;
console.log(
  `\n${started} spans started = ${exported} sent + ${rejected} rejected + ${dropped} dropped + ${failed} refused + ${waiting} waiting`,
);
console.log(`the sink has ${taken}, and rejected ${refusedSpans}`);
if (started !== count * (spansInside + 1)) problems.push(`${count} requests made ${started} spans`);
if (countMissing(ends[0]!.spans!) !== 0) problems.push(`${countMissing(ends[0]!.spans!)} spans are not accounted for`);
if (exported !== taken || rejected !== refusedSpans) problems.push("the sink counts otherwise");
if (failures > 0) problems.push(`${failures} requests failed`);
const unhandled = ends.flatMap((one) => one.unhandled);
console.log(`${unhandled.length} unhandled rejections, exceptions and warnings`);
if (unhandled.length > 0) problems.push(`unhandled: ${unhandled.slice(0, 3).join("; ")}`);
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? "\nNobody noticed." : "\nFAILED");
process.exitCode = problems.length === 0 ? 0 : 1;

/** What callers waited while the sink was in a mode, and beside what they waited while it was well. */
function compareWaits(
  latencies: Latencies,
  during: SinkMode,
): Record<"p50" | "p99", { readonly ms: number; readonly addedMs: number; readonly ratio: number }> {
  const [now, well] = [latencies[during], latencies.well].map((values) => values.toSorted((a, b) => a - b));
  const compare = (part: number) => {
    const [ms, wellMs] = [now, well].map((sorted) => sorted![Math.floor(sorted!.length * part)] ?? Number.NaN);
    return { ms: ms!, addedMs: ms! - wellMs!, ratio: ms! / wellMs! };
  };
  return { p50: compare(0.5), p99: compare(0.99) };
}
