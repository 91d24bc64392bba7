import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect as connectNode,
  createServer as createNodeServer,
  createSecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
} from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { alpnProtocol, ClientSession, ServerSession } from "@clew/http2";
import { testCertificates } from "./certificates.ts";
import { echo, Recorder } from "./echo.ts";
import { requestFields } from "./raw-peer.ts";

async function port(server: Server | Http2Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

interface NodeReply {
  readonly status: number | undefined;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

async function post(session: ClientHttp2Session, body: Buffer): Promise<NodeReply> {
  const request = session.request({ ":method": "POST", ":path": "/a.B/C", te: "trailers" });
  request.end(body);
  let trailers: IncomingHttpHeaders = {};
  request.on("trailers", (fields) => {
    trailers = fields;
  });
  const [headers] = (await once(request, "response")) as [IncomingHttpHeaders & { ":status"?: number }];
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return { status: headers[":status"], body: Buffer.concat(parts), trailers };
}

for (const isTls of [false, true]) {
  const kind = isTls ? "TLS" : "clear";

  test(`node's client calls our server: ${kind}`, async () => {
    const serve = (socket: Socket): unknown => new ServerSession(socket, { accept: echo });
    const server = isTls
      ? createTlsServer({ ...testCertificates().server, ALPNProtocols: [alpnProtocol] }, serve)
      : createServer(serve);
    const at = await port(server);
    const session = connectNode(`${isTls ? "https" : "http"}://localhost:${at}`, { ca: testCertificates().ca });
    const bodies = [0, 1, 100, 16_384, 16_385, 200_000, 3_000_000].map((length) => Buffer.alloc(length, `${length}`));
    const replies = await Promise.all(bodies.map((body) => post(session, body)));
    replies.forEach((reply, i) => {
      assert.equal(reply.status, 200);
      assert.ok(reply.body.equals(bodies[i]!), `body ${i}`);
      assert.equal(reply.trailers["grpc-status"], "0");
    });
    for (let i = 0; i < 50; i++) assert.equal((await post(session, Buffer.from("x"))).status, 200);
    await new Promise<void>((resolve) => session.close(resolve));
    server.close();
  });

  test(`our client calls node's server: ${kind}`, async () => {
    const server = isTls ? createSecureServer(testCertificates().server) : createNodeServer();
    server.on("stream", (stream, _headers) => {
      const parts: Buffer[] = [];
      stream.additionalHeaders({ ":status": 103, link: "</a>" });
      stream.on("data", (bytes: Buffer) => parts.push(bytes));
      stream.on("end", () => {
        stream.respond({ ":status": 200, "content-type": "text/plain" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(Buffer.concat(parts));
      });
    });
    const at = await port(server);
    const tls = {
      host: "127.0.0.1",
      port: at,
      servername: "localhost",
      ca: testCertificates().ca,
      ALPNProtocols: [alpnProtocol],
    };
    const socket = isTls ? connectTls(tls) : connect(at, "127.0.0.1");
    await once(socket, isTls ? "secureConnect" : "connect");
    const client = new ClientSession(socket);
    const bodies = [0, 1, 100, 16_384, 16_385, 200_000, 3_000_000].map((length) => Buffer.alloc(length, `${length}`));
    const fields = requestFields.map((text) => (text === "http" && isTls ? "https" : text));
    const replies = bodies.map((body) => {
      const reply = new Recorder();
      client.openStream(fields, body, reply);
      return reply;
    });
    for (const [i, reply] of replies.entries()) {
      assert.equal(await reply.expect("end"), "end grpc-status 0");
      assert.ok(Buffer.concat(reply.bytes).equals(bodies[i]!), `body ${i}`);
      assert.equal(reply.events[0], "information :status 103 link </a>");
    }
    for (let i = 0; i < 50; i++) {
      const reply = new Recorder();
      client.openStream(fields, Buffer.from("x"), reply);
      await reply.expect("end");
    }
    assert.equal(client.peer, `127.0.0.1:${at}`);
    const over = once(socket, "close");
    client.close();
    await over;
    server.close();
  });
}
