import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import type { ServerStream, StreamListener } from "@clew/http2";
import { type Logger, silentLogger } from "@clew/log";
import { resolveListenerOptions } from "../listener.ts";
import { ServerConnections, type StreamHandler } from "./server-connections.ts";

const silence: StreamListener = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

/** Answers every stream at once. */
const answering: StreamHandler = {
  accept(stream) {
    stream.sendHeaders([":status", "204"], true);
    return silence;
  },
  refuse(stream) {
    stream.sendHeaders([":status", "431"], true);
  },
};

type Options = Parameters<typeof resolveListenerOptions>[0] & ConstructorParameters<typeof ServerConnections>[2];

/** A listening socket whose connections are kept. */
async function listen(t: TestContext, options: Options, handler: StreamHandler = answering): Promise<string> {
  const connections = new ServerConnections(handler, resolveListenerOptions(options), options);
  const server = createServer({ allowHalfOpen: true }, (socket) => connections.add(socket, undefined));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    connections.cutOff();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function open(t: TestContext, url: string): { session: ClientHttp2Session; goodbyes: (string | undefined)[] } {
  const session = connect(url);
  const goodbyes: (string | undefined)[] = [];
  session.on("error", () => {});
  session.on("goaway", (_code, _last, debug) => goodbyes.push(debug?.toString()));
  t.after(() => session.destroy());
  return { session, goodbyes };
}

async function statusOf(session: ClientHttp2Session, headers: Record<string, string> = {}): Promise<number> {
  const stream = session.request({ ":path": "/", ...headers });
  stream.on("error", () => {});
  stream.resume();
  const [answer] = (await once(stream, "response")) as [{ ":status": number }];
  return answer[":status"];
}

function openSocket(t: TestContext, url: string): Socket {
  const socket = connectTcp(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  return socket.resume();
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0", "latin1");

test("a listener that throws costs its stream, is told in the log, and the connection lives on", async (t) => {
  const told: unknown[] = [];
  const error = (message: string, fields?: Record<string, unknown>): unknown => told.push(message, fields?.error);
  const mistake = new Error("mistake");
  let count = 0;
  const handler: StreamHandler = {
    ...answering,
    accept(stream: ServerStream, ...rest) {
      if (++count === 1) throw mistake;
      return answering.accept(stream, ...rest);
    },
  };
  const logger = Object.create(silentLogger, { error: { value: error } }) as Logger;
  const { session } = open(t, await listen(t, { logger }, handler));
  const stream = session.request({ ":path": "/" });
  await assert.rejects(once(stream, "response"));
  assert.deepEqual(told, ["HTTP/2: a stream failed", mistake]);
  assert.equal(await statusOf(session), 204);
});

test("headerLimitBytes, headerTimeoutMs and maxConcurrentCalls are the session's limits", async (t) => {
  const url = await listen(t, { headerLimitBytes: 1000, maxConcurrentCalls: 7 });
  const { session } = open(t, url);
  const [settings] = (await once(session, "remoteSettings")) as [{ maxConcurrentStreams: number }];
  assert.equal(settings.maxConcurrentStreams, 7);
  assert.equal(await statusOf(session, { "x-long": "x".repeat(500) }), 204);
  assert.equal(await statusOf(session, { "x-long": "x".repeat(2000) }), 431);
  // One that never says its preface.
  await once(openSocket(t, await listen(t, { headerTimeoutMs: 500 })), "close");
});

test("an idle connection is told to go, and destroyed when it does not; requests that are refused count as well", async (t) => {
  const url = await listen(t, { maxConnectionIdleMs: 400 });
  const { session, goodbyes } = open(t, url);
  for (let count = 0; count < 10; count++) {
    await statusOf(session, count % 2 === 0 ? {} : { "x-long": "x".repeat(20_000) });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(session.closed, false);
  }
  await once(session, "close");
  assert.ok(goodbyes.length > 0);
  // It answers no ping, so it never learns that the last stream is over.
  const deaf = openSocket(t, url);
  deaf.write(preface);
  await once(deaf, "close");
});

test("without maxConnectionIdleMs a connection stays", async (t) => {
  const { session } = open(t, await listen(t, { maxConnectionIdleMs: 0 }));
  assert.equal(await statusOf(session), 204);
  assert.equal(session.closed, false);
});
