import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProgramOptions } from "./workers-program.ts";

const limitMs = 90_000;
const open: Set<Program> = new Set();
// A test that failed leaves nobody behind.
after(() => {
  for (const program of open) program.kill("SIGKILL");
});

/** A running workers-program.ts and what it said. */
class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  out = "";
  err = "";
  readonly ended: Promise<{ exit: number | null; signal: NodeJS.Signals | null }>;

  constructor(options: ProgramOptions = {}) {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, "workers-program.ts"), JSON.stringify(options)], {
      timeout: 110_000,
      killSignal: "SIGKILL",
      detached: true,
    });
    this.#child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      this.out += chunk;
    });
    this.#child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.err += chunk;
    });
    this.ended = once(this.#child, "close").then(([exit, signal]) => ({ exit, signal }));
    open.add(this);
    void this.ended.then(() => open.delete(this));
  }

  /** Waits until the condition holds. */
  async until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const endMs = performance.now() + limitMs;
    while (!(await condition())) {
      if (performance.now() > endMs) throw new Error(`waited in vain for ${what}:\n${this.out}${this.err}`);
      await sleep(20);
    }
  }

  /** The pids of a worker, in the order in which they said so. */
  pids(what = "up", worker = "\\d+"): number[] {
    return [...this.out.matchAll(new RegExp(`^${worker} (\\d+) ${what}$`, "gm"))].map(([, pid]) => Number(pid));
  }

  async up(count = 2): Promise<number[]> {
    await this.until(() => this.lines("worker ready").length >= count, `${count} workers`);
    await this.until(() => /"msg":"server listening"/.test(this.out), "the endpoint");
    return this.pids();
  }

  lines(message: string): string[] {
    return this.out.split("\n").filter((line) => line.includes(`"msg":"${message}`));
  }

  get endpoint(): string {
    return /"endpoint":"([^"]+)"/.exec(this.lines("server listening")[0]!)![1]!;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** As a terminal does: the primary and every worker. */
  killAll(signal: NodeJS.Signals): void {
    process.kill(-this.#child.pid!, signal);
  }
}

interface Who {
  worker: number;
  id: string;
  name: string;
  pid: number;
}

/** Asks over a connection of its own. */
function request(url: string): { readonly connected: Promise<unknown>; readonly body: Promise<string> } {
  const asking = get(url, { agent: new Agent({ keepAlive: false }), timeout: 30_000 });
  asking.on("timeout", () => asking.destroy(new Error("timeout")));
  const connected = once(asking, "socket").then(([socket]) => socket.connecting && once(socket, "connect"));
  // Who waits for the body alone learns of a failure by that.
  connected.catch(() => {});
  return {
    connected,
    body: once(asking, "response").then(([response]) => text(response)),
  };
}

function ask(endpoint: string, path = "/who"): Promise<string> {
  return request(`${endpoint}${path}`).body;
}

async function who(endpoint: string): Promise<Who> {
  return JSON.parse(await ask(endpoint)) as Who;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("workers share one free port and one id, know their number, and stop one after the other in order", async () => {
  const program = new Program();
  const pids = await program.up();
  const seen = new Map<number, Who>();
  await program.until(async () => {
    const one = await who(program.endpoint);
    seen.set(one.worker, one);
    return seen.size === 2;
  }, "an answer of each worker");
  assert.deepEqual([...seen.keys()].sort(), [1, 2]);
  assert.deepEqual([...seen.values()].map(({ pid }) => pid).sort(), pids.toSorted());
  assert.equal(new Set([...seen.values()].map(({ id }) => id)).size, 1);
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  // Hooks ran in the workers, and in each all of them; the primary came to its end last.
  for (const what of ["up", "stopping", "down", "closed"]) assert.equal(program.pids(what).length, 2, what);
  assert.equal(program.out.match(/ over$/gm)?.length, 3);
  assert.ok(program.out.indexOf("closed") > program.out.indexOf("down"));
  assert.equal(program.err, "");
});

test("a worker killed under load: the port is answered on, and the worker replaced", async () => {
  const program = new Program();
  const [victim] = await program.up();
  const { endpoint } = program;
  const outcomes = { answered: 0, broken: 0 };
  let isOver = false;
  const load = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      try {
        await who(endpoint);
        outcomes.answered += 1;
      } catch {
        outcomes.broken += 1;
      }
    }
  });
  await program.until(() => outcomes.answered > 20, "answers");
  process.kill(victim!, "SIGKILL");
  await program.until(() => program.pids().length === 3, "a replacement");
  const replacement = program.pids().at(-1);
  await program.until(async () => (await who(endpoint)).pid === replacement, "an answer of the replacement");
  isOver = true;
  await Promise.all(load);
  // Lost is what the killed one had in its hands: at most one call of each loop.
  assert.ok(outcomes.broken <= 4, `${outcomes.broken} broken`);
  assert.match(program.out, /"msg":"a worker died; a new one replaces it"/);
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
});

