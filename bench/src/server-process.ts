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
  /** The most memory it ever held, in MiB (VmHWM). */
  peakMemory(): number;
  stop(): Promise<void>;
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"]).toString());

/** Starts `file` with this Node and waits until it says which port it listens on. */
export async function startServerProcess(name: string, file: string): Promise<ServerProcess> {
  const child = spawn("taskset", ["-c", "0", process.execPath, file], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_ENV: "production" },
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
    peakMemory() {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
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
