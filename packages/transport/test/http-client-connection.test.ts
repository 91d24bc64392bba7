// How an HttpClient reaches its server: HTTP/1.1 and 2, TLS, unix sockets, and servers that misbehave.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { createServer as createHttps1Server } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ServerSession, type ServerStream, type StreamListener } from "@clew/http2";
import type { Call } from "@clew/rpc";
import { createClient, Server } from "@clew/transport";
import { testCertificates } from "../../http2/test/certificates.ts";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { freePort } from "./free-ports.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echo, withServer } from "./http-shelves.ts";
import { openClient } from "./open-client.ts";

const { ca, server: certificate, client: ann } = testCertificates();

/** A server of another make: listens, and is cut off when the test is over. */
async function listen(t: TestContext, server: NetServer): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** An HTTP/2 server of node's, whose streams are answered by `answer`. */
async function listenHttp2(
  t: TestContext,
  answer: (stream: ServerHttp2Stream, count: number) => void,
): Promise<Http2Server> {
  const server = createHttp2Server();
  let count = 0;
  server.on("sessionError", () => {});
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    answer(stream, ++count);
  });
  await listen(t, server as unknown as NetServer);
  return server;
}

const urlOf = (server: Http2Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** Echo that answers the version of HTTP it was asked over, by what only one of them sends. */
function versions(seen: Call[] = []): ReturnType<typeof echo> {
  return echo((request, call) => {
    seen.push(call);
    return request;
  });
}

test("over http it speaks HTTP/1.1, and HTTP/2 when it is told to; calls share one connection then", async (t) => {
  const seen: Call[] = [];
  await withServer({ services: [versions(seen)] }, async (endpoint) => {
    for (const [http2, connections] of [
      [undefined, 5],
      [true, 1],
    ] as const) {
      seen.length = 0;
      const client = openClient(t, Echo, { endpoint, http: http2 === undefined ? {} : { http2 } });
      await Promise.all(Array.from({ length: 5 }, (_, count) => client.unary({ count })));
      assert.equal(new Set(seen.map(({ peer }) => peer.address)).size, connections);
    }
  });
});

test("over https ALPN decides; a server without HTTP/2 is asked over the connection that told so", async (t) => {
  const seen: Call[] = [];
  await withServer({ services: [versions(seen)], tls: certificate }, async (endpoint) => {
    for (const [http2, connections] of [
      [undefined, 1],
      [true, 1],
      [false, 5],
    ] as const) {
      seen.length = 0;
      const client = openClient(t, Echo, { endpoint, http: { tls: { ca }, ...(http2 !== undefined && { http2 }) } });
      await Promise.all(Array.from({ length: 5 }, (_, count) => client.unary({ count })));
      assert.equal(new Set(seen.map(({ peer }) => peer.address)).size, connections, String(http2));
    }
  });
  const opened = new Set<Socket>();
  const asked = new Set<Socket>();
  let requests = 0;
  const server = createHttps1Server({ ...certificate, ALPNProtocols: ["http/1.1"] }, (request, response) => {
    assert.equal(request.httpVersion, "1.1");
    asked.add(request.socket);
    requests++;
    request.resume().on("end", () => response.end('{"text":"1"}'));
  });
  server.on("secureConnection", (socket: Socket) => opened.add(socket));
  const port = await listen(t, server as unknown as NetServer);
  const client = openClient(t, Echo, { endpoint: `https://localhost:${port}`, http: { tls: { ca } } });
  for (let count = 0; count < 3; count++) assert.equal((await client.unary({})).text, "1");
  assert.deepEqual([requests, asked], [3, opened]);
  // Several at once wait for the one answer, and then each has a connection.
  const busy = openClient(t, Echo, { endpoint: `https://localhost:${port}`, http: { tls: { ca } } });
  await Promise.all(Array.from({ length: 4 }, () => busy.unary({})));
  assert.deepEqual([requests, asked], [7, opened]);

  const strict = openClient(t, Echo, { endpoint: `https://localhost:${port}`, http: { tls: { ca }, http2: true } });
  const error = await failureOf(strict.unary({}));
  assert.deepEqual([error.code, error.reason], [503, "UNAVAILABLE"]);
  assert.match(
    error.message,
    /accepts none of the offered versions of HTTP.*: leave out the option http2 or|ECONNRESET|closed the connection/i,
  );
});

test("what TLS trusts and shows is one client's own", async (t) => {
  const seen: (string | undefined)[] = [];
  const services = [
    echo((request, call) => {
      seen.push(call.peer.certificate?.subject);
      return request;
    }),
  ];
  const tls = { ...certificate, ca, requestCert: true, rejectUnauthorized: false };
  await withServer({ services, tls }, async (endpoint) => {
    for (const http2 of [true, false]) {
      seen.length = 0;
      const known = openClient(t, Echo, { endpoint, http: { http2, tls: { ca, ...ann } } });
      const nobody = openClient(t, Echo, { endpoint, http: { http2, tls: { ca } } });
      const trusting = openClient(t, Echo, { endpoint, http: { http2 } });
      const misled = openClient(t, Echo, { endpoint, http: { http2, tls: { ca, servername: "elsewhere.example" } } });
      await known.unary({});
      await nobody.unary({});
      for (const client of [trusting, misled]) assert.equal((await failureOf(client.unary({}))).code, 503);
      await known.unary({});
      assert.match(seen[0] ?? "", /CN=ann/);
      assert.deepEqual([seen[1], seen[2]], [undefined, seen[0]]);
    }
  });
});

test("calls a unix socket over HTTP/1.1, HTTP/2 and gRPC, with a base path of nothing", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "clew-unix-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "s 1.sock");
  const hosts: unknown[] = [];
  const services = [
    echo((request, call) => {
      hosts.push(call.metadata.get("host"));
      return request;
    }),
  ];
  const server = new Server({ address: `unix:${path}`, services });
  await server.start();
  t.after(() => server.stop(AbortSignal.abort()));
  const peers: string[] = [];
  for (const [endpoint, http] of [
    [`http+unix:${path}`, {}],
    [`http+unix://${encodeURI(path)}`, { http2: true }],
    [server.endpoint(), { authority: "greeter" }],
    [`grpc+unix:${path}`, {}],
    [`unix:${path}`, {}],
    [server.endpoints().at(-1)!, {}],
  ] as const) {
    const client = openClient(t, Echo, {
      endpoint,
      http,
      middleware: [(next) => (call) => next(call).finally(() => peers.push(call.peer.address))],
    });
    assert.equal((await client.unary({ text: "x" })).text, "x", String(endpoint));
  }
  assert.deepEqual(hosts.slice(0, 3), ["localhost", "localhost", "greeter"]);
  assert.deepEqual(new Set(peers), new Set([path]));
  const gone = openClient(t, Echo, { endpoint: `http+unix:${join(folder, "none")}` });
  const error = await failureOf(gone.unary({}));
  assert.equal((error.cause as { code: string }).code, "ENOENT");
});