test("a connection that a killed worker had not taken yet goes to another one", async () => {
  const program = new Program();
  const [victim] = await program.up();
  process.kill(victim!, "SIGSTOP");
  let answered = 0;
  const answers = Array.from({ length: 8 }, async () => {
    await who(program.endpoint);
    answered += 1;
  });
  const all = Promise.all(answers);
  // The stopped worker was handed one, and the other answers the rest.
  await Promise.race([all, program.until(() => answered === 7, "the answers of the other worker")]);
  process.kill(victim!, "SIGKILL");
  await all;
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
});

test("a connection that is handed to a worker that is dead already goes to another one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "clew-workers-"));
  const stopFile = join(folder, "stop");
  const program = new Program({ stopFile });
  const [victim] = await program.up();
  program.kill("SIGUSR2");
  await program.until(() => program.out.includes("stands still"), "the primary stands still");
  // What the primary does next is to hand these on; only then does it hear that the worker is gone.
  const requests = Array.from({ length: 3 }, () => request(`${program.endpoint}/who`));
  await Promise.all(requests.map(({ connected }) => connected));
  process.kill(victim!, "SIGKILL");
  await writeFile(stopFile, "");
  for (const { pid } of await Promise.all(requests.map(async ({ body }) => JSON.parse(await body) as Who))) {
    assert.notEqual(pid, victim);
  }
  await program.until(() => program.lines("a worker died").length === 1, "the death");
  assert.match(program.out, /"reason":"it was ended by SIGKILL"/);
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  await rm(folder, { recursive: true });
});

test("the connections of a lone worker that is killed are closed, for nobody is left to take them", async () => {
  const program = new Program({ workers: 1 });
  const [victim] = await program.up(1);
  process.kill(victim!, "SIGSTOP");
  const requests = Array.from({ length: 3 }, () => request(`${program.endpoint}/who`));
  const bodies = Promise.all(requests.map(({ body }) => body.then(String, (error: Error) => error.message)));
  await Promise.all(requests.map(({ connected }) => connected));
  process.kill(victim!, "SIGKILL");
  for (const body of await bodies) assert.notEqual(body, "timeout");
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
});

test("SIGTERM drains calls in flight in every worker", async () => {
  const program = new Program();
  await program.up();
  const { endpoint } = program;
  const agent = new Agent({ keepAlive: false });
  const responses: AsyncIterable<Buffer>[] = [];
  for (let n = 0; n < 4; n += 1) {
    const [response] = await once(get(`${endpoint}/slow`, { agent }), "response");
    responses.push(response);
  }
  // All processes get it, as on Ctrl-C.
  program.killAll("SIGTERM");
  const bodies = await Promise.all(responses.map((response) => text(response)));
  assert.deepEqual(
    bodies.map((body) => body.split(" ")[1]),
    ["done", "done", "done", "done"],
  );
  assert.equal(new Set(bodies.map((body) => body.split(" ")[0])).size, 2);
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
});

test("a signal while the workers are starting stops the start, which is no failure", async () => {
  for (const isForAll of [true, false]) {
    // Of a signal to all a worker dies that is not yet in app.run().
    const program = new Program({ loadMs: 60_000, startTimeoutMs: 60_000 });
    await program.until(() => program.out.split("loading").length === 3, "workers that load");
    if (isForAll) program.killAll("SIGINT");
    else program.kill("SIGINT");
    assert.deepEqual(await program.ended, { exit: 0, signal: null });
    assert.equal(program.err, "");
    assert.equal(program.pids().length, 0);
  }
});

