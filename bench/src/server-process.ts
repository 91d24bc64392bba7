import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { residentMiB } from "./memory.ts";

/** One server under measurement, alone on the first core. */
export interface ServerProcess {
  readonly name: string;
  readonly port: number;
  /** CPU time the process has used so far, user and system, in microseconds: that of the threads it has now. */
  cpuMicros(): number;
  /** The most memory it ever held, in MiB. */
  peakMiB(): number;
  /** What it holds now, in MiB. */
  residentMiB(): number;
  /** Sends a message to a program of Node that listens for them, and resolves with its answer. One at a time. */
  ask<T>(question: string): Promise<T>;
  stop(): Promise<void>;
}

/** Starts a server on one core, the first unless told otherwise, and waits until it says which port it listens on. */
export async function startServerProcess(name: string, command: readonly string[], core = 0): Promise<ServerProcess> {
  const child = spawn("taskset", ["-c", String(core), ...command], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    // GOMAXPROCS is for Go peers: one core, as ours.
    env: { ...process.env, NODE_ENV: "production", GOMAXPROCS: "1" },
  });
  const port = await readPort(name, child);
  const pid = child.pid!;
  return {
    name,
    port,
    cpuMicros() {
      const tasks = readdirSync(`/proc/${pid}/task`);
      // In nanoseconds, where /proc/PID/stat counts in ticks of 10 ms (Linux's Documentation/scheduler/sched-stats.rst).
      const nanos = tasks.map((task) =>
        Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]),
      );
      return nanos.reduce((sum, one) => sum + one, 0) / 1000;
    },
    peakMiB: () => residentMiB(pid, "VmHWM"),
    residentMiB: () => residentMiB(pid),
    async ask<T>(question: string): Promise<T> {
      const isAnswered = new AbortController();
      const { signal } = isAnswered;
      const ended = once(child, "exit", { signal }).then(() => {
        throw new Error(`${name} ended before it answered "${question}"`);
      });
      const answer = once(child, "message", { signal }).then(([message]) => message as T);
      child.send(question);
      try {
        return await Promise.race([answer, ended]);
      } finally {
        isAnswered.abort();
      }
    },
    async stop() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function readPort(name: string, child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const port = /^listening (\d+)$/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`${name} ended before it listened`);
}
