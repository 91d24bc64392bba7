import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { current, run } from "@clew/context";
import { createLogger, silentLogger } from "@clew/log";
import { FailingRegistry, type Instance, type Registrar } from "@clew/registry";
import { App } from "./app.ts";
import { appKey, currentApp } from "./app-info.ts";
import type { AppOptions } from "./app-options.ts";
import type { Server } from "./server.ts";

/** An app without signals and lines. */
function createApp(options: AppOptions = {}): App {
  return new App({ name: "demo", logger: silentLogger, signals: [], ...options });
}

interface FakeServerOptions {
  start?: () => Promise<void> | void;
  stop?: (signal: AbortSignal) => Promise<void> | void;
}

/** A server that writes down what happens to it. */
function fakeServer(events: string[], name: string, options: FakeServerOptions = {}): Server {
  return {
    async start() {
      await options.start?.();
      events.push(`${name} started`);
    },
    async stop(signal) {
      await options.stop?.(signal);
      events.push(`${name} stopped`);
    },
    endpoint: () => new URL(`http://127.0.0.1/${name}`),
  };
}

/** A hook that writes its name down, and then fails if it is told to. */
function hook(events: string[], name: string, failure?: Error): () => void {
  return () => {
    events.push(name);
    if (failure !== undefined) throw failure;
  };
}

const forever = (): Promise<void> => new Promise(() => {});

test("a life in order: hooks, servers, the wait, and all of it back", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a"), fakeServer(events, "b")],
    beforeStart: [hook(events, "beforeStart 1"), hook(events, "beforeStart 2")],
    afterStart: [hook(events, "afterStart"), () => void app.stop()],
    beforeStop: [hook(events, "beforeStop")],
    afterStop: [hook(events, "afterStop")],
  });
  await app.run();
  assert.deepEqual(events, [
    "beforeStart 1",
    "beforeStart 2",
    "a started",
    "b started",
    "afterStart",
    "beforeStop",
    "a stopped",
    "b stopped",
    "afterStop",
  ]);
});

test("servers start and stop side by side", async () => {
  const events: string[] = [];
  const both = Promise.withResolvers<void>();
  const bothStop = Promise.withResolvers<void>();
  let starting = 0;
  let stopping = 0;
  const meet: FakeServerOptions = {
    start: () => (++starting === 2 ? both.resolve() : both.promise),
    stop: () => (++stopping === 2 ? bothStop.resolve() : bothStop.promise),
  };
  const app = createApp({
    servers: [fakeServer(events, "a", meet), fakeServer(events, "b", meet)],
    afterStart: [() => void app.stop()],
  });
  await app.run();
  assert.equal(events.length, 4);
});

test("stop() resolves when all is stopped; before run() the app does not start anything", async () => {
  const events: string[] = [];
  const up = Promise.withResolvers<void>();
  const app = createApp({ servers: [fakeServer(events, "a")], afterStart: [() => up.resolve()] });
  const running = app.run();
  await up.promise;
  await app.stop();
  assert.deepEqual(events, ["a started", "a stopped"]);
  await running;

  const early: string[] = [];
  const never = createApp({
    servers: [fakeServer(early, "a")],
    beforeStart: [hook(early, "beforeStart")],
    afterStop: [hook(early, "afterStop")],
  });
  await never.stop();
  await never.run();
  assert.deepEqual(early, ["afterStop"]);
});

test("an app runs once", async () => {
  const app = createApp({ afterStart: [() => void app.stop()] });
  await app.run();
  await assert.rejects(app.run(), { code: "CLEW_APP_USED", message: /app "demo" has run already; .* make a new one/ });
});

test("an app without servers waits all the same", async () => {
  const events: string[] = [];
  const app = createApp({
    afterStart: [() => void setTimeout(() => void app.stop(), 1)],
    afterStop: [hook(events, "afterStop")],
  });
  await app.run();
  assert.deepEqual(events, ["afterStop"]);
});

