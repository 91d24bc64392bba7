// A traced app whose collector fails in every way, beside the same app without tracing: the callers must not notice, nothing may be
// thrown, nothing may grow, and every span is accounted for.
//
//     npm run soak                         ten minutes
//     npm run soak -- 1                    one
//
//     callers ──▶ traced app ──▶ collector: well · fails · slow · resets · away · well again
//        └──────▶ bare app
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, createServer, get } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { HttpServer, ServiceError, service, tracing } from "clew";
import { type BatchStats, startTracing, withSpan } from "clew/trace";
import { WebGreeter } from "./gen/bench/v1/web_pb.ts";

const modes = ["well", "fails", "slow", "resets", "away"] as const;
type Mode = (typeof modes)[number];

/** Requests a second to each app, and spans inside each. */
const rate = 200;
const spansInside = 20;
/** How much more than in its first half a process may hold at its end: live heap, after a collection. */
const growthLimit = 1.15;

interface AppStats {
  /** What is alive in the heap, with buffers. */
  readonly liveMiB: number;
  readonly rssMiB: number;
  readonly unhandled: readonly string[];
  readonly spans: BatchStats | undefined;
}

const [role = "10", argument = ""] = process.argv.slice(2);
if (role === "sink") runSink();
else if (role === "app") await runApp(argument);
else await soak(Number(role));

