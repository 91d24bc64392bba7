// A client that asks for TLS where there is none, or for none where there is: each says which of the two, and what would work.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ServiceError, service } from "@clew/rpc";
import { type ClientOptions, createClient, Server } from "@clew/transport";
import { testCertificates } from "../../http2/test/certificates.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { patientMs } from "./patient-ms.ts";

const { ca, server: certificate } = testCertificates();

const echo = service(Echo, {
  unary: (request) => request,
  clientStream: async () => ({}),
  async *serverStream() {},
  async *bidiStream() {},
});

/** Every client, by what it goes by; `at` is where the other end listens. */
const clients: Readonly<Record<string, (scheme: "" | "s", at: string) => ClientOptions>> = {
  "HTTP/1.1": (s, at) => ({ endpoint: `http${s}://${at}`, http: { tls: { ca }, http2: false } }),
  "HTTP by ALPN": (s, at) => ({ endpoint: `http${s}://${at}`, http: { tls: { ca } } }),
  "HTTP/2": (s, at) => ({ endpoint: `http${s}://${at}`, http: { tls: { ca }, http2: true } }),
  WebSocket: (s, at) => ({ endpoint: `http${s}://${at}`, http: { tls: { ca } } }),
  gRPC: (s, at) => ({ endpoint: `grpc${s}://${at}`, grpc: { tls: { ca } } }),
  Connect: (s, at) => ({ endpoint: `http${s}://${at}`, protocol: "connect", connect: { tls: { ca } } }),
  "Connect over HTTP/2": (s, at) => ({
    endpoint: `http${s}://${at}`,
    protocol: "connect",
    connect: { tls: { ca }, http2: true },
  }),
  "gRPC-Web": (s, at) => ({ endpoint: `http${s}://${at}`, protocol: "grpc-web", grpcWeb: { tls: { ca } } }),
};

async function* nothing(): AsyncGenerator<object> {}

/** How a call fails. */
async function failureOf(t: TestContext, options: ClientOptions, isStream = false): Promise<ServiceError> {
  const client = createClient(Echo, { timeoutMs: patientMs, ...options });
  t.after(() => client[Symbol.asyncDispose]());
  const error: unknown = await (isStream ? client.clientStream(nothing()) : client.unary({ text: "x" })).then(
    (reply) => reply,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ServiceError, `${JSON.stringify(options.endpoint)}: ${String(error)}`);
  return error;
}

async function start(t: TestContext, options: ConstructorParameters<typeof Server>[0]): Promise<Server> {
  const server = new Server({ address: "127.0.0.1:0", services: [echo], ...options });
  await server.start();
  t.after(() => server.stop(AbortSignal.abort()));
  return server;
}