test("a server that cannot start: those that did are stopped, the last first, and the error is the server's own", async () => {
  const events: string[] = [];
  const failure = Object.assign(new Error("in use"), { code: "EADDRINUSE" });
  const app = createApp({
    servers: [
      fakeServer(events, "a"),
      fakeServer(events, "b", {
        start: () => {
          throw failure;
        },
      }),
      fakeServer(events, "c"),
    ],
    afterStart: [hook(events, "afterStart")],
    beforeStop: [hook(events, "beforeStop")],
    afterStop: [hook(events, "afterStop")],
  });
  await assert.rejects(app.run(), failure);
  assert.deepEqual(events, ["a started", "c started", "c stopped", "a stopped", "afterStop"]);
});

test("a start that still runs when another server fails is waited for, and then stopped", async () => {
  const events: string[] = [];
  const slow = Promise.withResolvers<void>();
  const app = createApp({
    servers: [
      fakeServer(events, "slow", { start: () => slow.promise }),
      fakeServer(events, "bad", {
        start: () => {
          setImmediate(slow.resolve);
          throw new Error("bad");
        },
      }),
    ],
  });
  await assert.rejects(app.run(), { message: "bad" });
  assert.deepEqual(events, ["slow started", "slow stopped"]);
});

test("a start that takes too long fails, and is stopped should it end after all", async () => {
  const events: string[] = [];
  const late = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<AbortSignal>();
  const app = createApp({
    servers: [
      fakeServer(events, "a"),
      fakeServer(events, "late", { start: () => late.promise, stop: stopped.resolve }),
    ],
    startTimeoutMs: 5,
  });
  await assert.rejects(app.run(), {
    code: "CLEW_APP_TIMEOUT",
    message: "the start of a server took longer than startTimeoutMs (5 ms)",
  });
  assert.deepEqual(events, ["a started", "a stopped"]);
  late.resolve();
  assert.ok((await stopped.promise).aborted);
});

test("a hook of the start that takes too long is a failure as well", async () => {
  const events: string[] = [];
  const app = createApp({ servers: [fakeServer(events, "a")], beforeStart: [forever], startTimeoutMs: 5 });
  await assert.rejects(app.run(), {
    code: "CLEW_APP_TIMEOUT",
    message: /^a beforeStart hook took longer than startTimeoutMs/,
  });
  const after = createApp({ servers: [fakeServer(events, "a")], afterStart: [forever], startTimeoutMs: 5 });
  await assert.rejects(after.run(), { message: /^an afterStart hook took longer/ });
  assert.deepEqual(events, ["a started", "a stopped"]);
});

test("a start that nobody wants any more gets no longer than a stop", async () => {
  const app = createApp({
    servers: [
      fakeServer([], "a", {
        start: () => {
          void app.stop();
          return forever();
        },
      }),
    ],
    stopTimeoutMs: 5,
  });
  await assert.rejects(app.run(), { message: "the start of a server took longer than stopTimeoutMs (5 ms)" });
});

test("told to stop while it starts, the app lets the servers get up, skips afterStart, and stops them", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a", { start: () => void app.stop() })],
    afterStart: [hook(events, "afterStart")],
    afterStop: [hook(events, "afterStop")],
  });
  await app.run();
  assert.deepEqual(events, ["a started", "a stopped", "afterStop"]);

  const early: string[] = [];
  const inHook = createApp({
    servers: [fakeServer(early, "a")],
    beforeStart: [() => void inHook.stop(), hook(early, "second")],
    afterStop: [hook(early, "afterStop")],
  });
  await inHook.run();
  assert.deepEqual(early, ["afterStop"]);
});

test("a failing beforeStart hook starts nothing; afterStop still runs", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a")],
    beforeStart: [hook(events, "first", new Error("no database")), hook(events, "second")],
    beforeStop: [hook(events, "beforeStop")],
    afterStop: [hook(events, "afterStop")],
  });
  await assert.rejects(app.run(), { message: "no database" });
  assert.deepEqual(events, ["first", "afterStop"]);
});

test("a failing afterStart hook stops the servers, with beforeStop before", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a")],
    afterStart: [hook(events, "afterStart", new Error("not registered"))],
    beforeStop: [hook(events, "beforeStop")],
  });
  await assert.rejects(app.run(), { message: "not registered" });
  assert.deepEqual(events, ["a started", "afterStart", "beforeStop", "a stopped"]);
});

