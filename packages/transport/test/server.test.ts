// One listener: what it makes of the first bytes, over TCP and TLS, and all protocols behind it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import type { DescService } from "@bufbuild/protobuf";
import { Context, createKey, run } from "@clew/context";
import { type Call, createServiceClient, type Middleware, type ServiceClient, ServiceError, service } from "@clew/rpc";
import { type ClientOptions, createClient, HttpServer, Server, type ServerOptions } from "@clew/transport";
import { GrpcClient } from "@clew/transport/grpc";
import { until } from "../../http2/test/until.ts";
import { testCertificates } from "./certificates.ts";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, echoImplementation, texts } from "./grpc-echo.ts";
import { RawConnection } from "./http-shelves.ts";
import { ask, connectHttp2 } from "./http2-peer.ts";
import { patientMs } from "./patient-ms.ts";

const unary = { ":path": "/test.v1.Echo/Unary", "content-type": "application/json" };
const services = [service(Echo, echoImplementation)];
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const settings = "\0\0\0\x04\0\0\0\0\0";

/** A client that is closed when the file's tests are over. */
function open<S extends DescService>(desc: S, options: ClientOptions): ServiceClient<S> {
  const client = createClient(desc, { timeoutMs: patientMs, ...options });
  after(() => client[Symbol.asyncDispose]());
  return client;
}

const started: Server[] = [];
after(() => Promise.all(started.map((server) => server.stop(AbortSignal.abort()))));

async function startServer(options: ServerOptions = {}): Promise<Server> {
  const server = new Server({ address: "127.0.0.1:0", services, timeoutMs: patientMs, ...options });
  await server.start();
  started.push(server);
  return server;
}

function grpcEndpoint(server: Server): URL {
  const endpoint = server.endpoints().find((url) => url.protocol.startsWith("grpc"));
  assert.ok(endpoint);
  return endpoint;
}

/** Ends the test if the socket does not close; what came until then. */
async function untilClosed(socket: Socket): Promise<string> {
  const limit = setTimeout(() => socket.destroy(new Error("it did not close")), 30_000);
  socket.on("error", () => {});
  const closed = once(socket, "close");
  const received = await text(socket).catch(() => "");
  await closed;
  clearTimeout(limit);
  return received;
}

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
  assert.deepEqual(calls.map((call) => call.cancelled?.code).sort(), [499, 503]);
});

const { ca, server: serverCertificate, client: clientCertificate } = testCertificates();

/** A TLS connection that said what ALPN it can, once it is secure. */
async function connectSecurely(url: URL, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: url.hostname, port: Number(url.port), ca, ...options });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

test("over TLS, ALPN tells the version of HTTP; without it, it is HTTP/1.1", async () => {
  const server = await startServer({ tls: serverCertificate });
  const [http, grpc] = server.endpoints();
  assert.deepEqual([http?.protocol, grpc?.protocol], ["https:", "grpcs:"]);
  const overGrpc = open(Echo, { endpoint: grpc!, grpc: { tls: { ca } } });
  assert.deepEqual(
    (await collect(overGrpc.bidiStream(texts("a", "b")))).map((reply) => reply.text),
    ["a", "b", "end"],
  );
  const overHttp = open(Echo, { endpoint: http!, http: { tls: { ca } } });
  assert.equal((await overHttp.unary({ text: "1.1" })).text, "1.1");
  const answer = await ask(connectHttp2(http!, { ca }), unary, '{"text":"2"}');
  assert.deepEqual([answer.status, (JSON.parse(answer.text) as { text: string }).text], [200, "2"]);
  const get = "GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  for (const [options, protocol] of [
    [{}, false],
    [{ ALPNProtocols: ["http/1.1"] }, "http/1.1"],
    [{ ALPNProtocols: ["http/1.1", "h2"] }, "h2"],
  ] as const) {
    const socket = await connectSecurely(http!, options as ConnectionOptions);
    assert.equal(socket.alpnProtocol, protocol);
    if (protocol === "h2") socket.destroy();
    else assert.match(await untilClosed(socket.end(get)), /^HTTP\/1.1 404 /);
  }
  // What it did not agree on it does not speak: HTTP/2 without ALPN is not HTTP.
  const prior = await connectSecurely(http!, {});
  prior.write(preface + settings);
  assert.match(await untilClosed(prior), /^HTTP\/1.1 400 /);
  // A protocol that is not spoken here ends the handshake.
  await assert.rejects(connectOrFail(http!, { ALPNProtocols: ["spdy/3"] }));
});

function connectOrFail(url: URL, options: ConnectionOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: url.hostname, port: Number(url.port), ca, ...options });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed")));
    socket.on("secureConnect", () => resolve());
  });
}

