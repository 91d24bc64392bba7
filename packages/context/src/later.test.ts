// Every way of Node's to run code later finds the context it was started in. The table is the list of them.
import assert from "node:assert/strict";
import { AsyncResource } from "node:async_hooks";
import { execFile, spawn } from "node:child_process";
import { pbkdf2 } from "node:crypto";
import { lookup } from "node:dns";
import { EventEmitter, on, once } from "node:events";
import { readFile, stat } from "node:fs";
import { readFile as readFileLater } from "node:fs/promises";
import { Agent, createServer, get, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { createInterface } from "node:readline";
import { PassThrough, Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { setInterval as intervals, setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { MessageChannel, Worker } from "node:worker_threads";
import { gzip } from "node:zlib";
import { createQuery } from "../test/query-builder.ts";
import { bind, Context, createKey, current, run, snapshot } from "./context.ts";

const name = createKey<string>("name");
type Seen = string | undefined;
const see = (): Seen => current().getValue(name);

/** Each waits in its way, and says whose context it is in afterwards. */
const ways: Readonly<Record<string, () => PromiseLike<Seen | Seen[]> | Seen | Seen[]>> = {
  "await of a value": async () => {
    await null;
    return see();
  },
  "a promise's then": () => Promise.resolve().then(see),
  "a promise's catch": () => Promise.reject(new Error("broken")).catch(see),
  "a promise's finally": async () => {
    let seen: Seen;
    await Promise.resolve().finally(() => {
      seen = see();
    });
    return seen;
  },
  "a promise resolved elsewhere": async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    run(Context.root, () => setTimeout(resolve, 1));
    await promise;
    return see();
  },
  "Promise.all": () => Promise.all([sleep(1).then(see), nextTurn().then(see), Promise.resolve().then(see)]),
  "Promise.race": () => Promise.race([sleep(1).then(see), new Promise<Seen>(() => {})]),
  "Promise.allSettled": async () => {
    await Promise.allSettled([sleep(1), Promise.reject(new Error("broken"))]);
    return see();
  },
  "a thenable, as query builders are": async () => {
    const query = createQuery<Seen>((resolve) => setTimeout(() => resolve(see()), 1));
    return [await query, see()] as Seen[];
  },
  setTimeout: () => new Promise((resolve) => setTimeout(() => resolve(see()), 1)),
  "setTimeout, refreshed elsewhere": () =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(see()), 2);
      run(Context.root.setValue(name, "other"), () => timer.refresh());
    }),
  setInterval: () =>
    new Promise((resolve) => {
      const seen: Seen[] = [];
      const timer = setInterval(() => {
        if (seen.push(see()) < 3) return;
        clearInterval(timer);
        resolve(seen);
      }, 1);
    }),
  "intervals of timers/promises": async () => {
    for await (const _ of intervals(1)) break;
    return see();
  },
  setImmediate: () => new Promise((resolve) => setImmediate(() => resolve(see()))),
  "process.nextTick": () => new Promise((resolve) => process.nextTick(() => resolve(see()))),
  queueMicrotask: () => new Promise((resolve) => queueMicrotask(() => resolve(see()))),
  "an EventEmitter, by whoever emits": () => {
    const emitter = new EventEmitter();
    const seen: Seen[] = [];
    run(Context.root, () => emitter.on("event", () => seen.push(see())));
    emitter.emit("event");
    return seen;
  },
  "events.once": async () => {
    const emitter = new EventEmitter();
    run(Context.root, () => setImmediate(() => emitter.emit("event")));
    await once(emitter, "event");
    return see();
  },
  "events.on": async () => {
    const emitter = new EventEmitter();
    run(Context.root, () => setImmediate(() => emitter.emit("event", 1)));
    for await (const _ of on(emitter, "event")) break;
    return see();
  },
  "an EventTarget, with bind": async () => {
    const target = new EventTarget();
    const seen = new Promise<Seen>((resolve) =>
      target.addEventListener(
        "event",
        bind(() => resolve(see())),
      ),
    );
    run(Context.root, () => target.dispatchEvent(new Event("event")));
    return seen;
  },
  "a signal that aborts after a time, with bind": () =>
    new Promise((resolve) => {
      const alive = setTimeout(() => {}, 10_000);
      AbortSignal.timeout(1).addEventListener(
        "abort",
        bind(() => {
          clearTimeout(alive);
          resolve(see());
        }),
      );
    }),
  "a stream read by events": () =>
    new Promise((resolve) => {
      const stream = new PassThrough();
      stream.on("data", () => resolve(see()));
      stream.write("x");
    }),
  "a stream read by iteration": async () => {
    const seen: Seen[] = [];
    for await (const _ of Readable.from(["a", "b"])) seen.push(see());
    return seen;
  },
  "a pipeline": async () => {
    const seen: Seen[] = [];
    const spy = new Transform({
      transform(chunk, _encoding, done) {
        seen.push(see());
        done(null, chunk);
      },
    });
    await pipeline(
      Readable.from(["a", "b"]),
      spy,
      async function* (source) {
        for await (const chunk of source) {
          seen.push(see());
          yield chunk;
        }
      },
      new PassThrough().resume(),
    );
    return [...seen, see()];
  },
  "an async generator": async () => {
    async function* generate(): AsyncGenerator<Seen> {
      yield see();
      await sleep(1);
      yield see();
    }
    const seen: Seen[] = [];
    for await (const value of generate()) seen.push(value, see());
    return seen;
  },
  "a web stream": async () => {
    const stream = new ReadableStream<number>({
      async pull(controller) {
        await sleep(1);
        controller.enqueue(1);
        controller.close();
      },
    });
    const seen: Seen[] = [];
    for await (const _ of stream) seen.push(see());
    return seen;
  },
  "fs with a callback": () => new Promise((resolve) => stat(import.meta.filename, () => resolve(see()))),
  "fs with a callback, whole files": () =>
    new Promise((resolve) => readFile(import.meta.filename, () => resolve(see()))),
  "fs with promises": () => readFileLater(import.meta.filename).then(see),
  "a promisified callback": () => promisify(gzip)("x").then(see),
  "zlib on the thread pool": () => new Promise((resolve) => gzip("x", () => resolve(see()))),
  "dns.lookup": () => new Promise((resolve) => lookup("127.0.0.1", () => resolve(see()))),
  "work on the thread pool": () => new Promise((resolve) => pbkdf2("x", "y", 1, 8, "sha256", () => resolve(see()))),
  "a socket": async () => {
    // The server's side runs where listen() was called.
    const server = createTcpServer((socket) => socket.end("x"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const seen = await new Promise<Seen[]>((resolve) => {
      const all: Seen[] = [];
      const socket = connect(port, "127.0.0.1", () => all.push(see()));
      socket.on("data", () => all.push(see()));
      socket.on("close", () => resolve([...all, see()]));
    });
    server.close();
    return seen;
  },
  "lines of a stream": async () => {
    const seen: Seen[] = [];
    for await (const _ of createInterface({ input: Readable.from(["a\nb\n"]) })) seen.push(see());
    return seen;
  },
  "a child process, by callback": () =>
    new Promise((resolve) => execFile(process.execPath, ["-v"], () => resolve(see()))),
  "a child process, by events": () =>
    new Promise((resolve) => {
      const seen: Seen[] = [];
      const child = spawn(process.execPath, ["-v"]);
      child.stdout.on("data", () => seen.push(see()));
      child.on("exit", () => seen.push(see()));
      child.on("close", () => resolve([...seen, see()]));
    }),
  "a worker's messages, with bind": () =>
    new Promise((resolve) => {
      const worker = new Worker("require('node:worker_threads').parentPort.postMessage(1)", { eval: true });
      worker.on(
        "message",
        bind(() => resolve(see())),
      );
    }),
  "a MessagePort, with bind": () =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.on(
        "message",
        bind(() => {
          port1.close();
          resolve(see());
        }),
      );
      run(Context.root, () => port2.postMessage("x"));
    }),
  "an AsyncResource": () => {
    const resource = new AsyncResource("work");
    return run(Context.root, () => resource.runInAsyncScope(see));
  },
  "AsyncResource.bind": () => {
    const bound = AsyncResource.bind(see);
    return run(Context.root, () => bound());
  },
  "a queue that calls back, with bind": () => callBackLater(bind),
  "a queue that calls back, with a snapshot": () => {
    const restore = snapshot();
    return callBackLater((fn) => () => restore(fn));
  },
};

