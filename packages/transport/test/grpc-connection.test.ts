import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  createServer as createHttp2Server,
  type ServerHttp2Session,
} from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { type Call, type Middleware, service } from "@clew/rpc";
import { GrpcClient, GrpcServer } from "@clew/transport/grpc";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { freePort } from "./free-ports.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { connectTo, createEchoClient, echo, echoImplementation, startServer } from "./grpc-echo.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const clients: ClientHttp2Session[] = [];
const silent: { server: Server; sockets: Socket[] }[] = [];
after(() => {
  for (const client of clients) client.destroy();
  for (const { server, sockets } of silent) {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

/** A client of node's, with what it was told at the end. */
function openHttp2(server: GrpcServer): { session: ClientHttp2Session; goodbyes: string[]; closed: Promise<unknown> } {
  const session = connectHttp2(`http://${server.endpoint().host}`);
  session.setMaxListeners(0);
  session.on("error", () => {});
  clients.push(session);
  const goodbyes: string[] = [];
  session.on("goaway", (code, _last, debug) => goodbyes.push(`${code} ${debug?.toString() ?? ""}`.trim()));
  return { session, goodbyes, closed: new Promise((resolve) => session.once("close", resolve)) };
}

/** A call that waits until it is over. */
function openCall(session: ClientHttp2Session, hex: string): ClientHttp2Stream {
  const path = "/test.v1.Echo/Unary";
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.resume();
  stream.end(Buffer.from(hex, "hex"));
  return stream;
}

const empty = "0000000000";

/** Echo whose calls wait until they are released, in the order of their arrival. */
function holding(): { held: (() => void)[]; services: ReturnType<typeof service>[] } {
  const held: (() => void)[] = [];
  const unary = <T>(request: T): Promise<T> => new Promise((resolve) => held.push(() => resolve(request)));
  return { held, services: [service(Echo, { ...echoImplementation, unary })] };
}

/** A connection with a call that has arrived. One that lives for some milliseconds may be gone before: then there is another. */
async function openBusy(
  server: GrpcServer,
  hasArrived: () => boolean,
): Promise<ReturnType<typeof openHttp2> & { call: ClientHttp2Stream }> {
  for (;;) {
    const connection = openHttp2(server);
    const call = openCall(connection.session, empty);
    await Promise.race([connection.closed, until(hasArrived, "the call arrives")]);
    if (hasArrived()) return { ...connection, call };
  }
}

/** Resolves when the ping is answered, or when there is nobody left to answer it. */
async function ping(session: ClientHttp2Session): Promise<void> {
  if (session.connecting) await once(session, "connect");
  await new Promise<void>((resolve) => {
    session.once("close", resolve);
    if (session.destroyed || !session.ping(() => resolve())) resolve();
  });
}

/** Accepts connections, says SETTINGS and nothing more. */
async function startSilent(): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.resume();
    socket.write(emptySettings);
  });
  silent.push({ server, sockets });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, sockets };
}

describe("keepalive", () => {
  it("a server pings a client it hears nothing of, and keeps it when it answers", async () => {
    const server = await startServer({ keepaliveTimeMs: 20, keepaliveTimeoutMs: 5000 });
    const { session, goodbyes } = openHttp2(server);
    let pings = 0;
    session.on("ping", () => pings++);
    await until(() => pings >= 3, "three pings came");
    assert.deepEqual(goodbyes, []);
    assert.equal(session.closed, false);
  });

  it("a server gives up a client that does not answer, and cancels its calls", async () => {
    const server = await startServer({ keepaliveTimeMs: 20, keepaliveTimeoutMs: 20 });
    const socket = connect(Number(server.endpoint().port), "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write(Buffer.concat([preface, emptySettings]));
    await once(socket, "close");
  });

  it("a client gives up a server that does not answer while a call is open", async () => {
    const { port, sockets } = await startSilent();
    const client = createEchoClient(
      new GrpcClient({ endpoint: `127.0.0.1:${port}`, keepaliveTimeMs: 20, keepaliveTimeoutMs: 20 }),
    );
    const error = await failureOf(client.unary({}, { timeoutMs: 60_000 }));
    assert.equal(error.code, 503);
    assert.match(String((error.cause as Error).message), /nothing was received within 20 ms/);
    await until(() => sockets[0]?.destroyed === true, "the connection is closed");
  });

  it("a client does not ping without a call, unless it is told to", async () => {
    const peer = createHttp2Server();
    const pings: number[] = [];
    const sessions: ServerHttp2Session[] = [];
    peer.on("session", (session) => {
      sessions.push(session);
      const at = pings.push(0) - 1;
      session.on("ping", () => pings[at]!++);
    });
    peer.on("stream", (stream) => {
      stream.resume();
      stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.alloc(5));
    });
    peer.listen(0, "127.0.0.1");
    await once(peer, "listening");
    const endpoint = `127.0.0.1:${(peer.address() as AddressInfo).port}`;
    const quiet = createEchoClient(new GrpcClient({ endpoint, keepaliveTimeMs: 4 }));
    await quiet.unary({});
    // While its call was open it may have pinged; such a ping came before the answer to this one.
    await new Promise((resolve) => sessions[0]!.ping(resolve));
    const [during] = pings;
    const loud = createEchoClient(new GrpcClient({ endpoint, keepaliveTimeMs: 4, keepaliveWithoutCalls: true }));
    await loud.unary({});
    await until(() => pings[1]! >= 5, "the loud one has pinged five times");
    assert.equal(pings[0], during);
    peer.close();
  });
});