test("a stop that meets failures goes on to the end and reports all of them", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [
      fakeServer(events, "a", {
        stop: () => {
          throw new Error("2");
        },
      }),
      fakeServer(events, "b"),
    ],
    afterStart: [() => void app.stop()],
    beforeStop: [hook(events, "beforeStop", new Error("1")), hook(events, "beforeStop 2")],
    afterStop: [hook(events, "afterStop", new Error("3")), hook(events, "afterStop 2")],
  });
  await assert.rejects(app.run(), (error: AggregateError) => {
    assert.ok(error instanceof AggregateError);
    assert.equal(error.message, 'app "demo": 3 failures: 1; 2; 3');
    assert.deepEqual(
      error.errors.map((one: Error) => one.message),
      ["1", "2", "3"],
    );
    return true;
  });
  assert.deepEqual(events, [
    "a started",
    "b started",
    "beforeStop",
    "beforeStop 2",
    "b stopped",
    "afterStop",
    "afterStop 2",
  ]);
});

test("failures of the start and of the roll back are reported together", async () => {
  const app = createApp({
    servers: [
      fakeServer([], "a", {
        stop: () => {
          throw new Error("cannot stop");
        },
      }),
      fakeServer([], "b", {
        start: () => {
          throw new Error("cannot start");
        },
      }),
    ],
  });
  await assert.rejects(app.run(), { message: 'app "demo": 2 failures: cannot start; cannot stop' });
});

test("the signal of a stop aborts after stopTimeoutMs, and a server that heeds it is no failure", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [
      fakeServer(events, "slow", {
        stop: (signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      }),
    ],
    afterStart: [() => void app.stop()],
    stopTimeoutMs: 5,
  });
  await app.run();
  assert.deepEqual(events, ["slow started", "slow stopped"]);
});

test("a server that never comes back is reported, and afterStop runs", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const events: string[] = [];
    const stopCalled = Promise.withResolvers<void>();
    const app = createApp({
      servers: [
        fakeServer(events, "hung", {
          stop: () => {
            stopCalled.resolve();
            return forever();
          },
        }),
      ],
      afterStart: [() => void app.stop()],
      afterStop: [hook(events, "afterStop")],
    });
    const running = app.run();
    await stopCalled.promise;
    mock.timers.tick(10_000);
    mock.timers.tick(1_000);
    await assert.rejects(running, {
      code: "CLEW_APP_TIMEOUT",
      message: /^the stop of a server took longer than stopTimeoutMs/,
    });
    assert.deepEqual(events, ["hung started", "afterStop"]);
  } finally {
    mock.timers.reset();
  }
});

test("a beforeStop hook that never ends does not hold up the stop", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a")],
    afterStart: [() => void app.stop()],
    beforeStop: [forever],
    stopTimeoutMs: 5,
  });
  await assert.rejects(app.run(), { message: "a beforeStop hook took longer than stopTimeoutMs (5 ms)" });
  assert.deepEqual(events, ["a started", "a stopped"]);
});

test("the servers still accept during the drain delay", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a")],
    afterStart: [() => void app.stop()],
    // This timer is due before that of the delay.
    beforeStop: [() => void setTimeout(() => events.push("a call"), 5)],
    drainDelayMs: 30,
  });
  await app.run();
  assert.deepEqual(events, ["a started", "a call", "a stopped"]);
});

/** A registrar that writes down what happens to it, and then does it. */
function fakeRegistrar(events: string[], options: Partial<Registrar> = {}): Registrar {
  return {
    async register(instance, signal) {
      events.push(`register ${instance.endpoints.join(" ")}`);
      await options.register?.(instance, signal);
    },
    async deregister(instance, signal) {
      events.push(`deregister ${instance.id}`);
      await options.deregister?.(instance, signal);
    },
  };
}

test("an app is registered once its servers accept, and deregistered first of all when it stops", async () => {
  const events: string[] = [];
  const app = createApp({
    id: "1",
    servers: [fakeServer(events, "a"), fakeServer(events, "b")],
    registrar: fakeRegistrar(events),
    afterStart: [hook(events, "afterStart"), () => void app.stop()],
    beforeStop: [hook(events, "beforeStop")],
  });
  await app.run();
  assert.deepEqual(events, [
    "a started",
    "b started",
    "register http://127.0.0.1/a http://127.0.0.1/b",
    "afterStart",
    "deregister 1",
    "beforeStop",
    "a stopped",
    "b stopped",
  ]);
});