test("a server that answers garbage, nothing, or hangs up is 503 or the deadline's 504, over both versions", async (t) => {
  const answers: Record<string, (socket: Socket) => void> = {
    garbage: (socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "hang up": (socket) => socket.destroy(),
    reset: (socket) => socket.resetAndDestroy(),
  };
  for (const [what, answer] of Object.entries(answers)) {
    const port = await listen(
      t,
      createTcpServer((socket) => {
        socket.once("data", () => answer(socket));
      }),
    );
    for (const http2 of [false, true]) {
      const client = openClient(t, Echo, { endpoint: `http://127.0.0.1:${port}`, http: { http2 } });
      const error = await failureOf(client.unary({}));
      assert.deepEqual([error.code, error.reason], [503, "UNAVAILABLE"], `${what} ${http2}`);
      assert.ok(error.cause instanceof Error);
    }
  }
  const silent = await listen(
    t,
    createTcpServer((socket) => socket.resume()),
  );
  for (const http2 of [false, true]) {
    const client = openClient(t, Echo, { endpoint: `http://127.0.0.1:${silent}`, http: { http2 } });
    assert.equal((await failureOf(client.unary({}, { timeoutMs: 100 }))).code, 504);
  }
});

test("over HTTP/2 a reply that breaks off is 503, and a stream that is reset tells why", async (t) => {
  let count = 0;
  const port = await listen(
    t,
    createTcpServer((socket) => {
      const accept = (stream: ServerStream): StreamListener => {
        stream.sendHeaders([":status", "200", "content-type", "application/json"], false);
        stream.sendData(Buffer.from('{"text":'));
        // When it has arrived.
        session.ping(() => (++count === 2 ? socket.destroy() : stream.reset(count === 1 ? 2 : 11)));
        return { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
      };
      const session = new ServerSession(socket, { accept });
    }),
  );
  const client = openClient(t, Echo, { endpoint: `http://127.0.0.1:${port}`, http: { http2: true } });
  for (const why of [/INTERNAL_ERROR/, /connection/, /ENHANCE_YOUR_CALM/]) {
    const error = await failureOf(client.unary({}));
    assert.deepEqual([error.code, error.reason], [503, "UNAVAILABLE"]);
    assert.match(error.message, why);
  }
});

test("over HTTP/2 what the server refused unseen is sent once more, and not for ever", async (t) => {
  const bodies: string[] = [];
  const server = await listenHttp2(t, (stream, count) => {
    if (count !== 2) {
      stream.close(7);
      return;
    }
    stream.setEncoding("utf8").on("data", (text: string) => bodies.push(text));
    stream.respond({ ":status": 200, "content-type": "application/json" });
    stream.end('{"text":"again"}');
  });
  const client = openClient(t, Echo, { endpoint: urlOf(server), http: { http2: true } });
  assert.equal((await client.unary({ text: "a" })).text, "again");
  await until(() => bodies.length === 1, "the body came");
  const refused = await failureOf(client.unary({}));
  assert.match(refused.message, /REFUSED_STREAM/);
  assert.equal((refused.cause as { code: string }).code, "CLEW_HTTP2_REFUSED");
});

test("over HTTP/2 a connection that says goodbye is left for a new one, and its call ends first", async (t) => {
  const sessions = new Set<unknown>();
  const server = await listenHttp2(t, (stream, count) => {
    sessions.add(stream.session);
    if (count === 1) stream.session!.goaway(0, stream.id!);
    setImmediate(() => {
      stream.respond({ ":status": 200, "content-type": "application/json" });
      stream.end(`{"count":${count}}`);
    });
  });
  const client = openClient(t, Echo, { endpoint: urlOf(server), http: { http2: true } });
  assert.equal((await client.unary({})).count, 1);
  assert.equal((await client.unary({})).count, 2);
  assert.equal(sessions.size, 2);
});

test("over HTTP/2 the limits of a reply hold, and a call that is given up resets its stream", async (t) => {
  const resets: number[] = [];
  let asked = 0;
  const server = await listenHttp2(t, (stream, count) => {
    asked = count;
    stream.on("close", () => resets.push(stream.rstCode));
    if (count === 3) return;
    const headers = count === 1 ? { "x-large": "x".repeat(20_000) } : {};
    stream.respond({ ":status": 200, "content-type": "application/json", ...headers });
    stream.end(`{"text":"${"x".repeat(5000)}"}`);
  });
  const http = { http2: true, bodyLimitBytes: 1000 };
  const client = openClient(t, Echo, { endpoint: urlOf(server), http });
  assert.equal((await failureOf(client.unary({}))).code, 503);
  const large = await failureOf(client.unary({}));
  assert.deepEqual([large.code, large.reason], [502, "BODY_TOO_LARGE"]);
  const leave = new AbortController();
  const left = failureOf(client.unary({}, { signal: leave.signal }));
  await until(() => resets.length === 2 && asked === 3, "two are over, and the third is there");
  leave.abort();
  assert.equal((await left).code, 499);
  await until(() => resets.length === 3, "the third is over");
  assert.equal(resets[2], 8, "it was reset with CANCEL");
});

test("over HTTP/2 metadata that no header can hold is 400, and headers of one hop stay here", async (t) => {
  await withServer(
    { services: [echo((_request, call) => ({ text: call.metadata.keys().sort().join() }))] },
    async (endpoint) => {
      const client = openClient(t, Echo, { endpoint, http: { http2: true } });
      const error = await failureOf(client.unary({}, { metadata: { "x-a": "1\r\nx-b: 2" } }));
      assert.deepEqual([error.code, error.reason], [400, "CODEC"]);
      const metadata = { connection: "close", te: "trailers", "x-a": [" 1 ", "2"], "user-agent": "evil" };
      const { text } = await client.unary({}, { metadata });
      assert.equal(text, "accept,accept-encoding,content-length,content-type,host,user-agent,x-a");
    },
  );
});

test("waitForReady waits over HTTP/2 until the server is there", async (t) => {
  const port = await freePort();
  const client = openClient(t, Echo, { endpoint: `http://127.0.0.1:${port}`, http: { http2: true } });
  assert.equal((await failureOf(client.unary({}))).code, 503);
  const patient = client.unary({ text: "p" }, { waitForReady: true });
  await withServer({ services: [echo()], address: `127.0.0.1:${port}` }, async () => {
    assert.equal((await patient).text, "p");
  });
});

test("keepalive finds a dead connection of HTTP/2 while a call is open", async (t) => {
  const port = await listen(
    t,
    createTcpServer((socket) => void socket.resume().write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))),
  );
  const http = { http2: true, keepaliveTimeMs: 20, keepaliveTimeoutMs: 20 };
  const client = openClient(t, Echo, { endpoint: `http://127.0.0.1:${port}`, http });
  const error = await failureOf(client.unary({}, { timeoutMs: 60_000 }));
  assert.match(error.message, /nothing was received within 20 ms/);
});

test("a client that is closed ends its calls first, over HTTP/2 as well", async () => {
  let release: (() => void) | undefined;
  const services = [echo((request) => new Promise((resolve) => (release = () => resolve(request))))];
  await withServer({ services }, async (endpoint) => {
    const client = createClient(Echo, { endpoint, http: { http2: true } });
    const reply = client.unary({ text: "a" });
    await until(() => release !== undefined, "the call arrives");
    const closed = client[Symbol.asyncDispose]();
    assert.equal((await failureOf(client.unary({}))).reason, "UNAVAILABLE");
    release!();
    assert.equal((await reply).text, "a");
    await closed;
  });
});

test("a plain HTTP/1.1 server is none for HTTP/2 with prior knowledge, and says so", async (t) => {
  const port = await listen(t, createHttp1Server((_request, response) => response.end("{}")) as unknown as NetServer);
  const client = openClient(t, Echo, { endpoint: `http://127.0.0.1:${port}`, http: { http2: true } });
  const error = await failureOf(client.unary({}));
  assert.deepEqual([error.code, error.reason], [503, "UNAVAILABLE"]);
});
