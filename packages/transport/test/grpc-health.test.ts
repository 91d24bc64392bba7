import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { createServiceClient, type Middleware, type ServiceClient, ServiceError, service } from "@clew/rpc";
import type { GrpcServer, GrpcServerOptions } from "@clew/transport/grpc";
import { until } from "../../http2/test/until.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../src/gen/grpc/health/v1/health_pb.ts";
import { failureOf } from "./failure-of.ts";
import { connectTo, createEchoClient, echo, startServer } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

const clients: ServiceClient<typeof Health>[] = [];
after(() => Promise.all(clients.map((client) => client[Symbol.asyncDispose]())));

async function startHealth(
  options: GrpcServerOptions = {},
): Promise<{ server: GrpcServer; client: ServiceClient<typeof Health> }> {
  const server = await startServer(options);
  const client = createServiceClient(Health, connectTo(server), { timeoutMs: patientMs });
  clients.push(client);
  return { server, client };
}

describe("grpc.health.v1", () => {
  it("says that the server and each of its services serve", async () => {
    const { client } = await startHealth();
    for (const name of ["", "test.v1.Echo"])
      assert.equal((await client.check({ service: name })).status, Status.SERVING);
    assert.equal((await failureOf(client.check({ service: "nobody.v1.Knows" }))).code, 404);
    assert.deepEqual(Object.keys((await client.list({})).statuses).sort(), ["", "test.v1.Echo"]);
  });

  it("says what it is told, to those who watch as well", async () => {
    const { server, client } = await startHealth();
    const seen: Status[] = [];
    const watching = (async () => {
      for await (const { status } of client.watch({ service: "test.v1.Later" })) {
        seen.push(status);
        if (status === Status.NOT_SERVING) break;
      }
    })();
    await until(() => seen.length === 1, "the first status came");
    server.health.setStatus("test.v1.Later", "SERVING");
    await until(() => seen.length === 2, "the second status came");
    server.health.setStatus("test.v1.Echo", "NOT_SERVING");
    server.health.setStatus("test.v1.Later", "SERVING");
    server.health.setStatus("test.v1.Later", "NOT_SERVING");
    await watching;
    assert.deepEqual(seen, [Status.SERVICE_UNKNOWN, Status.SERVING, Status.NOT_SERVING]);
    assert.equal((await client.check({ service: "test.v1.Echo" })).status, Status.NOT_SERVING);
  });

  it("says NOT_SERVING while the server drains, and keeps no server waiting", async () => {
    const { server, client } = await startHealth();
    const caller = createEchoClient(connectTo(server));
    const open = caller.serverStream({ text: "wait", count: 1 })[Symbol.asyncIterator]();
    await open.next();
    const watch = client.watch({})[Symbol.asyncIterator]();
    assert.equal((await watch.next()).value?.status, Status.SERVING);
    const controller = new AbortController();
    const stopped = server.stop(controller.signal);
    assert.equal((await watch.next()).value?.status, Status.NOT_SERVING);
    assert.equal((await failureOf(watch.next())).code, 503);
    await open.return?.();
    await stopped;
  });

  it("is not in the way of middleware that refuses callers, and is left out when that is asked for", async () => {
    const refuse: Middleware = () => async () => {
      throw new ServiceError(401, "NO_TOKEN", "who are you?");
    };
    const { client } = await startHealth({ middleware: [refuse] });
    assert.equal((await client.check({})).status, Status.SERVING);
    const without = await startHealth({ health: false });
    assert.equal((await failureOf(without.client.check({}))).code, 501);
  });

  it("gives way to an implementation of the user's", async () => {
    const own = service(Health, {
      check: () => ({ status: Status.UNKNOWN }),
      list: () => ({}),
      async *watch() {},
    });
    const { client } = await startHealth({ services: [echo, own] });
    assert.equal((await client.check({})).status, Status.UNKNOWN);
  });

  it("forgets who no longer watches", async () => {
    const { server, client } = await startHealth();
    for (let i = 0; i < 3; i++) {
      for await (const { status } of client.watch({})) {
        assert.equal(status, Status.SERVING);
        break;
      }
    }
    // Nothing is left that a drain would have to wait for.
    await server.stop(new AbortController().signal);
  });
});