describe("pings of a client", () => {
  it("that are too many end the connection", async () => {
    const server = await startServer();
    const { session, goodbyes, closed } = openHttp2(server);
    // What a connection begins with is no ping, but may come between two of them.
    for (let i = 0; i < 8; i++) await ping(session);
    await closed;
    assert.deepEqual(goodbyes, ["11 too_many_pings"]);
  });

  it("may be many where that is allowed", async () => {
    const server = await startServer({ minPingIntervalMs: 0, allowPingsWithoutCalls: true });
    const { session, goodbyes } = openHttp2(server);
    for (let i = 0; i < 50; i++) await ping(session);
    assert.deepEqual(goodbyes, []);
  });

  it("may follow every reply", async () => {
    const server = await startServer();
    const { session, goodbyes } = openHttp2(server);
    for (let i = 0; i < 20; i++) {
      await once(openCall(session, empty), "close");
      await ping(session);
    }
    assert.deepEqual(goodbyes, []);
  });
});

describe("a connection", () => {
  it("without calls is closed after maxConnectionIdleMs, and not while one is open", async () => {
    const { held, services } = holding();
    const server = await startServer({ services, maxConnectionIdleMs: 40 });
    const { session, goodbyes, closed } = await openBusy(server, () => held.length === 1);
    for (let round = 0; round < 3; round++) await openHttp2(server).closed;
    assert.deepEqual([goodbyes, session.closed], [[], false]);
    held[0]!();
    await closed;
    assert.equal(goodbyes[0], "0");
  });

  it("is closed at maxConnectionAgeMs when its calls are over", async () => {
    const { held, services } = holding();
    const server = await startServer({ services, maxConnectionAgeMs: 30 });
    const { call, goodbyes, closed } = await openBusy(server, () => held.length === 1);
    const trailers = once(call, "trailers");
    await until(() => goodbyes.length > 0, "it was told to go");
    assert.equal(call.closed, false);
    held[0]!();
    assert.equal((await trailers)[0]["grpc-status"], "0");
    await closed;
  });

  it("does not last longer than maxConnectionAgeGraceMs after that", async () => {
    const { held, services } = holding();
    const server = await startServer({ services, maxConnectionAgeMs: 20, maxConnectionAgeGraceMs: 20 });
    const { closed } = await openBusy(server, () => held.length === 1);
    await closed;
  });

  it("of a client is replaced without a call being lost", async () => {
    const peers = new Set<string>();
    const note: Middleware = (next) => (call: Call) => {
      peers.add(call.peer.address);
      return next(call);
    };
    const server = await startServer({ maxConnectionAgeMs: 5, middleware: [note] });
    const client = createEchoClient(connectTo(server));
    while (peers.size < 20) assert.equal((await client.unary({ text: "x" })).text, "x");
  });

  it("takes no more calls at a time than maxConcurrentCalls; a client of ours waits its turn", async () => {
    const server = await startServer({ maxConcurrentCalls: 2 });
    const client = createEchoClient(connectTo(server));
    await client.unary({});
    const replies = await Promise.all(Array.from({ length: 20 }, (_, count) => client.unary({ count })));
    assert.deepEqual(
      replies.map(({ count }) => count),
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  it("with options that make no sense is refused", () => {
    for (const options of [
      { keepaliveTimeoutMs: 0 },
      { maxConnectionAgeMs: -1 },
      { headerLimitBytes: 0 },
      { maxConcurrentCalls: 0 },
    ]) {
      assert.throws(() => new GrpcServer(options), { code: "CLEW_TRANSPORT_OPTION" });
    }
    assert.throws(() => new GrpcClient({ endpoint: "a:1", keepaliveTimeoutMs: 0 }), { code: "CLEW_TRANSPORT_OPTION" });
    assert.throws(() => new GrpcClient({ endpoint: "a:1", keepaliveTimeMs: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
  });
});

describe("waitForReady", () => {
  it("waits until the server is there", async () => {
    const gone = await startServer({ address: `127.0.0.1:${await freePort()}` });
    const { host } = gone.endpoint();
    await gone.stop(AbortSignal.abort());
    const client = createEchoClient(new GrpcClient({ endpoint: host }));
    const patient = client.unary({ text: "patient" }, { waitForReady: true });
    const replies = client.serverStream({ text: "s", count: 1 }, { waitForReady: true })[Symbol.asyncIterator]();
    const first = replies.next();
    assert.equal((await failureOf(client.unary({}))).code, 503);
    const server = new GrpcServer({ address: host, services: [echo] });
    await server.start();
    assert.equal((await patient).text, "patient");
    assert.equal((await first).value?.text, "s");
    await replies.return?.();
    await server.stop(AbortSignal.timeout(2000));
  });

  it("waits no longer than the deadline, and ends with its signal", async () => {
    const gone = await startServer({ address: `127.0.0.1:${await freePort()}` });
    const endpoint = gone.endpoint();
    await gone.stop(AbortSignal.abort());
    const client = createEchoClient(new GrpcClient({ endpoint }));
    assert.equal((await failureOf(client.unary({}, { waitForReady: true, timeoutMs: 50 }))).code, 504);
    const signal = AbortSignal.timeout(20);
    assert.equal((await failureOf(client.unary({}, { waitForReady: true, timeoutMs: 60_000, signal }))).code, 499);
  });

  it("fails when the client is closed", async () => {
    const gone = await startServer({ address: `127.0.0.1:${await freePort()}` });
    const endpoint = gone.endpoint();
    await gone.stop(AbortSignal.abort());
    const client = createEchoClient(new GrpcClient({ endpoint }));
    await failureOf(client.unary({}));
    await client[Symbol.asyncDispose]();
    assert.equal((await failureOf(client.unary({}, { waitForReady: true }))).code, 503);
  });
});