test("what is registered is the app with all endpoints of its servers, each once", async () => {
  const registry = new FailingRegistry();
  let instances: readonly Instance[] = [];
  const server: Server = {
    ...fakeServer([], "a"),
    endpoint: () => new URL("http://127.0.0.1:8000"),
    endpoints: () => [new URL("http://127.0.0.1:8000"), new URL("grpc://127.0.0.1:8000")],
  };
  const other: Server = { ...fakeServer([], "b"), endpoint: () => new URL("grpc://127.0.0.1:8000") };
  const app = createApp({
    id: "1",
    version: "v1.2.3",
    metadata: { weight: "50" },
    servers: [server, other],
    registrar: registry,
    afterStart: [
      async () => {
        instances = await registry.list("demo");
        void app.stop();
      },
    ],
  });
  await app.run();
  assert.deepEqual(instances, [
    {
      id: "1",
      name: "demo",
      version: "v1.2.3",
      metadata: { weight: "50" },
      endpoints: ["http://127.0.0.1:8000", "grpc://127.0.0.1:8000"],
    },
  ]);
  assert.deepEqual(await registry.list("demo"), []);
});

test("a registration that fails ends the start: the servers stop, the last first, and what may be registered is taken back", async () => {
  const events: string[] = [];
  const registry = new FailingRegistry();
  registry.fail("register", new Error("no leader"));
  registry.fail("deregister", new Error("no leader either"));
  const app = createApp({
    id: "1",
    servers: [fakeServer(events, "a"), fakeServer(events, "b")],
    registrar: fakeRegistrar(events, registry),
    afterStart: [hook(events, "afterStart")],
    beforeStop: [hook(events, "beforeStop")],
    afterStop: [hook(events, "afterStop")],
  });
  await assert.rejects(app.run(), { message: "no leader" });
  assert.deepEqual(events, [
    "a started",
    "b started",
    "register http://127.0.0.1/a http://127.0.0.1/b",
    "deregister 1",
    "b stopped",
    "a stopped",
    "afterStop",
  ]);
});

test("a deregistration that fails or never ends is reported, and prevents nothing", async () => {
  for (const deregister of [() => Promise.reject(new Error("no leader")), forever]) {
    const events: string[] = [];
    const app = createApp({
      id: "1",
      servers: [fakeServer(events, "a")],
      registrar: fakeRegistrar(events, { deregister }),
      registrarTimeoutMs: 5,
      afterStart: [() => void app.stop()],
      beforeStop: [hook(events, "beforeStop")],
      afterStop: [hook(events, "afterStop")],
    });
    const message =
      deregister === forever ? "the deregistration took longer than registrarTimeoutMs (5 ms)" : "no leader";
    await assert.rejects(app.run(), { message });
    assert.deepEqual(events.slice(2), ["deregister 1", "beforeStop", "a stopped", "afterStop"]);
  }
});

test("the signal of a registration aborts when its time is up", async () => {
  const aborted = Promise.withResolvers<unknown>();
  const app = createApp({
    servers: [fakeServer([], "a")],
    registrar: fakeRegistrar([], {
      register: async (_instance, signal) => {
        signal!.addEventListener("abort", () => aborted.resolve(signal!.reason));
        await forever();
      },
    }),
    registrarTimeoutMs: 5,
  });
  const message = "the registration took longer than registrarTimeoutMs (5 ms)";
  await assert.rejects(app.run(), { code: "CLEW_APP_TIMEOUT", message });
  assert.equal(((await aborted.promise) as Error).message, message);
});

test("told to stop while it registers, the app gives that up, which is no failure", async () => {
  const events: string[] = [];
  const registry = new FailingRegistry();
  registry.hold("register");
  const app = createApp({
    id: "1",
    servers: [fakeServer(events, "a")],
    registrar: fakeRegistrar(events, {
      register: (instance, signal) => {
        setImmediate(() => void app.stop());
        return registry.register(instance, signal);
      },
    }),
    afterStart: [hook(events, "afterStart")],
  });
  await app.run();
  assert.deepEqual(events, ["a started", "register http://127.0.0.1/a", "deregister 1", "a stopped"]);

  const early: string[] = [];
  const never = createApp({
    servers: [fakeServer(early, "a", { start: () => void never.stop() })],
    registrar: fakeRegistrar(early),
  });
  await never.run();
  assert.deepEqual(early, ["a started", "a stopped"]);
});

