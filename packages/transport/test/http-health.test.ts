import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import type { Middleware } from "@clew/rpc";
import { createClient, GrpcServer, Server } from "@clew/transport";
import { type HealthCheck, HttpServer } from "@clew/transport/http";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../src/gen/grpc/health/v1/health_pb.ts";
import { echo, withServer } from "./http-shelves.ts";
import { ask as askHttp2, connectHttp2 } from "./http2-peer.ts";
import { patientMs } from "./patient-ms.ts";

interface Answer {
  readonly status: number;
  readonly body: { status?: string; reason?: string; message?: string; metadata?: Record<string, string> };
}

async function ask(url: string): Promise<Answer> {
  const response = await fetch(url);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("cache-control"), "no-store");
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

test("says that it lives and is ready, outside of prefix and middleware", async () => {
  const refuse: Middleware = () => () => Promise.reject(new Error("nobody comes in"));
  const options = { services: [echo()], health: true, prefix: "/shop", middleware: [refuse] };
  await withServer(options, async (url, server) => {
    assert.deepEqual(await ask(`${url}/healthz`), { status: 200, body: { status: "SERVING" } });
    assert.deepEqual(await ask(`${url}/readyz`), { status: 200, body: { status: "SERVING" } });
    assert.equal((await fetch(`${url}/readyz`, { method: "HEAD" })).status, 200);
    assert.deepEqual(
      server.routes().flatMap(({ path, kind }) => (kind === "raw" ? [path] : [])),
      ["/healthz", "/readyz"],
    );
  });
  await withServer({ services: [echo()] }, async (url) => assert.equal((await fetch(`${url}/healthz`)).status, 404));
});

test("names what is not ready, and not why", async () => {
  const checks: Record<string, HealthCheck> = {
    database: () => Promise.reject(new Error("password is wrong")),
    cache: () => {
      throw new Error("at once");
    },
    queue: () => false,
    disk: () => undefined,
    slow: () => new Promise(() => {}),
  };
  const health = { live: "/live", ready: "/ready", checks, checkTimeoutMs: 100 };
  await withServer({ services: [echo()], health }, async (url) => {
    for (let times = 0; times < 2; times++) {
      const { status, body } = await ask(`${url}/ready`);
      assert.deepEqual([status, body.reason], [503, "NOT_READY"]);
      assert.equal(body.message, "not ready: database, cache, queue, slow");
      const metadata = { database: "FAILED", cache: "FAILED", queue: "FAILED", slow: "TIMEOUT" };
      assert.deepEqual(body.metadata, metadata);
    }
    // The process is alive all the same.
    assert.equal((await ask(`${url}/live`)).status, 200);
  });
});

test("a check that failed is asked again, and one that hangs only once", async () => {
  let isWell = false;
  let hanging = 0;
  const checks: Record<string, HealthCheck> = {
    database: () => isWell,
    slow: () => {
      hanging++;
      return new Promise(() => {});
    },
  };
  await withServer({ health: { checks, checkTimeoutMs: 50 } }, async (url) => {
    assert.deepEqual((await ask(`${url}/readyz`)).body.metadata, { database: "FAILED", slow: "TIMEOUT" });
    isWell = true;
    assert.deepEqual((await ask(`${url}/readyz`)).body.metadata, { slow: "TIMEOUT" });
    assert.equal(hanging, 1);
  });
});

test("is not ready while a service is not, nor while it drains", async () => {
  await withServer({ services: [echo()], health: true }, async (url, server) => {
    server.health.setStatus("test.v1.Echo", "NOT_SERVING");
    const { status, body } = await ask(`${url}/readyz`);
    assert.deepEqual([status, body.metadata], [503, { "test.v1.Echo": "NOT_SERVING" }]);
    server.health.setStatus("test.v1.Echo", "SERVING");
    assert.equal((await ask(`${url}/readyz`)).status, 200);
    server.health.drain();
    assert.deepEqual((await ask(`${url}/readyz`)).body.metadata, { server: "DRAINING" });
    assert.equal((await ask(`${url}/healthz`)).status, 200);
  });
});

