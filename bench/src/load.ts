import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Case } from "./cases.ts";
import type { ServerProcess } from "./server-process.ts";

/** Installs h2load from Debian when it is missing and it may; otherwise says what to do. */
export function requireLoadTool(): void {
  if (hasLoadTool()) return;
  if (process.getuid?.() === 0) {
    execFileSync("apt-get", ["update", "-qq"], { stdio: "inherit" });
    execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "nghttp2-client"], { stdio: "ignore" });
  }
  if (!hasLoadTool()) throw new Error("h2load is missing: install Debian's package nghttp2-client");
}

function hasLoadTool(): boolean {
  try {
    execFileSync("h2load", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/**
 * Sends so many requests from the second core, as fast as they are answered or at most so many a second, and resolves with the seconds
 * that it took.
 *
 * @throws when not every request succeeds
 */
export async function sendRequests(
  one: Case,
  { name, port }: ServerProcess,
  requests: number,
  perSecond?: number,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  try {
    const args = [...one.load, "-n", String(requests)];
    // h2load is told what each of its clients may send.
    const clients = Number(one.load[one.load.indexOf("-c") + 1]);
    if (perSecond !== undefined) args.push("--rps", String(Math.max(1, Math.round(perSecond / clients))));
    if (one.body !== undefined) {
      writeFileSync(join(folder, "body"), one.body);
      args.push("-d", join(folder, "body"));
    }
    const startMs = performance.now();
    const { stdout } = await promisify(execFile)("taskset", [
      ...["-c", "1", "h2load", ...args],
      `http://127.0.0.1:${port}${one.path}`,
    ]);
    const seconds = (performance.now() - startMs) / 1000;
    const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1]);
    const good = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1]);
    if (succeeded !== requests || good !== requests) throw new Error(`${name}: not every request succeeded\n${stdout}`);
    return seconds;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Sends `requests` requests and returns the CPU time the server spent on each, or on each message, in microseconds. */
export async function measure(one: Case, server: ServerProcess, requests: number): Promise<number> {
  const before = server.cpuMicros();
  await sendRequests(one, server, requests);
  return (server.cpuMicros() - before) / (requests * (one.messages ?? 1));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Opens HTTP/2 connections that say hello and nothing more; resolves when the server has answered all. Returns what closes them. */
export async function openConnections(port: number, count: number): Promise<() => void> {
  const preface = Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  ]);
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect(port, "127.0.0.1");
    socket.write(preface);
    await once(socket, "data");
    sockets.push(socket);
  }
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