test("the drain delay comes after the deregistration, also when that failed", async () => {
  const events: string[] = [];
  const app = createApp({
    id: "1",
    servers: [fakeServer(events, "a")],
    registrar: fakeRegistrar(events, {
      deregister: () => {
        // This timer is due before that of the delay.
        setTimeout(() => events.push("a call"), 5);
        return Promise.reject(new Error("no leader"));
      },
    }),
    afterStart: [() => void app.stop()],
    drainDelayMs: 30,
  });
  await assert.rejects(app.run(), { message: "no leader" });
  assert.deepEqual(events.slice(2), ["deregister 1", "a call", "a stopped"]);
});

test("an app that is to be registered needs a name", () => {
  assert.throws(() => new App({ registrar: fakeRegistrar([]) }), {
    code: "CLEW_APP_NAME",
    message: "an app with a registrar needs a name: callers find it by that",
  });
});

test("hooks and servers see the app in their context, on top of the context that run() was called in", async () => {
  const seen: unknown[] = [];
  const app = createApp({
    id: "1",
    version: "1.2.3",
    metadata: { region: "eu" },
    servers: [fakeServer([], "a", { start: () => void seen.push(currentApp()) })],
    beforeStart: [(info) => void seen.push(info, currentApp())],
    afterStart: [
      (info) => {
        seen.push(info.endpoints.map(String));
        void app.stop();
      },
    ],
  });
  assert.equal(currentApp(), undefined);
  await run(current().setValue(appKey, undefined as never), () => app.run());
  assert.deepEqual(seen, [app, app, app, ["http://127.0.0.1/a"]]);
  assert.deepEqual([app.id, app.name, app.version, app.metadata], ["1", "demo", "1.2.3", { region: "eu" }]);
  assert.deepEqual(app.endpoints, []);
  assert.equal(currentApp(), undefined);
});

test("each app has its own id", () => {
  assert.match(createApp().id, /^[0-9a-f]{8}-[0-9a-f]{4}-/);
  assert.notEqual(createApp().id, createApp().id);
});

test("one line tells where each server listens", async () => {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ level: "info", destination: { write: (line) => lines.push(JSON.parse(line)) } });
  const app = createApp({
    logger,
    servers: [fakeServer([], "a"), fakeServer([], "b")],
    afterStart: [() => void app.stop()],
  });
  await app.run();
  const listening = lines.filter((line) => line.msg === "server listening");
  assert.deepEqual(
    listening.map((line) => line.endpoint),
    ["http://127.0.0.1/a", "http://127.0.0.1/b"],
  );
});

test("an endpoint that throws is a failure of the start", async () => {
  const events: string[] = [];
  const server: Server = {
    ...fakeServer(events, "a"),
    endpoint: () => {
      throw new Error("no endpoint");
    },
  };
  await assert.rejects(createApp({ servers: [server] }).run(), { message: "no endpoint" });
  assert.deepEqual(events, ["a started", "a stopped"]);
});

test("times that are none are refused at once", () => {
  for (const option of ["startTimeoutMs", "registrarTimeoutMs", "stopTimeoutMs"]) {
    assert.throws(() => createApp({ [option]: 0 }), {
      code: "CLEW_APP_TIME",
      message: `${option} is 0; it must be a number of milliseconds from 1 to 2147483647`,
    });
  }
  assert.throws(() => createApp({ drainDelayMs: -1 }), { code: "CLEW_APP_TIME" });
  assert.throws(() => createApp({ stopTimeoutMs: Number.POSITIVE_INFINITY }), { code: "CLEW_APP_TIME" });
  assert.throws(() => createApp({ stopTimeoutMs: Number.NaN }), { code: "CLEW_APP_TIME" });
});

