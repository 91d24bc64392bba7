import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { App } from "@clew/app";
import { silentLogger } from "@clew/log";
import { GrpcServer } from "@clew/transport/grpc";
import { HttpServer } from "@clew/transport/http";

/** What the app says of itself once its servers accept. */
async function endpointsOf(servers: () => (HttpServer | GrpcServer)[], advertise?: string): Promise<URL[]> {
  let endpoints: readonly URL[] = [];
  const app = new App({
    servers,
    logger: silentLogger,
    signals: [],
    ...(advertise === undefined ? {} : { advertise }),
    afterStart: [
      async () => {
        endpoints = app.endpoints;
        if (advertise === undefined) assert.equal((await fetch(endpoints[0]!)).status, 404);
        void app.stop();
      },
    ],
  });
  await app.run();
  return [...endpoints];
}

test("servers on all interfaces are told by an address of this machine that others can see, IPv4 first", async () => {
  const [http, grpc] = await endpointsOf(() => [new HttpServer({ address: ":0" }), new GrpcServer({ address: ":0" })]);
  assert.deepEqual([http!.protocol, grpc!.protocol], ["http:", "grpc:"]);
  assert.equal(http!.hostname, grpc!.hostname);
  const outer = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/.test(address));
  const expected = (outer.find(({ family }) => family === "IPv4") ?? outer[0])?.address ?? "127.0.0.1";
  assert.equal(http!.hostname.replace(/^\[|\]$/g, ""), expected);
});

test("advertise puts its host in their place", async () => {
  const [http, grpc] = await endpointsOf(
    () => [new HttpServer({ address: "127.0.0.1:0" }), new GrpcServer({ address: "127.0.0.1:0" })],
    "10.0.0.5",
  );
  assert.match(http!.href, /^http:\/\/10\.0\.0\.5:\d+\/$/);
  assert.match(grpc!.href, /^grpc:\/\/10\.0\.0\.5:\d+$/);
});
