// One port for all protocols, over TLS.

import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { connect as connectTcp } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { type Call, createServiceClient, type Middleware, ServiceError } from "@clew/rpc";
import { HttpServer } from "@clew/transport";
import { GrpcClient, GrpcServer } from "@clew/transport/grpc";
import { testCertificates } from "../../http2/test/certificates.ts";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, texts } from "./grpc-echo.ts";
import { ask, connectHttp2, unary } from "./http2-peer.ts";
import { grpcEndpoint, open, preface, services, settings, startServer, untilClosed } from "./one-port-server.ts";
import { patientMs } from "./patient-ms.ts";

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

test("over TLS without ALPN a gRPC server takes whoever comes for one of HTTP/2: it speaks nothing else", async () => {
  const server = new GrpcServer({ address: "127.0.0.1:0", services, tls: serverCertificate });
  await server.start();
  try {
    const url = new URL(server.endpoint().href);
    const other = await connectSecurely(url, {});
    other.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await untilClosed(other);
    const prior = await connectSecurely(url, {});
    prior.write(preface + settings);
    const [said] = (await once(prior, "data")) as [Buffer];
    assert.equal(said[3], 4, "SETTINGS");
    prior.destroy();
    const client = open(Echo, { endpoint: url, grpc: { tls: { ca } } });
    assert.equal((await client.unary({ text: "still there" })).text, "still there");
  } finally {
    await server.stop(AbortSignal.abort());
  }
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
