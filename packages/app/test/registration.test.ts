import assert from "node:assert/strict";
import { test } from "node:test";
import type { Server } from "@clew/app";
import { FailingRegistry, type Instance, type Registrar } from "@clew/registry";
import { createApp, fakeServer, forever, hook } from "./demo-app.ts";

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

test("servers are told to drain first of all, and accept until the drain delay is over", async () => {
  const events: string[] = [];
  const drain = (): void => {
    throw new Error("no drain");
  };
  const app = createApp({
    id: "1",
    servers: [
      fakeServer(events, "a", { drain: () => void events.push("a drains") }),
      fakeServer(events, "b", { drain }),
      fakeServer(events, "c"),
    ],
    registrar: fakeRegistrar(events),
    afterStart: [() => void app.stop()],
    beforeStop: [hook(events, "beforeStop")],
    drainDelayMs: 1,
  });
  await assert.rejects(app.run(), { message: "no drain" });
  assert.deepEqual(events.slice(4), ["a drains", "deregister 1", "beforeStop", "a stopped", "b stopped", "c stopped"]);
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