test("the primary killed: its workers finish their calls and end", async () => {
  const program = new Program();
  const pids = await program.up();
  const [response] = await once(get(`${program.endpoint}/slow`, { agent: new Agent() }), "response");
  program.kill("SIGKILL");
  assert.match(await text(response), /done$/);
  await program.until(() => pids.every((pid) => !isAlive(pid)), "the end of all workers");
  await program.ended;
  assert.equal(program.pids("closed").length, 2);
});

test("a worker that cannot start: one line tells why, and nobody is left", async () => {
  for (const [fails, line] of [
    [undefined, /^the start of worker \d took longer than startTimeoutMs \(100 ms\)\n$/],
    ["start", /^worker \d: the database is gone\n$/],
    ["early", /^worker \d: it ended with exit code 3 before its servers accepted\n$/],
    ["defect", /^Error: worker \d: TypeError: x is undefined\n\s+at |^worker \d: TypeError: x is undefined\n\s+at /],
  ] as const) {
    const program = new Program(fails === undefined ? { loadMs: 60_000, startTimeoutMs: 100 } : { fails });
    assert.deepEqual(await program.ended, { exit: 1, signal: null }, fails);
    assert.match(program.err, line);
  }
});

test("a worker that dies again and again is a crash loop: the app stops and says so", async () => {
  const folder = await mkdtemp(join(tmpdir(), "clew-workers-"));
  const brokenFile = join(folder, "broken");
  const program = new Program({ brokenFile });
  const [victim, other] = await program.up();
  await writeFile(brokenFile, "");
  process.kill(victim!, "SIGKILL");
  assert.deepEqual(await program.ended, { exit: 1, signal: null });
  assert.match(
    program.err,
    /^worker \d died 5 times in a row soon after its start; the last reason: worker \d: the file is broken\n$/,
  );
  // The other one was stopped in order.
  assert.deepEqual(program.pids("closed"), [other]);
  await rm(folder, { recursive: true });
});

test("SIGHUP replaces the workers one by one, and the port stays open; a new one that cannot start leaves the old ones", async () => {
  const folder = await mkdtemp(join(tmpdir(), "clew-workers-"));
  const brokenFile = join(folder, "broken");
  const program = new Program({ brokenFile });
  const pids = await program.up();
  const { endpoint } = program;
  let isOver = false;
  const broken: NodeJS.ErrnoException[] = [];
  const load = (async () => {
    while (!isOver) await who(endpoint).catch((error) => broken.push(error));
  })();
  program.kill("SIGHUP");
  await program.until(() => program.lines("all workers are restarted").length === 1, "the restart");
  isOver = true;
  await load;
  // A server that drains closes connections on which nothing was said yet: at most the one of this loop, for each worker.
  assert.ok(broken.length <= 2 && broken.every(({ code }) => code !== "ECONNREFUSED"), String(broken));
  const fresh = program.pids().slice(2);
  assert.equal(fresh.length, 2);
  assert.ok(pids.every((pid) => !isAlive(pid)) && fresh.every(isAlive));

  await writeFile(brokenFile, "");
  program.kill("SIGHUP");
  await program.until(() => program.lines("the new worker could not start").length === 1, "the refusal");
  assert.ok(fresh.every(isAlive));
  assert.ok(fresh.includes((await who(endpoint)).pid));
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  await rm(folder, { recursive: true });
});

test("a connection that is handed to a worker which has just closed goes to another", async () => {
  const folder = await mkdtemp(join(tmpdir(), "clew-workers-"));
  const stopFile = join(folder, "stop");
  const program = new Program({ stopFile });
  await program.up();
  program.kill("SIGHUP");
  await program.until(() => program.pids("stopping").length === 1, "the stop of the first worker");
  const [stopping] = program.pids("stopping");
  // What the primary does next is to take these connections; only then does it hear that the worker has closed.
  program.kill("SIGUSR2");
  await program.until(() => program.out.includes("stands still"), "the primary stands still");
  const answers = Array.from({ length: 3 }, () => who(program.endpoint));
  await writeFile(stopFile, "");
  for (const { pid } of await Promise.all(answers)) assert.notEqual(pid, stopping);
  await program.until(() => program.lines("all workers are restarted").length === 1, "the restart");
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  await rm(folder, { recursive: true });
});