/** A collector that does what it is told, on a port it keeps. */
function runSink(): void {
  let mode: Mode = "well";
  let requests = 0;
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    requests++;
    request.resume();
    request.on("error", () => {});
    request.on("end", () => {
      if (mode === "fails") response.writeHead(requests % 3 === 0 ? 500 : 503).end("no");
      else if (mode === "resets") request.socket.resetAndDestroy();
      else setTimeout(() => response.end(), mode === "slow" ? 3000 : 0);
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  let port = 0;
  server.listen(0, "127.0.0.1");
  server.once("listening", () => {
    ({ port } = server.address() as AddressInfo);
    process.send!(port);
  });
  process.on("message", (told: Mode) => {
    if (told === "away") {
      server.close();
      for (const socket of sockets) socket.destroy();
    } else if (mode === "away") server.listen(port, "127.0.0.1");
    mode = told;
  });
  process.on("disconnect", () => process.exit());
}

/** An app; with the address of a collector it is traced. */
async function runApp(endpoint: string): Promise<void> {
  const unhandled: string[] = [];
  const traces = endpoint === "" ? undefined : startTracing({ service: "soak", endpoint });
  const greeter = service(WebGreeter, {
    async sayHello({ name }) {
      for (let index = 0; index < spansInside; index++)
        await withSpan("work", { attributes: { index } }, async () => name);
      if (name.endsWith("7")) throw new ServiceError(404, "NOBODY", `no ${name}`);
      return { message: `Hello ${name}` };
    },
  });
  const server = new HttpServer({ address: "127.0.0.1:0", middleware: [tracing()], services: [greeter] });
  await server.start();
  process.on("unhandledRejection", (reason) => unhandled.push(String(reason)));
  process.on("uncaughtException", (error) => unhandled.push(String(error)));
  process.on("message", async (told) => {
    if (told === "stop") await traces?.shutdown();
    globalThis.gc!();
    const { rss, heapUsed, external } = process.memoryUsage();
    const [liveMiB, rssMiB] = [heapUsed + external, rss].map((bytes) => bytes / 1024 / 1024) as [number, number];
    process.send!({ liveMiB, rssMiB, unhandled, spans: traces?.stats() } satisfies AppStats);
  });
  process.on("disconnect", () => process.exit());
  process.send!(Number(server.endpoint().port));
}

async function start(...args: string[]): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(import.meta.filename, args, { execArgv: ["--expose-gc"] });
  const [port] = (await once(child, "message")) as [number];
  return { child, port };
}

async function ask(child: ChildProcess, what: string): Promise<AppStats> {
  child.send(what);
  const [stats] = (await once(child, "message")) as [AppStats];
  return stats;
}

/** Latencies by what the collector did meanwhile, in milliseconds. */
type Latencies = Record<Mode, number[]>;

async function soak(minutes: number): Promise<void> {
  const sink = await start("sink");
  const traced = await start("app", `http://127.0.0.1:${sink.port}`);
  const bare = await start("app");
  const apps = [traced, bare];
  const agent = new Agent({ keepAlive: true, maxSockets: 50 });
  const latencies = apps.map((): Latencies => ({ well: [], fails: [], slow: [], resets: [], away: [] }));
  let mode: Mode = "well";
  let count = 0;
  let failures = 0;

  const call = (index: number): void => {
    const startMs = performance.now();
    const { port } = apps[index]!;
    const request = get({ port, path: `/helloworld/n${count}`, agent }, (response) => {
      response.resume();
      response.on("end", () => latencies[index]![mode].push(performance.now() - startMs));
      if (response.statusCode !== 200 && response.statusCode !== 404) failures++;
    });
    request.on("error", () => failures++);
  };

  const endMs = performance.now() + minutes * 60_000;
  const phaseMs = Math.min(20_000, (minutes * 60_000) / (2 * modes.length));
  const load = setInterval(() => {
    count++;
    // Which goes first costs the other a little.
    call(count % 2);
    call((count + 1) % 2);
  }, 1000 / rate);
  const memory: AppStats[][] = [[], []];
  const unhandled: string[] = [];
  for (let phase = 0; performance.now() < endMs - phaseMs / 2; phase++) {
    mode = modes[phase % modes.length]!;
    sink.child.send(mode);
    await wait(phaseMs);
    for (const [index, { child }] of apps.entries()) memory[index]!.push(await ask(child, "tell"));
  }
  mode = "well";
  sink.child.send(mode);
  await wait(Math.min(5000, phaseMs));
  clearInterval(load);
  await wait(500);
  const ends = await Promise.all(apps.map(({ child }) => ask(child, "stop")));
  for (const { unhandled: thrown } of ends) unhandled.push(...thrown);
  for (const { child } of [sink, ...apps]) child.disconnect();
  agent.destroy();

  const problems: string[] = [];
  console.log(`${minutes} minutes, ${count} requests to each app, ${spansInside + 1} spans in each; latencies in ms\n`);
  console.log("collector      traced p50    p99      bare p50    p99");
  for (const one of modes) {
    const cells = latencies.flatMap((all) => [percentile(all[one], 0.5), percentile(all[one], 0.99)]);
    console.log(`${one.padEnd(12)}  ${cells.map((ms) => ms.toFixed(2).padStart(9)).join("  ")}`);
    const well = percentile(latencies[0]!.well, 0.5);
    // Twice, for a machine that others use as well.
    if (cells[0]! > 2 * well) problems.push(`while the collector is ${one}, callers wait ${cells[0]!.toFixed(2)} ms`);
  }
  for (const [index, name] of ["traced", "bare"].entries()) {
    const half = memory[index]!.slice(0, Math.ceil(memory[index]!.length / 2));
    const early = Math.max(...half.map(({ liveMiB }) => liveMiB));
    const { liveMiB: late, rssMiB } = ends[index]!;
    const resident = Math.max(...memory[index]!.map((one) => one.rssMiB), rssMiB);
    const at = `${late.toFixed(1)} MiB at the end, ${resident.toFixed(0)} MiB resident at most`;
    console.log(
      `${index === 0 ? "\n" : ""}${name.padEnd(7)} ${early.toFixed(1)} MiB alive at most in the first half, ${at}`,
    );
    if (late > early * growthLimit) problems.push(`${name} grows`);
  }
  const { started, exported, rejected, dropped, failed, waiting } = ends[0]!.spans!;
  const sum = exported + rejected + dropped + failed + waiting;
  console.log(
    `\nspans: ${started} started = ${exported} exported + ${dropped} dropped + ${failed} refused + ${waiting} left`,
  );
  if (sum !== started) problems.push(`${started - sum} spans are not accounted for`);
  if (failures > 0) problems.push(`${failures} requests failed`);
  if (unhandled.length > 0) problems.push(`unhandled: ${unhandled.slice(0, 3).join("; ")}`);
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? "\nNobody noticed." : "\nFAILED");
  process.exitCode = problems.length === 0 ? 0 : 1;
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * part)] ?? Number.NaN;
}