/** An app that listens to SIGIO and SIGWINCH (which nobody sends a test), up and running, and what process.exit was called with. */
async function signalled(body: (app: App, exits: unknown[]) => Promise<void>): Promise<void> {
  const exits: unknown[] = [];
  const exit = mock.method(process, "exit", (code: unknown) => exits.push(code));
  try {
    const listenersBefore = process.listenerCount("SIGIO");
    const up = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const app = createApp({
      signals: ["SIGIO", "SIGWINCH"],
      servers: [fakeServer([], "a", { stop: () => release.promise })],
      afterStart: [() => up.resolve()],
    });
    const running = app.run();
    await up.promise;
    await body(app, exits);
    release.resolve();
    await running;
    assert.equal(process.listenerCount("SIGIO"), listenersBefore);
  } finally {
    exit.mock.restore();
  }
}

test("a signal stops the app, and its listeners are gone afterwards", async () => {
  await signalled(async (_app, exits) => {
    assert.equal(process.listenerCount("SIGIO"), 1);
    process.emit("SIGIO", "SIGIO");
    assert.deepEqual(exits, []);
  });
});

test("a second signal ends the process at once with code 1", async () => {
  await signalled(async (_app, exits) => {
    process.emit("SIGIO", "SIGIO");
    process.emit("SIGWINCH", "SIGWINCH");
    assert.deepEqual(exits, [1]);
  });
});

test("the same signal twice in a moment is one: npm passes on what the terminal has sent already", async () => {
  await signalled(async (_app, exits) => {
    let nowMs = 1_000;
    const now = mock.method(performance, "now", () => nowMs);
    process.emit("SIGIO", "SIGIO");
    nowMs += 50;
    process.emit("SIGIO", "SIGIO");
    assert.deepEqual(exits, []);
    nowMs += 1;
    process.emit("SIGIO", "SIGIO");
    assert.deepEqual(exits, [1]);
    now.mock.restore();
  });
});

test("a signal after stop() is a first one", async () => {
  await signalled(async (app, exits) => {
    void app.stop();
    process.emit("SIGIO", "SIGIO");
    assert.deepEqual(exits, []);
  });
});

test("what is composed is closed after the last hook, in reverse order, and all failures are reported", async () => {
  const events: string[] = [];
  const app = createApp({
    beforeStart: [hook(events, "beforeStart")],
    async servers(resources, info) {
      assert.equal(info, app);
      await resources.use({}, hook(events, "close db", new Error("db")));
      await resources.use({}, hook(events, "close cache", new Error("cache")));
      return [fakeServer(events, "a")];
    },
    afterStart: [() => void app.stop()],
    afterStop: [hook(events, "afterStop", new Error("hook"))],
  });
  await assert.rejects(app.run(), { message: 'app "demo": 3 failures: hook; cache; db' });
  assert.deepEqual(events, ["beforeStart", "a started", "a stopped", "afterStop", "close cache", "close db"]);
});

test("a composition that fails in the middle closes what it had opened and starts nothing", async () => {
  const events: string[] = [];
  const app = createApp({
    async servers(resources) {
      await resources.use({}, hook(events, "close db"));
      throw new Error("no cache");
    },
    afterStop: [hook(events, "afterStop")],
  });
  await assert.rejects(app.run(), { message: "no cache" });
  assert.deepEqual(events, ["afterStop", "close db"]);
});

test("a server that cannot start: what was composed is closed as well", async () => {
  const events: string[] = [];
  const failure = new Error("in use");
  const app = createApp({
    async servers(resources) {
      await resources.use({}, hook(events, "close"));
      return [fakeServer(events, "a"), fakeServer(events, "b", { start: () => Promise.reject(failure) })];
    },
  });
  await assert.rejects(app.run(), failure);
  assert.deepEqual(events, ["a started", "a stopped", "close"]);
});

test("a composition that takes too long fails, and what it opens after that is closed", async () => {
  const closed = Promise.withResolvers<string>();
  const opening = Promise.withResolvers<string>();
  const app = createApp({
    async servers(resources) {
      await resources.use(opening.promise, closed.resolve);
      return [];
    },
    startTimeoutMs: 5,
  });
  await assert.rejects(app.run(), { message: "the composition of the servers took longer than startTimeoutMs (5 ms)" });
  opening.resolve("db");
  assert.equal(await closed.promise, "db");
});

