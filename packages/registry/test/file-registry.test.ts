import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { createLogger, silentLogger } from "@clew/log";
import { createInstance, FileRegistry, type Instance } from "@clew/registry";
import { testRegistry } from "@clew/registry/contract";

testRegistry(
  "FileRegistry",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "file-registry-"));
    const options = { folder, logger: silentLogger };
    return {
      registry: new FileRegistry(options),
      other: new FileRegistry(options),
      close: () => rm(folder, { recursive: true }),
    };
  },
  { timeoutMs: 60_000 },
);

const user: Instance = createInstance({ id: "1", name: "user", version: "v1", endpoints: ["grpc://127.0.0.1:9000"] });

async function withFolder(body: (folder: string, registry: FileRegistry) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "file-registry-"));
  try {
    await body(folder, new FileRegistry({ folder, logger: silentLogger, heartbeatMs: 20, ttlMs: 5_000, checkMs: 20 }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Reads a watch until a list has these ids. */
async function until(registry: FileRegistry, ids: string): Promise<void> {
  const limit = new AbortController();
  // Its timer holds the process, which a watch does not.
  const timer = setTimeout(() => limit.abort(), 60_000);
  try {
    for await (const list of registry.watch("user", limit.signal)) {
      if (list.map(({ id }) => id).join() === ids) return;
    }
    throw new Error(`never: ${ids}`);
  } finally {
    clearTimeout(timer);
  }
}

type Program = ChildProcessByStdio<null, Readable, null>;

/** A process that registers itself under this id and then waits. */
async function startProgram(folder: string, id: string): Promise<Program> {
  const program = spawn(process.execPath, [join(import.meta.dirname, "file-registry-program.ts"), folder, id], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 60_000,
  });
  await once(program.stdout, "data");
  return program;
}

test("processes find each other; one that is killed is gone at once, one that stops takes its file away", async () => {
  await withFolder(async (folder, registry) => {
    const [killed, stopped] = await Promise.all([startProgram(folder, "killed"), startProgram(folder, "stopped")]);
    await until(registry, "killed,stopped");
    killed.kill("SIGKILL");
    await until(registry, "stopped");
    stopped.kill("SIGTERM");
    await once(stopped, "close");
    assert.deepEqual(await registry.list("user"), []);
    assert.deepEqual(await readdir(join(folder, "user")), ["killed.json"]);
    await registry.register(user);
    assert.deepEqual(await readdir(join(folder, "user")), ["1.json"], "what the dead left is swept");
    await registry.deregister(user);
  });
});

test("a file is Kratos's JSON and the lease of its process", async () => {
  await withFolder(async (folder, registry) => {
    await registry.register(user);
    assert.equal(
      await readFile(join(folder, "user", "1.json"), "utf8"),
      `{"id":"1","name":"user","version":"v1","metadata":{},"endpoints":["grpc://127.0.0.1:9000"],` +
        `"lease":{"pid":${process.pid},"host":${JSON.stringify(hostname())},"ttlMs":5000}}`,
    );
    await registry.deregister(user);
  });
});

test("an instance of another host is gone when its heartbeat is older than its ttl", async () => {
  await withFolder(async (folder, registry) => {
    await mkdir(join(folder, "user"));
    const path = join(folder, "user", "far.json");
    const lease = { pid: process.pid, host: "elsewhere", ttlMs: 60_000 };
    await writeFile(path, JSON.stringify({ ...user, id: "far", lease }));
    assert.equal((await registry.list("user")).length, 1);
    await utimes(path, new Date(), new Date(Date.now() - 61_000));
    assert.equal((await registry.list("user")).length, 0);
  });
});

test("heartbeats keep the time of a file fresh, and put a file back that somebody took away", async () => {
  await withFolder(async (folder, registry) => {
    await registry.register(user);
    const path = join(folder, "user", "1.json");
    const old = new Date(Date.now() - 60_000);
    await utimes(path, old, old);
    await until(registry, "1");
    await rm(path);
    await until(registry, "1");
    await registry.deregister(user);
    assert.deepEqual(await registry.list("user"), []);
  });
});

test("a file written by hand counts as long as it is there; a broken one is told once and hides nobody", async () => {
  await withFolder(async (folder) => {
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger({ level: "warn", destination: { write: (line) => lines.push(JSON.parse(line)) } });
    const registry = new FileRegistry({ folder, logger });
    await mkdir(join(folder, "user"));
    const path = join(folder, "user", "by-hand.json");
    await writeFile(path, JSON.stringify(user));
    await utimes(path, new Date(0), new Date(0));
    await writeFile(join(folder, "user", "broken.json"), '{"id":');
    await writeFile(join(folder, "user", "notes.txt"), "not for us");
    assert.deepEqual(await registry.list("user"), [user]);
    assert.deepEqual(await registry.list("user"), [user]);
    assert.equal(lines.length, 1);
    assert.match(String(lines[0]!.path), /broken\.json$/);
  });
});

test("names and ids lead nowhere else", async () => {
  await withFolder(async (folder, registry) => {
    const odd = createInstance({ id: "../../x", name: "..", endpoints: ["grpc://127.0.0.1:1"] });
    await registry.register(odd);
    assert.deepEqual(await registry.list(".."), [odd]);
    assert.deepEqual(await readdir(folder), ["%2E."]);
    await registry.deregister(odd);
    await assert.rejects(registry.list(""), { code: "CLEW_REGISTRY_NAME" });
  });
});

test("options that cannot work are refused at once", () => {
  assert.throws(() => new FileRegistry({ heartbeatMs: 0 }), { code: "CLEW_REGISTRY_OPTION" });
  assert.throws(() => new FileRegistry({ heartbeatMs: 100, ttlMs: 100 }), {
    message: "option ttlMs is 100; it must be greater than heartbeatMs (100)",
  });
});
