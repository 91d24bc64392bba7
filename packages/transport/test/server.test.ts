// One port for all protocols.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Context, createKey, run } from "@clew/context";
import { type Call, type Middleware, service } from "@clew/rpc";
import { HttpServer, Server } from "@clew/transport";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, echoImplementation, texts } from "./grpc-echo.ts";
import { RawConnection } from "./http-shelves.ts";
import { ask, connectHttp2, unary } from "./http2-peer.ts";
import { grpcEndpoint, open, preface, services, settings, startServer } from "./one-port-server.ts";
import { patientMs } from "./patient-ms.ts";

test("one port answers JSON over HTTP/1.1 and HTTP/2, and gRPC, at the same time", async () => {
  const server = await startServer();
  const [http, grpc] = server.endpoints();
  assert.equal(http?.href, server.endpoint().href);
  assert.deepEqual([http?.protocol, grpc?.protocol, grpc?.port], ["http:", "grpc:", http?.port]);
  const overHttp = open(Echo, { endpoint: http! });
  const overGrpc = open(Echo, { endpoint: grpc! });
  const http2 = connectHttp2(http!);
  for (let round = 0; round < 3; round++) {
    const replies = await Promise.all([
      overHttp.unary({ text: "1.1" }),
      overGrpc.unary({ text: "grpc" }),
      ask(http2, unary, '{"text":"2"}').then((answer) => JSON.parse(answer.text) as { text: string }),
      collect(overGrpc.bidiStream(texts("a"))).then((all) => all[0]!),
    ]);
    assert.deepEqual(
      replies.map((reply) => reply.text),
      ["1.1", "grpc", "2", "a"],
    );
  }
  for (const client of [overHttp, overGrpc]) {
    const error = await failureOf(client.unary({ text: "fail" }));
    assert.deepEqual([error.code, error.reason, error.metadata], [404, "BOOK_NOT_FOUND", { shelf: "höher" }]);
  }
});

test("the content type tells gRPC, on one connection", async () => {
  const session = connectHttp2((await startServer()).endpoint());
  const frame = Buffer.from([0, 0, 0, 0, 3, 10, 1, 97]);
  for (const contentType of [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc;x=1",
    "APPLICATION/GRPC",
  ]) {
    const answer = await ask(session, { ...unary, "content-type": contentType, te: "trailers" }, frame);
    assert.deepEqual([answer.status, answer.trailers["grpc-status"]], [200, "0"], contentType);
  }
  for (const contentType of ["text/plain", "application/grpcx"]) {
    assert.equal((await ask(session, { ...unary, "content-type": contentType }, frame)).status, 400, contentType);
  }
  const long = await ask(
    session,
    { ...unary, "content-type": "application/grpc", "x-long": "x".repeat(20_000) },
    frame,
  );
  assert.deepEqual([long.status, long.headers["grpc-status"]], [200, "8"]);
});

