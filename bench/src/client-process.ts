import { execFileSync } from "node:child_process";

/** Runs one of `clients/` on the first core against a server; returns the CPU time of a call in microseconds. */
export function measureClient(file: string, port: number): number {
  const program = new URL(`clients/${file}`, import.meta.url).pathname;
  const output = execFileSync("taskset", ["-c", "0", process.execPath, program, String(port)], {
    encoding: "utf8",
    env: { ...process.env, NODE_ENV: "production" },
  });
  return Number(output);
}