test("an app's own signal stops it, also when it had aborted before", async () => {
  const events: string[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  await createApp({ servers: [fakeServer(events, "a")], signal, afterStart: [() => controller.abort()] }).run();
  await createApp({ servers: [fakeServer(events, "b")], signal }).run();
  assert.deepEqual(events, ["a started", "a stopped"]);
});

test("a cron is a server: it has no endpoint, and is not registered", async () => {
  const events: string[] = [];
  const ran = Promise.withResolvers<void>();
  class Cron implements Server {
    #timer: NodeJS.Timeout | undefined;
    async start(): Promise<void> {
      this.#timer = setInterval(ran.resolve, 1);
    }
    async stop(): Promise<void> {
      clearInterval(this.#timer);
      events.push("cron stopped");
    }
  }
  const registry = new FailingRegistry();
  let instances: readonly Instance[] = [];
  const app = createApp({
    servers: [new Cron(), fakeServer(events, "a")],
    registrar: registry,
    afterStart: [
      async () => {
        await ran.promise;
        instances = await registry.list("demo");
        void app.stop();
      },
    ],
  });
  await app.run();
  assert.deepEqual(instances[0]?.endpoints, ["http://127.0.0.1/a"]);
  assert.deepEqual(events, ["a started", "cron stopped", "a stopped"]);
});

test("a server that fails after its start stops the app, in order", async () => {
  const events: string[] = [];
  const gone = Promise.withResolvers<never>();
  const app = createApp({
    servers: [{ ...fakeServer(events, "queue"), failed: () => gone.promise }, fakeServer(events, "a")],
    afterStart: [() => gone.reject(new Error("the queue is gone"))],
    beforeStop: [hook(events, "beforeStop")],
  });
  await assert.rejects(app.run(), { message: "the queue is gone" });
  assert.deepEqual(events, ["queue started", "a started", "beforeStop", "queue stopped", "a stopped"]);
});

test("what is advertised is what is registered and what the app says of itself", async () => {
  const registry = new FailingRegistry();
  let seen: unknown[] = [];
  const app = createApp({
    servers: [fakeServer([], "a")],
    advertise: "10.0.0.5",
    registrar: registry,
    afterStart: [
      async () => {
        seen = [app.endpoints.map(String), (await registry.list("demo"))[0]?.endpoints];
        void app.stop();
      },
    ],
  });
  await app.run();
  assert.deepEqual(seen, [["http://10.0.0.5/a"], ["http://10.0.0.5/a"]]);
});

test("workers that are no number of processes are refused at once", () => {
  for (const workers of [0, -1, 1.5, Number.NaN, 5_000]) {
    assert.throws(() => createApp({ workers }), { code: "CLEW_APP_WORKERS" });
  }
  assert.equal(createApp({ workers: "all" }).worker, undefined);
});

test("a wrong option is an error when the app is made", () => {
  const cases: [object, string, RegExp][] = [
    [{ servers: [{}] }, "CLEW_APP_SERVER", /servers\[0\] is no server; .*start\(\) and stop\(\)/],
    [{ beforestart: [] }, "CLEW_APP_OPTION", /no option beforestart; there are id, name, .*beforeStart/],
    [{ afterStart: () => {} }, "CLEW_APP_HOOK", /afterStart must be a list of functions/],
    [{ afterStop: ["x"] }, "CLEW_APP_HOOK", /afterStop must be a list of functions/],
    [{ signals: ["SIGFOO"] }, "CLEW_APP_SIGNAL", /SIGFOO/],
    [{ registrar: {} }, "CLEW_APP_REGISTRAR", /register\(\) and deregister\(\)/],
    [{ stopTimeoutMs: "5" }, "CLEW_APP_TIME", /stopTimeoutMs is 5/],
  ];
  for (const [options, code, message] of cases) {
    assert.throws(() => createApp(options as AppOptions), { code, message }, JSON.stringify(options));
  }
});

test("what a composition makes is looked at as well", async () => {
  await assert.rejects(createApp({ servers: () => [{} as Server] }).run(), { code: "CLEW_APP_SERVER" });
});
