// A client that is closed, also in the very turn its connection comes to be: its calls have not left, and say so.
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { after, before, test } from "node:test";
import { silentLogger } from "@clew/log";
import { type Client, createServiceClient, type ServiceClient } from "@clew/rpc";
import { Server } from "@clew/transport";
import { ConnectClient } from "@clew/transport/connect";
import { GrpcClient } from "@clew/transport/grpc";
import { GrpcWebClient } from "@clew/transport/grpc-web";
import { HttpClient } from "@clew/transport/http";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echo, texts } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

const server = new Server({ address: "127.0.0.1:0", services: [echo], logger: silentLogger, timeoutMs: patientMs });
before(() => server.start());
after(() => server.stop(AbortSignal.abort()));

type Ask = (client: ServiceClient<typeof Echo>, options: { waitForReady: boolean }) => Promise<unknown>;
const unary: Ask = (client, options) => client.unary({ text: "a" }, options);
const clientStream: Ask = (client, options) => client.clientStream(texts("a"), options);

const grpc = (): Client => new GrpcClient({ endpoint: server.endpoint().host });
const connect = (): Client => new ConnectClient({ endpoint: server.endpoint(), http2: true });
const grpcWeb = (): Client => new GrpcWebClient({ endpoint: server.endpoint(), http2: true });
const http = (): Client => new HttpClient({ endpoint: server.endpoint(), http2: true });

/** By its cause whoever repeats calls knows that it may. */
async function assertNotBegun(call: Promise<unknown>): Promise<void> {
  const { code, reason, cause } = await failureOf(call);
  assert.deepEqual([code, reason], [503, "UNAVAILABLE"]);
  assert.equal((cause as NodeJS.ErrnoException).code, "CLEW_HTTP2_REFUSED");
}

for (const [name, create, ask, waitForReady] of [
  ["gRPC", grpc, unary, false],
  ["gRPC, of a stream", grpc, clientStream, false],
  ["gRPC, waiting for ready", grpc, unary, true],
  ["Connect over HTTP/2", connect, unary, false],
  ["Connect over HTTP/2, waiting for ready", connect, unary, true],
  ["gRPC-Web over HTTP/2", grpcWeb, unary, false],
  ["HTTP/JSON over HTTP/2, waiting for ready", http, unary, true],
] as const) {
  test(`${name}: a call on a connection that closes in the same turn is a 503 that was not begun`, async () => {
    const transport = create();
    const client = createServiceClient(Echo, transport, { timeoutMs: patientMs });
    let closing: Promise<void> | undefined;
    // The connection is there, and nobody has heard of it yet.
    const closeAtOnce = (): void => {
      closing = transport.close();
    };
    const onSocket = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      socket.once("connect", () => process.nextTick(closeAtOnce));
    };
    subscribe("net.client.socket", onSocket);
    try {
      await assertNotBegun(ask(client, { waitForReady }));
      await closing;
    } finally {
      unsubscribe("net.client.socket", onSocket);
    }
  });
}

for (const [name, create] of [
  ["gRPC", grpc],
  ["Connect over HTTP/1.1", () => new ConnectClient({ endpoint: server.endpoint() })],
  ["Connect over HTTP/2", connect],
  ["HTTP/JSON over HTTP/1.1", () => new HttpClient({ endpoint: server.endpoint() })],
  ["HTTP/JSON over HTTP/2", http],
] as const) {
  test(`${name}: so is a call of a client that is closed`, async () => {
    const transport = create();
    const client = createServiceClient(Echo, transport, { timeoutMs: patientMs });
    assert.equal((await client.unary({ text: "a" })).text, "a");
    await transport.close();
    for (const waitForReady of [false, true]) await assertNotBegun(client.unary({ text: "b" }, { waitForReady }));
  });
}
