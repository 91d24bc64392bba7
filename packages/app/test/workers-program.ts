// A program with workers, run by workers.test.ts: node workers-program.ts <options as JSON>
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { App, currentApp, type Resources, runMain } from "@clew/app";
import { FileRegistry } from "@clew/registry";
import { HttpServer } from "@clew/transport/http";

export interface ProgramOptions {
  workers?: number;
  port?: number;
  /** The folder of a FileRegistry. */
  registry?: string;
  startTimeoutMs?: number;
  stopTimeoutMs?: number;
  drainDelayMs?: number;
  /** "start": every worker fails. "defect": with a TypeError. "early": before the app runs. */
  fails?: "start" | "defect" | "early";
  /** How long a worker waits before its app runs. */
  loadMs?: number;
  /** Whether the app's own signal aborted in the workers before it ran. */
  isAborted?: boolean;
  /** While there is a file of this name, workers that start fail. */
  brokenFile?: string;
  /** Workers that stop wait until there is a file of this name. */
  stopFile?: string;
}

const options = JSON.parse(process.argv[2] ?? "{}") as ProgramOptions;

function say(what: string): void {
  console.log(`${currentApp()?.worker ?? "primary"} ${process.pid} ${what}`);
}

async function compose(resources: Resources): Promise<HttpServer[]> {
  if (options.fails === "start") throw Object.assign(new Error("the database is gone"), { code: "CLEW_TEST" });
  if (options.fails === "defect") throw new TypeError("x is undefined");
  if (options.brokenFile !== undefined && existsSync(options.brokenFile)) {
    throw Object.assign(new Error("the file is broken"), { code: "CLEW_TEST" });
  }
  await resources.use({}, () => say("closed"));
  const server = new HttpServer({
    address: `127.0.0.1:${options.port ?? 0}`,
    health: true,
    routes: [
      {
        verb: "GET",
        path: "/who",
        handle: (_request, response) => {
          const app = currentApp();
          response.setHeader("connection", "close");
          response.end(JSON.stringify({ worker: app?.worker, id: app?.id, name: app?.name, pid: process.pid }));
        },
      },
      {
        verb: "GET",
        path: "/slow",
        handle: async (_request, response) => {
          response.writeHead(200).write(`${process.pid} `);
          while (!isStopping) await sleep(10);
          await sleep(100);
          response.end("done");
        },
      },
      {
        verb: "GET",
        path: "/stop",
        handle: (_request, response) => {
          response.setHeader("connection", "close");
          response.end("ok");
          void app.stop();
        },
      },
      {
        verb: "GET",
        path: "/block",
        handle: () => {
          say("blocks");
          for (;;);
        },
      },
    ],
  });
  return [server];
}

// A primary that gets no time: it does nothing until there is the file, and for a while after.
if (options.stopFile !== undefined && process.env.CLEW_WORKER === undefined) {
  const { stopFile } = options;
  process.on("SIGUSR2", () => {
    say("stands still");
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(stopFile)) Atomics.wait(cell, 0, 0, 10);
    Atomics.wait(cell, 0, 0, 1000);
  });
}

let isStopping = false;
const app = new App({
  name: "pool",
  workers: options.workers ?? 2,
  servers: compose,
  startTimeoutMs: options.startTimeoutMs ?? 30_000,
  stopTimeoutMs: options.stopTimeoutMs ?? 20_000,
  drainDelayMs: options.drainDelayMs ?? 0,
  ...(options.registry === undefined ? {} : { registrar: new FileRegistry({ folder: options.registry }) }),
  ...(options.isAborted === true && process.env.CLEW_WORKER !== undefined ? { signal: AbortSignal.abort() } : {}),
  afterStart: [() => say("up")],
  beforeStop: [
    async () => {
      isStopping = true;
      say("stopping");
      while (options.stopFile !== undefined && !existsSync(options.stopFile)) await sleep(10);
    },
  ],
  afterStop: [() => say("down")],
});
if (options.fails === "early" && process.env.CLEW_WORKER !== undefined) process.exit(3);
await runMain(async () => {
  if (options.loadMs !== undefined && process.env.CLEW_WORKER !== undefined) {
    console.log("loading");
    await sleep(options.loadMs);
  }
  await app.run();
  say("over");
});