test("a server that drains is not ready, and answers until it stops", async (t) => {
  for (const server of [
    new HttpServer({ address: "127.0.0.1:0", services: [echo()], health: true }),
    new Server({ address: "127.0.0.1:0", services: [echo()], health: true }),
  ]) {
    await server.start();
    t.after(() => server.stop(AbortSignal.abort()));
    const url = server.endpoint().origin;
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    server.drain();
    assert.deepEqual((await ask(`${url}/readyz`)).body.metadata, { server: "DRAINING" });
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    await server.stop(AbortSignal.timeout(patientMs));
  }
  const grpc = new GrpcServer({ address: "127.0.0.1:0", services: [echo()] });
  await grpc.start();
  t.after(() => grpc.stop(AbortSignal.abort()));
  const client = createClient(Health, { endpoint: grpc.endpoint(), timeoutMs: patientMs });
  t.after(() => client[Symbol.asyncDispose]());
  grpc.drain();
  assert.equal((await client.check({})).status, Status.NOT_SERVING);
  await client[Symbol.asyncDispose]();
  await grpc.stop(AbortSignal.timeout(patientMs));
});

test("a request that came before the drain is told of it", async (t) => {
  let ask: () => void = () => {};
  const asked = new Promise<boolean>((resolve) => (ask = () => resolve(true)));
  const began = Promise.withResolvers<void>();
  const server = new HttpServer({
    address: "127.0.0.1:0",
    health: {
      checks: {
        gate: () => {
          began.resolve();
          return asked;
        },
      },
    },
  });
  await server.start();
  t.after(() => server.stop(AbortSignal.abort()));
  const answer = askHttp2(connectHttp2(server.endpoint()), { ":path": "/readyz" });
  await began.promise;
  const stopped = server.stop(AbortSignal.timeout(patientMs));
  ask();
  assert.equal((await answer).status, 503);
  await stopped;
});

test("is not ready before its start", async (t) => {
  const listener = createServer();
  const server = new HttpServer({ listener, address: "127.0.0.1:0", health: true });
  assert.equal(server.health.isStarted, false);
  await server.start();
  t.after(() => server.stop(AbortSignal.abort()));
  assert.equal(server.health.isStarted, true);
});

test("on a server of all protocols, gRPC and HTTP tell the same", async (t) => {
  const server = new Server({ address: "127.0.0.1:0", services: [echo()], health: { ready: "/ready" } });
  await server.start();
  t.after(() => server.stop(AbortSignal.abort()));
  const client = createClient(Health, { endpoint: server.endpoints()[1]!.href, timeoutMs: patientMs });
  t.after(() => client[Symbol.asyncDispose]());
  const url = new URL("/ready", server.endpoint()).href;
  assert.deepEqual([(await client.check({})).status, (await ask(url)).status], [Status.SERVING, 200]);
  server.health.setStatus("test.v1.Echo", "NOT_SERVING");
  const { status } = await client.check({ service: "test.v1.Echo" });
  assert.deepEqual([status, (await ask(url)).status], [Status.NOT_SERVING, 503]);
});

test("a server of all protocols has neither when it shall have none, and only gRPC's when nothing is said", async (t) => {
  for (const health of [false, undefined]) {
    const server = new Server({ address: "127.0.0.1:0", ...(health === undefined ? {} : { health }) });
    await server.start();
    t.after(() => server.stop(AbortSignal.abort()));
    assert.equal((await fetch(new URL("/healthz", server.endpoint()))).status, 404);
    const client = createClient(Health, { endpoint: server.endpoints()[1]!.href, timeoutMs: patientMs });
    t.after(() => client[Symbol.asyncDispose]());
    if (health === false) await assert.rejects(client.check({}), { code: 501 });
    else assert.equal((await client.check({})).status, Status.SERVING);
  }
});

test("refuses health options that cannot work", () => {
  const handle = () => {};
  assert.throws(() => new HttpServer({ health: { checkTimeoutMs: -1 } }), { message: /health\.checkTimeoutMs/ });
  assert.throws(() => new HttpServer({ health: { checks: { db: true as never } } }), {
    message: /health\.checks\["db"\]/,
  });
  assert.throws(() => new HttpServer({ health: { live: "healthz" } }), { code: "CLEW_TRANSPORT_TEMPLATE" });
  assert.throws(() => new HttpServer({ health: true, routes: [{ verb: "GET", path: "/healthz", handle }] }), {
    code: "CLEW_TRANSPORT_ROUTE_CONFLICT",
  });
});
