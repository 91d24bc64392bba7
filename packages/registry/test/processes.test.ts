// Services in processes of their own, which come, go and die while they are called.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@clew/log";
import { BalancedClient, FileRegistry } from "@clew/registry";
import { createServiceClient, type Middleware, ServiceError } from "@clew/rpc";
import { GrpcClient } from "@clew/transport";
import { until } from "../../http2/test/until.ts";
import { Echo } from "../../transport/test/gen/test/v1/test_pb.ts";

/** Sends a call again while it fails with 503, on nodes that it has not tried. */
const retry: Middleware = (next) => async (call) => {
  for (let left = 3; ; left--) {
    try {
      return await next(call);
    } catch (error) {
      if (left === 0 || !(error instanceof ServiceError) || error.code !== 503) throw error;
    }
  }
};

test("processes come, go and die; every call is answered by one that is there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "processes-"));
  const children = new Map<string, ChildProcess>();
  const start = (id: string): void => {
    const program = join(import.meta.dirname, "greeter-program.ts");
    children.set(id, spawn(process.execPath, [program, folder, id], { stdio: ["ignore", "ignore", "inherit"] }));
  };
  const balanced = new BalancedClient({
    target: "discovery:///echo",
    discovery: new FileRegistry({ folder }),
    connect: (endpoint) => new GrpcClient({ endpoint }),
    readyTimeoutMs: 60_000,
    logger: silentLogger,
  });
  const client = createServiceClient(Echo, balanced, { middleware: [retry], timeoutMs: 60_000 });
  const there = (): string =>
    balanced.nodes
      .map(({ id }) => id)
      .sort()
      .join();
  const answered = new Set<string>();
  let isCalling = true;
  /** Calls all the time, one after the other; rejects with the first error. */
  const call = async (): Promise<number> => {
    let count = 0;
    while (isCalling) {
      answered.add((await client.unary({})).text);
      count++;
    }
    return count;
  };
  try {
    for (const id of ["a", "b", "c"]) start(id);
    const calling = Promise.all([call(), call(), call()]);
    // What fails is seen below; meanwhile it is no unhandled rejection.
    calling.catch(() => {});
    await until(() => there() === "a,b,c", "all are found");
    await until(() => answered.size === 3, "all answer");

    children.get("a")!.kill("SIGKILL");
    await until(() => there() === "b,c", "the dead one is gone");
    children.get("b")!.kill("SIGTERM");
    await until(() => there() === "c", "the stopped one is gone");
    start("d");
    await until(() => there() === "c,d", "a new one is found");
    await until(() => answered.has("d"), "it answers");
    isCalling = false;
    const counts = await calling;
    assert.ok(counts.every((count) => count > 0));
    const [exitOfB] = await Promise.all([children.get("b")!.exitCode ?? once(children.get("b")!, "exit")]);
    assert.deepEqual([exitOfB].flat()[0], 0);
  } finally {
    isCalling = false;
    await balanced.close();
    for (const child of children.values()) child.kill("SIGKILL");
    await rm(folder, { recursive: true, maxRetries: 3 });
  }
});