test("a worker that dies while the one that takes its place starts is not replaced twice", async () => {
  const program = new Program({ loadMs: 500 });
  await program.up();
  const [victim] = program.pids("up", "1");
  program.kill("SIGHUP");
  await program.until(() => program.out.split("loading").length === 4, "the start of the new worker");
  process.kill(victim!, "SIGKILL");
  await program.until(() => program.lines("all workers are restarted").length === 1, "the restart");
  assert.equal(program.lines("worker ready").length, 4);
  assert.equal(program.pids().filter(isAlive).length, 2);
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
});

test("the app's own signal stops the whole app from a worker, also when it had aborted before", async () => {
  const program = new Program({ isAborted: true });
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  assert.equal(program.err, "");
});

test("no worker is ready during the drain delay, and each still answers", async () => {
  const program = new Program({ drainDelayMs: limitMs });
  await program.up();
  assert.match(await ask(program.endpoint, "/readyz"), /"SERVING"/);
  program.kill("SIGTERM");
  let told = 0;
  // One connection after the other goes to one worker after the other.
  await program.until(async () => {
    told = (await ask(program.endpoint, "/readyz")).includes("DRAINING") ? told + 1 : 0;
    return told >= 2;
  }, "the end of readiness");
  assert.equal((await who(program.endpoint)).name, "pool");
  assert.deepEqual(program.pids("stopping"), []);
  // Nor is one that takes the place of another meanwhile.
  process.kill(program.pids()[0]!, "SIGKILL");
  await program.until(() => program.lines("worker ready").length === 3, "a replacement");
  told = 0;
  await program.until(async () => {
    told = (await ask(program.endpoint, "/readyz")).includes("DRAINING") ? told + 1 : 0;
    return told >= 2;
  }, "the end of the replacement's readiness");
  program.kill("SIGINT");
  assert.deepEqual(await program.ended, { exit: 1, signal: null });
});

test("a second signal ends all at once", async () => {
  const program = new Program({ stopTimeoutMs: 60_000 });
  const pids = await program.up();
  const broken = ask(program.endpoint, "/block").then(
    () => false,
    () => true,
  );
  await program.until(() => program.pids("blocks").length === 1, "the block");
  program.kill("SIGINT");
  await program.until(() => program.lines("stopping").length === 1, "the stop");
  const again = setInterval(() => program.kill("SIGINT"), 30);
  assert.deepEqual(await program.ended, { exit: 1, signal: null });
  clearInterval(again);
  await program.until(() => pids.every((pid) => !isAlive(pid)), "the end of all workers");
  assert.ok(await broken);
});

test("stop() in a worker stops the app; a worker that hangs is killed and reported", async () => {
  const program = new Program();
  await program.up();
  await ask(program.endpoint, "/stop");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  assert.equal(program.pids("closed").length, 2);

  const hanging = new Program({ stopTimeoutMs: 100 });
  await hanging.up();
  void ask(hanging.endpoint, "/block").catch(() => {});
  await hanging.until(() => hanging.pids("blocks").length === 1, "the block");
  hanging.kill("SIGTERM");
  assert.deepEqual(await hanging.ended, { exit: 1, signal: null });
  assert.match(hanging.err, /^the stop of worker \d took longer than stopTimeoutMs/);
});

test("the primary registers one instance; a lone worker that comes back on another port is registered anew", async () => {
  const folder = await mkdtemp(join(tmpdir(), "clew-workers-"));
  const program = new Program({ workers: 1, registry: folder });
  const [victim] = await program.up(1);
  const registered = async (): Promise<string[]> => {
    const names = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  };
  await program.until(async () => (await registered()).some((one) => one.includes(program.endpoint)), "registration");
  assert.equal((await registered()).length, 1);
  process.kill(victim!, "SIGKILL");
  await program.until(() => program.pids().length === 2, "a replacement");
  // Wherever it listens now: that is what callers are told.
  await program.until(async () => {
    const [instance] = await registered();
    const endpoint = /http:\/\/[\d.:]+/.exec(instance ?? "")?.[0];
    if (endpoint === undefined) return false;
    const answer = await who(endpoint).catch(() => undefined);
    return answer?.pid === program.pids()[1];
  }, "the registration of the replacement");
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  assert.deepEqual(await registered(), []);
  await rm(folder, { recursive: true });
});