test("over TLS, garbage and silence end their connection, before and after the handshake", async () => {
  // The handshakes that go well must come within it as well, on a machine that is busy.
  const server = await startServer({ tls: serverCertificate, headerTimeoutMs: 5000 });
  const url = server.endpoint();
  const refused = ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\0\0\0", preface, "\x16\x03\x01"].map(async (bytes) => {
    const socket = connectTcp(Number(url.port), url.hostname);
    socket.write(bytes, "latin1");
    assert.doesNotMatch(await untilClosed(socket), /HTTP/, JSON.stringify(bytes));
  });
  const silent = connectSecurely(url, {}).then(untilClosed);
  await Promise.all(refused);
  assert.match(await silent, /^HTTP\/1.1 408 /);
  const garbage = await connectSecurely(url, { ALPNProtocols: ["h2"] });
  garbage.write("GET / HTTP/1.1\r\n\r\n");
  await untilClosed(garbage);
  const client = open(Echo, { endpoint: grpcEndpoint(server), grpc: { tls: { ca } } });
  assert.equal((await client.unary({ text: "still here" })).text, "still here");
});

test("stop ends a handshake that is not over, and silent connections over TLS", async () => {
  const server = await startServer({ tls: serverCertificate });
  const url = server.endpoint();
  const half = connectTcp(Number(url.port), url.hostname);
  half.write("\x16\x03\x01", "latin1");
  const silent = await connectSecurely(url, {});
  const http2 = connectHttp2(url, { ca });
  await once(http2, "remoteSettings");
  await until(() => half.bytesWritten > 0, "it is sent");
  const closed = [untilClosed(half), untilClosed(silent), once(http2, "close")];
  await server.stop(AbortSignal.timeout(patientMs));
  await Promise.all(closed);
});

test("mutual TLS: who calls is on the peer, and who has no certificate is kept out", async () => {
  const calls: Call[] = [];
  const note: Middleware = (next) => (call) => {
    calls.push(call);
    return next(call);
  };
  const tls = { ...serverCertificate, ca, requestCert: true };
  const server = await startServer({ tls, middleware: [note] });
  const url = server.endpoint();
  const overHttp = open(Echo, { endpoint: url, http: { tls: { ca, ...clientCertificate } } });
  await overHttp.unary({});
  await ask(connectHttp2(url, { ca, ...clientCertificate }), unary, "{}");
  assert.equal(calls.length, 2);
  for (const call of calls) {
    assert.equal(call.http?.scheme, "https");
    assert.match(call.peer.certificate?.subject ?? "", /CN=ann/);
    assert.equal(call.peer.certificate?.subjectAltName, "URI:spiffe://test/ann");
    assert.equal(call.peer.certificate, call.peer.certificate);
  }
  const overGrpc = open(Echo, {
    endpoint: grpcEndpoint(server),
    grpc: { tls: { ca, ...clientCertificate } },
  });
  assert.equal((await overGrpc.unary({ text: "a" })).text, "a");
  assert.match(calls[2]?.peer.certificate?.subject ?? "", /CN=ann/);
  const stranger = open(Echo, { endpoint: url, http: { tls: { ca } } });
  assert.equal((await failureOf(stranger.unary({}))).code, 503);
  assert.equal(calls.length, 3);
  // A certificate that nobody checked says nothing about its owner.
  const lenient = await startServer({
    tls: { ...serverCertificate, requestCert: true, rejectUnauthorized: false },
    middleware: [note],
  });
  const unchecked = open(Echo, {
    endpoint: lenient.endpoint(),
    http: { tls: { ca, ...clientCertificate } },
  });
  await unchecked.unary({});
  assert.equal(calls.at(-1)?.peer.certificate, undefined);
});

test("a peer that begins HTTP/2 and then is silent is told so", async () => {
  const check = async (tls: typeof serverCertificate | undefined): Promise<void> => {
    // Its handshake must come within it as well, on a machine that is busy.
    const server = new HttpServer({ address: "127.0.0.1:0", headerTimeoutMs: 5000, ...(tls && { tls }) });
    await server.start();
    try {
      const url = server.endpoint();
      const port = Number(url.port);
      const socket = tls ? await connectSecurely(url, { ALPNProtocols: ["h2"] }) : connectTcp(port, url.hostname);
      socket.write(preface);
      // GOAWAY with SETTINGS_TIMEOUT.
      const received = await untilClosed(socket);
      assert.ok(received.includes(`\x07${"\0".repeat(12)}\x04`), JSON.stringify(received));
    } finally {
      await server.stop(AbortSignal.abort());
    }
  };
  await Promise.all([check(undefined), check(serverCertificate)]);
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

test("HttpServer speaks TLS as well", async () => {
  const server = new HttpServer({ address: "127.0.0.1:0", services, tls: serverCertificate });
  await server.start();
  try {
    const url = server.endpoint();
    assert.equal(url.protocol, "https:");
    const [response] = (await once(
      httpsRequest(new URL("/test.v1.Echo/Unary", url), { method: "POST", ca, agent: false }).end(),
      "response",
    )) as [import("node:http").IncomingMessage];
    assert.equal(response.statusCode, 200);
    assert.match(await text(response), /"text":""/);
    assert.equal((await ask(connectHttp2(url, { ca }), unary, "{}")).status, 200);
    const grpc = createServiceClient(Echo, new GrpcClient({ endpoint: `grpcs://${url.host}`, tls: { ca } }));
    const error = await failureOf(grpc.unary({}));
    assert.ok(error instanceof ServiceError);
    await grpc[Symbol.asyncDispose]();
  } finally {
    await server.stop(AbortSignal.abort());
  }
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
    assert.equal(error.code, 504, endpoint.href);
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