/** A server that answers the first bytes of every connection. */
async function listen(t: TestContext, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.once("data", () => answer(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

for (const [name, optionsOf] of Object.entries(clients)) {
  const scheme = name === "gRPC" ? "grpc" : "http";

  test(`${name}: TLS where the server speaks none`, async (t) => {
    const at = (await start(t, {})).endpoint().host;
    const error = await failureOf(t, optionsOf("s", at), name === "WebSocket");
    assert.equal(error.code, 503);
    const words = `${at}: the server does not speak TLS, but the endpoint has ${scheme}s://; use ${scheme}://`;
    assert.ok(error.message.endsWith(words), error.message);
    assert.match((error.cause as Error).message, /wrong version number/, "OpenSSL's text is in the cause");
  });

  test(`${name}: in clear where the server speaks TLS`, async (t) => {
    const at = (await start(t, { tls: certificate })).endpoint().host;
    const error = await failureOf(t, optionsOf("", at), name === "WebSocket");
    assert.equal(error.code, 503);
    const words = `${at}: the server closed the connection without an answer, and the endpoint has ${scheme}://: if it speaks TLS, use ${scheme}s://`;
    assert.ok(error.message.endsWith(words), error.message);
    assert.ok(error.cause instanceof Error);
  });

  test(`${name}: in clear where the server refuses with an alert of TLS`, async (t) => {
    const at = await listen(t, (socket) => socket.end(Buffer.from("15030100020246", "hex")));
    const error = await failureOf(t, optionsOf("", at), name === "WebSocket");
    assert.equal(error.code, 503);
    const words = `${at}: the server speaks TLS, but the endpoint has ${scheme}://; use ${scheme}s://`;
    assert.ok(error.message.endsWith(words), error.message);
  });
}

test("a server of TLS that tells so in HTTP/1.1 is understood by clients of HTTP/2", async (t) => {
  const at = await listen(t, (socket) => socket.end("HTTP/1.0 400 Bad Request\r\n\r\nThis is for HTTPS.\n"));
  for (const name of ["HTTP/2", "gRPC"]) {
    const { message } = await failureOf(t, clients[name]!("", at));
    assert.match(
      message,
      /: the server answers in HTTP\/1.1 and not in HTTP\/2, and the endpoint has \w+:\/\/: if it speaks TLS/,
    );
  }
  const http1 = await failureOf(t, clients["HTTP/1.1"]!("", at));
  assert.deepEqual([http1.code, http1.message], [400, "This is for HTTPS.\n"]);
});

const goReply = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const nginxPage = `<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>${" ".repeat(600)}</html>`;
const nginxReply = `HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: ${nginxPage.length}\r\n\r\n${nginxPage}`;

for (const name of ["Connect", "gRPC-Web"]) {
  test(`${name}: a server of TLS that tells so in HTTP/1.1 is understood, whatever the call`, async (t) => {
    for (const reply of [goReply, nginxReply]) {
      const at = await listen(t, (socket) => socket.end(reply));
      for (const isStream of [false, true]) {
        const { code, message, cause } = await failureOf(t, clients[name]!("", at), isStream);
        const words = `${at}: the server speaks TLS, but the endpoint has http://; use https://`;
        assert.ok(message.endsWith(words), message);
        assert.equal(code, 503);
        assert.match((cause as Error).message, /HTTPS/, "what it said is in the cause");
      }
    }
  });

  test(`${name}: any other refusal is told as it came`, async (t) => {
    const replies = [
      ["content-type: text/plain\r\n", "no such thing"],
      ["", "y".repeat(100_000)],
      ["", ""],
    ];
    for (const [headers, body] of replies) {
      const reply = `HTTP/1.1 400 Bad Request\r\n${headers}content-length: ${body!.length}\r\n\r\n${body}`;
      const at = await listen(t, (socket) => socket.end(reply));
      for (const isStream of [false, true]) {
        const { code, message } = await failureOf(t, clients[name]!("", at), isStream);
        assert.equal(code, 500);
        assert.match(message, /HTTP status 400, content type (text\/plain|missing)/);
      }
    }
  });
}

test("over a unix socket the words are those of its endpoint", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "clew-mismatch-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "s");
  await start(t, { address: `unix:${path}` });
  const error = await failureOf(t, { endpoint: `https+unix:${path}` });
  assert.match(error.message, /but the endpoint has https\+unix:; use http\+unix:$/);
});

test("a server that has answered and hangs up then is not taken for one of TLS", async (t) => {
  let count = 0;
  const reply = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
  const at = await listen(t, (socket) => void (count++ > 0 ? socket.destroy() : socket.end(reply)));
  const client = createClient(Echo, { endpoint: `http://${at}`, timeoutMs: patientMs });
  t.after(() => client[Symbol.asyncDispose]());
  await client.unary({});
  const lost = await client.unary({}).catch((error: ServiceError) => error.message);
  assert.match(String(lost), /cannot reach/);
  assert.doesNotMatch(String(lost), /TLS/);

  // Empty SETTINGS, and the end when they are acknowledged.
  const at2 = await listen(t, (socket) => {
    let got = "";
    socket.on("data", (bytes: Buffer) => {
      got += bytes.toString("hex");
      if (got.includes("000000040100000000")) socket.destroy();
    });
    socket.write(Buffer.from("000000040000000000", "hex"));
  });
  for (const name of ["HTTP/2", "gRPC"]) {
    const { code, message } = await failureOf(t, clients[name]!("", at2));
    assert.equal(code, 503);
    assert.doesNotMatch(message, /TLS/);
  }
});

test("a silent server that this end gives up is not taken for one of TLS", async (t) => {
  const at = await listen(t, (socket) => void socket.resume());
  const keepAlive = { keepaliveTimeMs: 20, keepaliveTimeoutMs: 20 };
  for (const options of [
    { endpoint: `http://${at}`, http: { http2: true, ...keepAlive } },
    { endpoint: `grpc://${at}`, grpc: keepAlive },
  ]) {
    const { message, cause } = await failureOf(t, options);
    assert.doesNotMatch(message, /TLS/);
    assert.match(String(cause), /nothing was received/);
  }
});
