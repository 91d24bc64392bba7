// Connections that said nothing yet when the server stops, as in a rolling restart.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { test } from "node:test";
import { Server } from "@clew/transport";
import { echo } from "./grpc-echo.ts";

/** A server and a connection to it that it has accepted and that says nothing yet. */
async function accepted(): Promise<{ server: Server; socket: Socket }> {
  const listener: NetServer = createServer();
  const server = new Server({
    address: "127.0.0.1:0",
    listener,
    services: [echo],
    routes: [{ verb: "GET", path: "/hello", handle: (_request, response) => void response.end("hello") }],
  });
  await server.start();
  const socket = connect(Number(server.endpoint().port), "127.0.0.1");
  await Promise.all([once(listener, "connection"), once(socket, "connect")]);
  return { server, socket };
}

function textOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes;
    });
    socket.on("end", () => resolve(text)).on("error", reject);
  });
}

test("a first request over HTTP/1.1 is answered after the stop, and the connection closed", async () => {
  const { server, socket } = await accepted();
  const stopped = server.stop(AbortSignal.timeout(60_000));
  const text = textOf(socket);
  socket.write("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
  assert.match(await text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close\r\n[\s\S]*hello/i);
  socket.end();
  await stopped;
});

test("a first request that waits to be read when the time for it is over is answered as well", async () => {
  // A process that stood still, before the stop and after it.
  const standStill = (): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  for (const when of ["before", "after"] as const) {
    const { server, socket } = await accepted();
    const text = textOf(socket);
    socket.write("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    if (when === "before") standStill();
    const stopped = server.stop(AbortSignal.timeout(60_000));
    if (when === "after") standStill();
    assert.match(await text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello/i, when);
    socket.end();
    await stopped;
  }
});

test("a first request over HTTP/2 is answered after the stop, and the connection told to go", async () => {
  const { server, socket } = await accepted();
  const stopped = server.stop(AbortSignal.timeout(60_000));
  const session: ClientHttp2Session = connectHttp2(server.endpoint().href, { createConnection: () => socket });
  const goneAway = once(session, "goaway");
  const stream = session.request({ ":path": "/hello" });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  assert.equal(headers[":status"], 200);
  stream.resume();
  await goneAway;
  await Promise.all([stopped, once(session, "close")]);
});

test("a stop without a signal waits for what is open, however long it takes", async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const server = new Server({
    address: "127.0.0.1:0",
    routes: [
      {
        verb: "GET",
        path: "/slow",
        async handle(_request, response) {
          begun.resolve();
          await finish.promise;
          response.end("all of it");
        },
      },
    ],
  });
  await server.start();
  const reply = fetch(new URL("slow", server.endpoint()));
  await begun.promise;
  const stopped = server.stop();
  finish.resolve();
  assert.equal(await (await reply).text(), "all of it");
  await stopped;
});

test("a connection that goes on saying nothing does not keep the server", async () => {
  const { server, socket } = await accepted();
  // Far more than a connection has for its first word; where it had no end, this would be the one.
  const limit = AbortSignal.timeout(60_000);
  const closed = once(socket, "close");
  await server.stop(limit);
  assert.equal(limit.aborted, false);
  await closed;
});

test("who is told to stop at once waits for nobody's first word", async () => {
  const { server, socket } = await accepted();
  const closed = once(socket, "close");
  await server.stop(AbortSignal.abort());
  await closed;
});