/** A pool as generic-pool has one: whoever gives a connection back calls the next one in line, in its own context. */
function callBackLater(wrap: (fn: () => void) => () => void): Promise<Seen> {
  const line: (() => void)[] = [];
  const seen = new Promise<Seen>((resolve) => line.push(wrap(() => resolve(see()))));
  run(Context.root.setValue(name, "whoever gave it back"), () => setImmediate(() => line.shift()?.()));
  return seen;
}

for (const [title, way] of Object.entries(ways)) {
  test(`the context is there after ${title}`, async () => {
    // Two at a time: their contexts must not mix.
    const both = await Promise.all(
      ["ann", "ben"].map((who) => run(Context.root.setValue(name, who), async () => [await way()].flat())),
    );
    for (const [index, who] of ["ann", "ben"].entries()) {
      assert.ok(both[index]!.length > 0);
      for (const seen of both[index]!) assert.equal(seen, who);
    }
    assert.equal(see(), undefined);
  });
}

test("a queue that calls back without either loses the context: it is the other's", async () => {
  const seen = await run(Context.root.setValue(name, "ann"), () => callBackLater((fn) => fn));
  assert.equal(seen, "whoever gave it back");
});

test("requests over one kept socket each have their own", async (t) => {
  const server: Server = createServer((_request, response) => response.end("x"));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => {
    agent.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const ask = (): Promise<Seen[]> =>
    new Promise((resolve, reject) => {
      const seen: Seen[] = [];
      get({ port, host: "127.0.0.1", agent }, (response) => {
        seen.push(see());
        response.on("data", () => seen.push(see()));
        response.on("end", () => resolve([...seen, see()]));
      }).on("error", reject);
    });
  const names = ["ann", "ben", "cyd"];
  const all = await Promise.all(names.map((who) => run(Context.root.setValue(name, who), ask)));
  assert.deepEqual(
    all,
    names.map((who) => [who, who, who]),
  );
});
