// 1,000 connections to four nodes, half of them gRPC and half HTTP/1.1; every ten seconds one node is killed with SIGKILL and one is
// started again. No call may fail, and memory must be flat: neither the caller's nor that of a node that lives through the run.
//
//     npm run endurance                    five minutes
//     npm run endurance -- 0.5             half a minute
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, retry, type ServiceClient, ServiceError } from "clew";
import { RetryBudget } from "clew/middleware";
import { FileRegistry } from "clew/registry";
import { Greeter } from "../gen/bench/v1/bench_pb.ts";
import { growth, growthLimit, residentMiB } from "../memory.ts";

const minutes = Number(process.argv[2] ?? 5);
const nodeCount = 4;
const connections = 1000;
const cycleMs = 10_000;
/** Between two calls of one client. */
const pauseMs = 100;

const folder = mkdtempSync(join(tmpdir(), "endurance-"));
const registry = new FileRegistry({ folder });
const nodes: ChildProcess[] = [];
const isOver = new AbortController();

async function startNode(index: number): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "node.ts"), folder, `node-${index}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  nodes[index] = child;
  await once(child.stdout, "data");
}

async function killNode(index: number): Promise<void> {
  const child = nodes[index]!;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const failures = new Map<string, number>();
let calls = 0;

async function callOn(client: ServiceClient<typeof Greeter>): Promise<void> {
  // Not all at once.
  await wait(Math.random() * pauseMs);
  while (!isOver.signal.aborted) {
    const startMs = performance.now();
    try {
      const { message } = await client.sayHello({ name: "kratos" }, { timeoutMs: 10_000 });
      if (message !== "Hello kratos") throw new TypeError(`the answer was "${message}"`);
    } catch (error) {
      const what = error instanceof ServiceError ? `${error.code} ${error.reason}: ${error.message}` : String(error);
      failures.set(what, (failures.get(what) ?? 0) + 1);
    }
    calls++;
    await wait(Math.max(0, pauseMs - (performance.now() - startMs)));
  }
}

await Promise.all(Array.from({ length: nodeCount }, (_, index) => startNode(index)));
// One of the 1,000 connections is a client's to one node.
const clients = Array.from({ length: connections / nodeCount }, (_, index) =>
  createClient(Greeter, {
    endpoint: `discovery:///greeter?scheme=${index % 2 === 0 ? "grpc" : "http"}`,
    discovery: registry,
    // Saying hello twice does no harm.
    middleware: [retry({ attempts: 5, isIdempotent: () => true, budget: new RetryBudget() })],
  }),
);
const running = clients.map(callOn);

// The last node lives through the run; its memory tells, as does this process's.
const survivor = nodeCount - 1;
const memory: { readonly ownMiB: number; readonly nodeMiB: number }[] = [];
const endMs = performance.now() + minutes * 60_000;
for (let cycle = 0; performance.now() < endMs; cycle++) {
  const victim = cycle % survivor;
  await wait(cycleMs / 2);
  await killNode(victim);
  await wait(cycleMs / 2);
  await startNode(victim);
  memory.push({ ownMiB: residentMiB(process.pid), nodeMiB: residentMiB(nodes[survivor]!.pid!) });
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0);
  const { ownMiB, nodeMiB } = memory.at(-1)!;
  console.log(`${cycle + 1}: ${calls} calls, ${failed} failed; ${ownMiB.toFixed(0)} and ${nodeMiB.toFixed(0)} MiB`);
}
isOver.abort();
await Promise.all(running);
await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
for (const node of nodes) node.kill("SIGKILL");
rmSync(folder, { recursive: true, force: true });

const grown = {
  "this process": growth(memory.map(({ ownMiB }) => ownMiB)),
  "the node": growth(memory.map(({ nodeMiB }) => nodeMiB)),
};
console.log(
  `${calls} calls over ${connections} connections in ${minutes} minutes, ${memory.length} nodes killed and restarted`,
);
for (const [what, count] of failures) console.log(`${count} times ${what}`);
for (const [what, ratio] of Object.entries(grown))
  console.log(`memory of ${what}: ${ratio.toFixed(2)} of the first half's`);
// Short runs say nothing about memory.
const isFlat = memory.length < 10 || Object.values(grown).every((ratio) => ratio <= growthLimit);
process.exitCode = failures.size === 0 && isFlat && calls > 0 ? 0 : 1;
