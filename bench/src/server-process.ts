import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** One server under measurement, alone on the first core. */
export interface ServerProcess {
  readonly name: string;
  readonly port: number;
  /** CPU time the process has used so far, user and system, in microseconds (/proc/PID/stat, proc(5)). */
  cpuMicros(): number;
  /** The most memory it ever held, in MiB (VmHWM of proc(5)). */
  peakMemory(): number;
  /** What it holds now, in KiB (VmRSS). */
  residentKiB(): number;
  stop(): Promise<void>;
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"]).toString());

/** Starts a server on one core, the first unless told otherwise, and waits until it says which port it listens on. */
export async function startServerProcess(name: string, command: readonly string[], core = 0): Promise<ServerProcess> {
  const child = spawn("taskset", ["-c", String(core), ...command], {
    stdio: ["ignore", "pipe", "inherit"],
    // GOMAXPROCS is for Go peers: one core, as ours.
    env: { ...process.env, NODE_ENV: "production", GOMAXPROCS: "1" },
  });
  const port = await readPort(name, child);
  const stat = `/proc/${child.pid}/stat`;
  return {
    name,
    port,
    cpuMicros() {
      // The second field may hold blanks; what follows the last bracket does not.
      const fields = readFileSync(stat, "utf8").split(") ")[1]!.split(" ");
      return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6;
    },
    peakMemory: () => readStatus(child.pid, "VmHWM") / 1024,
    residentKiB: () => readStatus(child.pid, "VmRSS"),
    async stop() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function readStatus(pid: number | undefined, name: string): number {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").match(new RegExp(`${name}:\\s+(\\d+)`));
  return Number(line?.[1]);
}

async function readPort(name: string, child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const port = /^listening (\d+)$/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`${name} ended before it listened`);
}
