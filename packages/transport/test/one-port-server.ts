// A server of all protocols on one port, and what its peers say.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { after } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import { silentLogger } from "@clew/log";
import { type ServiceClient, service } from "@clew/rpc";
import { type ClientOptions, createClient, Server, type ServerOptions } from "@clew/transport";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echoImplementation } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

export const services = [service(Echo, echoImplementation)];

/** How a client begins HTTP/2 (RFC 9113 section 3.4). */
export const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** An empty SETTINGS frame. */
export const settings = "\0\0\0\x04\0\0\0\0\0";

/** A client that is closed when the file's tests are over. */
export function open<S extends DescService>(desc: S, options: ClientOptions): ServiceClient<S> {
  const client = createClient(desc, { timeoutMs: patientMs, ...options });
  after(() => client[Symbol.asyncDispose]());
  return client;
}

const started: Server[] = [];
after(() => Promise.all(started.map((server) => server.stop(AbortSignal.abort()))));

/** A server that is stopped when the file's tests are over. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const server = new Server({
    address: "127.0.0.1:0",
    services,
    timeoutMs: patientMs,
    logger: silentLogger,
    ...options,
  });
  await server.start();
  started.push(server);
  return server;
}

export function grpcEndpoint(server: Server): URL {
  const endpoint = server.endpoints().find((url) => url.protocol.startsWith("grpc"));
  assert.ok(endpoint);
  return endpoint;
}

/** Ends the test if the socket does not close; what came until then. */
export async function untilClosed(socket: Socket): Promise<string> {
  const limit = setTimeout(() => socket.destroy(new Error("it did not close")), 30_000);
  socket.on("error", () => {});
  const closed = once(socket, "close");
  const received = await text(socket).catch(() => "");
  await closed;
  clearTimeout(limit);
  return received;
}
