import assert from "node:assert/strict";
import { test } from "node:test";
import { appKey, currentApp, type Server } from "@clew/app";
import { current, run } from "@clew/context";
import { createLogger } from "@clew/log";
import { FailingRegistry, type Instance } from "@clew/registry";
import { until } from "../../http2/test/until.ts";
import { createApp, type FakeServerOptions, fakeServer, hook } from "./demo-app.ts";

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
  await assert.rejects(app.run(), {
    code: "CLEW_APP_USED",
    message: /app "demo" has run already, .* create a new App/,
  });
});

test("an app without servers waits all the same", async () => {
  const events: string[] = [];
  const app = createApp({
    afterStart: [
      () => {
        setTimeout(() => {
          events.push("told to stop");
          void app.stop();
        }, 1);
      },
    ],
    afterStop: [hook(events, "afterStop")],
  });
  await app.run();
  assert.deepEqual(events, ["told to stop", "afterStop"]);
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

test("a server that fails while the app still starts ends the start, in order", async () => {
  const events: string[] = [];
  const gone = Promise.withResolvers<never>();
  const app = createApp({
    servers: [{ ...fakeServer(events, "queue"), failed: () => gone.promise }],
    afterStart: [
      async () => {
        gone.reject(new Error("the queue is gone"));
        await new Promise(setImmediate);
      },
      hook(events, "afterStart 2"),
    ],
    beforeStop: [hook(events, "beforeStop")],
  });
  await assert.rejects(app.run(), { message: "the queue is gone" });
  assert.deepEqual(events, ["queue started", "beforeStop", "queue stopped"]);
});

test("a hook may wait for stop(): it does not wait for what waits for the hook", async () => {
  for (const name of ["beforeStart", "afterStart", "beforeStop", "afterStop"] as const) {
    const events: string[] = [];
    const app = createApp({
      servers: [fakeServer(events, "a")],
      afterStart: [() => void app.stop()],
      [name]: [
        async () => {
          await app.stop();
          events.push(name);
        },
      ],
    });
    await app.run();
    assert.ok(events.includes(name));
  }
});

test("what a hook left behind waits for the end of the app by stop()", async () => {
  const events: string[] = [];
  const later = Promise.withResolvers<void>();
  const app = createApp({
    servers: [fakeServer(events, "a")],
    afterStart: [
      () => {
        setImmediate(async () => {
          await app.stop();
          events.push("over");
          later.resolve();
        });
      },
    ],
  });
  await app.run();
  await later.promise;
  assert.deepEqual(events, ["a started", "a stopped", "over"]);
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

test("an app with nothing to do says so, and waits all the same", async () => {
  for (const options of [{}, { servers: [] }, { servers: () => [] }]) {
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger({ level: "warn", destination: { write: (line) => lines.push(JSON.parse(line)) } });
    const app = createApp({ ...options, logger });
    const running = app.run();
    await until(() => lines.length > 0, "a line");
    await app.stop();
    await running;
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ["the app has neither servers nor hooks that start something: it waits to be told to stop"],
    );
  }
});

test("an app whose hooks do its work needs no servers", async () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "warn", destination: { write: (line) => lines.push(line) } });
  for (const hooks of ["beforeStart", "afterStart"] as const) {
    const app = createApp({
      logger,
      [hooks]: [() => {}],
      servers: () => {
        setImmediate(() => void app.stop());
        return [];
      },
    });
    await app.run();
  }
  assert.deepEqual(lines, []);
});