test("bytes may come one by one: each protocol is still told", async () => {
  const server = await startServer();
  const { href } = server.endpoint();
  const http1 = new RawConnection(href);
  for (const byte of 'POST /test.v1.Echo/Unary HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 12\r\n\r\n{"text":"a"}') {
    http1.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.match(await http1.closed(), /^HTTP\/1.1 200 .*"text":"a"/s);
  const http2 = new RawConnection(href);
  for (const byte of preface + settings) {
    http2.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  // Its settings, and the acknowledgement of ours: the rest of the preface was understood.
  await until(() => http2.received.includes("\0\0\0\x04\x01\0\0\0\0"), "they are acknowledged");
  assert.equal(http2.isClosed, false);
  http2.socket.destroy();
  // Requests that come in one piece with the first bytes, and many of them, are all read.
  const pipelined = new RawConnection(href);
  const get = "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
  pipelined.send(get.repeat(2000) + get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  assert.equal((await pipelined.closed()).match(/HTTP\/1.1 404/g)?.length, 2001);
});

test("a peer that says too little in time is told, and only its socket is lost", async () => {
  // The call at its end must come within it as well, on a machine that is busy.
  const server = await startServer({ headerTimeoutMs: 4000 });
  const { href } = server.endpoint();
  const expire = async (bytes: string): Promise<void> => {
    const reply = await new RawConnection(href).send(bytes).closed();
    assert.match(reply, /^HTTP\/1.1 408 .*"reason":"REQUEST_TIMEOUT"/s, JSON.stringify(bytes));
  };
  await Promise.all(["", "P", "PR", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "GE"].map(expire));
  // One that ends its side, and one that drops the connection.
  const ended = new RawConnection(href).send("PR");
  ended.socket.end();
  await ended.closed();
  const dropped = new RawConnection(href).send("PR");
  await until(() => dropped.socket.bytesWritten === 2, "the bytes are sent");
  dropped.socket.resetAndDestroy();
  const client = open(Echo, { endpoint: grpcEndpoint(server) });
  assert.equal((await client.unary({ text: "still here" })).text, "still here");
});

test("garbage gets a 400 or a closed connection", async () => {
  const server = await startServer();
  const { href } = server.endpoint();
  const goAway = { test: (reply: string) => reply.includes(`\x07${"\0".repeat(5)}`) };
  const cases: [bytes: string, want: { test(reply: string): boolean }][] = [
    ["hello\r\n\r\n", /^HTTP\/1.1 400 .*BAD_REQUEST/s],
    ["\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", /^HTTP\/1.1 400 /],
    ["\0".repeat(100), /^HTTP\/1.1 400 /],
    ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", /^HTTP\/1.1 400 /],
    ["PRI * HTTP/1.1\r\nHost: a\r\n\r\n", /^HTTP\/1.1 [45]/],
    [`${preface}GET / HTTP/1.1\r\n\r\n`, goAway],
  ];
  for (const [bytes, want] of cases) {
    const reply = await new RawConnection(href).send(bytes).closed();
    assert.ok(want.test(reply), `${JSON.stringify(bytes)}: ${JSON.stringify(reply)}`);
  }
  assert.equal((await fetch(new URL("/nowhere", href))).status, 404);
});

test("a context, a service twice, options and addresses that do not work", async () => {
  assert.throws(() => new Server({ services: [...services, ...services] }), {
    code: "CLEW_TRANSPORT_SERVICE_CONFLICT",
  });
  assert.throws(() => new Server({ headerTimeoutMs: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => new Server({ maxMessageBytes: 0 }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => new Server({ address: "8000" }), { code: "CLEW_TRANSPORT_ADDRESS" });
  assert.throws(() => new Server({ tls: {} }), {
    code: "CLEW_TRANSPORT_TLS",
    message: /has no certificate.*key, cert/s,
  });
  assert.throws(
    () => new HttpServer({ tls: { key: "no", cert: "pem" } }),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "CLEW_TRANSPORT_TLS");
      return error.cause instanceof Error;
    },
  );
  assert.throws(() => new Server().endpoint(), { code: "CLEW_TRANSPORT_NOT_STARTED", message: /^Server / });
  const key = createKey<string>("test");
  const seen: (string | undefined)[] = [];
  const look: Middleware = (next) => (call) => {
    seen.push(call.context.getValue(key));
    return next(call);
  };
  const server = await run(Context.root.setValue(key, "app"), () => startServer({ middleware: [look] }));
  await assert.rejects(server.start(), { code: "CLEW_TRANSPORT_STARTED" });
  const { host } = server.endpoint();
  await assert.rejects(new Server({ address: host }).start(), { code: "CLEW_TRANSPORT_ADDRESS_IN_USE" });
  for (const endpoint of server.endpoints()) {
    const client = open(Echo, { endpoint });
    await client.unary({ text: "a" });
  }
  assert.deepEqual(seen, ["app", "app"]);
});

test("stop lets calls of every protocol end, refuses new ones, and closes what is idle or silent", async () => {
  const release: (() => void)[] = [];
  const slow = service(Echo, {
    ...echoImplementation,
    unary: (request) => new Promise((resolve) => release.push(() => resolve(request))),
  });
  const server = await startServer({ services: [slow], timeoutMs: 0 });
  const [http, grpc] = server.endpoints();
  const overHttp = open(Echo, { endpoint: http! });
  const overGrpc = open(Echo, { endpoint: grpc! });
  const idle = new RawConnection(http!.href).send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
  await idle.until(/NOT_FOUND/);
  const silent = new RawConnection(http!.href);
  const hesitant = new RawConnection(http!.href).send("PR");
  await until(() => silent.socket.readyState === "open" && hesitant.socket.bytesWritten > 0, "they connect");
  const replies = [
    overHttp.unary({ text: "1" }).then((reply) => reply.text),
    overGrpc.unary({ text: "2" }).then((reply) => reply.text),
    ask(connectHttp2(http!), unary, '{"text":"3"}').then(
      (answer) => (JSON.parse(answer.text) as { text: string }).text,
    ),
  ];
  await until(() => release.length === 3, "the calls arrive");
  const stopped = server.stop(AbortSignal.timeout(patientMs));
  await Promise.all([idle.closed(), silent.closed(), hesitant.closed()]);
  await assert.rejects(fetch(http!));
  for (const go of release) go();
  assert.deepEqual(await Promise.all(replies), ["1", "2", "3"]);
  await stopped;
});

test("stop cuts off what is open when its signal aborts; gRPC calls are told why", async () => {
  const calls: Call[] = [];
  const hang: Middleware = () => (call) => {
    calls.push(call);
    return new Promise(() => {});
  };
  const server = await startServer({ middleware: [hang], timeoutMs: 0 });
  const [http, grpc] = server.endpoints();
  const overHttp = open(Echo, { endpoint: http! });
  const overGrpc = open(Echo, { endpoint: grpc! });
  const failures = Promise.all([failureOf(overHttp.unary({})), failureOf(overGrpc.unary({}))]);
  await until(() => calls.length === 2, "the calls arrive");
  const cut = new AbortController();
  const stopped = server.stop(cut.signal);
  cut.abort();
  assert.deepEqual(
    (await failures).map((error) => [error.code, error.reason]),
    [
      [503, "UNAVAILABLE"],
      [503, "SERVER_STOPPED"],
    ],
  );
  await stopped;
  await until(() => calls.every((call) => call.cancelled !== undefined), "both calls are cancelled");
  assert.deepEqual(calls.map((call) => call.cancelled?.code).sort(), [499, 503]);
});

test("HTTP/2 connections are kept by gRPC's rules, and browsers may ping", async () => {
  const server = await startServer({ maxConnectionIdleMs: 40, maxConcurrentCalls: 7 });
  const session = connectHttp2(server.endpoint());
  const [settings] = (await once(session, "remoteSettings")) as [{ maxConcurrentStreams: number }];
  assert.equal(settings.maxConcurrentStreams, 7);
  await once(session, "close");
  const patient = await startServer({ minPingIntervalMs: 0 });
  const pinging = connectHttp2(patient.endpoint());
  await once(pinging, "connect");
  for (let count = 0; count < 5; count++) {
    await new Promise<void>((resolve, reject) => {
      pinging.ping((error) => (error === null ? resolve() : reject(error)));
    });
  }
  assert.equal((await ask(pinging, unary, "{}")).status, 200);
  assert.throws(() => new Server({ maxConcurrentCalls: 0 }), { code: "CLEW_TRANSPORT_OPTION" });
});

test("a stream is limited by an entry of its own, not by its service's or the server's, over every protocol", async () => {
  const deadlines = new Map<string, boolean>();
  const note: Middleware = (next) => (call) => {
    deadlines.set(call.operation, call.deadline !== undefined);
    return next(call);
  };
  const methods = { "/test.v1.Echo/*": { timeoutMs: 50 }, "/test.v1.Echo/BidiStream": { timeoutMs: 60 } };
  const server = await startServer({ methods, middleware: [note], timeoutMs: 40 });
  for (const endpoint of [server.endpoint(), grpcEndpoint(server)]) {
    const client = open(Echo, { endpoint });
    await collect(client.serverStream({ text: "a", count: 1 }));
    await client.clientStream(texts("a"));
    const error = await failureOf(collect(client.bidiStream(forever())));
    assert.deepEqual([error.code, error.reason], [504, "GATEWAY_TIMEOUT"], endpoint.href);
    assert.deepEqual(Object.fromEntries(deadlines), {
      "/test.v1.Echo/ServerStream": false,
      "/test.v1.Echo/ClientStream": false,
      "/test.v1.Echo/BidiStream": true,
    });
    deadlines.clear();
  }
});

/** Messages that never come. */
async function* forever(): AsyncGenerator<never> {
  await new Promise(() => {});
}
