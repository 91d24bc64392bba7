import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { describe, it } from "node:test";
import { createServer } from "node:tls";
import { type Call, service } from "@clew/rpc";
import { GrpcClient } from "@clew/transport/grpc";
import * as grpcJs from "@grpc/grpc-js";
import { createCertificates, testCertificates } from "../../http2/test/certificates.ts";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, connectTo, createEchoClient, echoImplementation, startServer, texts } from "./grpc-echo.ts";

const { ca, server: identity, client: ann } = testCertificates();

describe("gRPC over TLS", () => {
  it("carries every kind of call", async () => {
    const server = await startServer({ tls: identity });
    assert.equal(server.endpoint().protocol, "grpcs:");
    const client = createEchoClient(connectTo(server, { tls: { ca } }));
    assert.equal((await client.unary({ text: "secret" })).text, "secret");
    const payload = new Uint8Array(1_000_000).fill(7);
    assert.deepEqual((await client.unary({ payload })).payload, payload);
    assert.equal((await collect(client.serverStream({ count: 100, payload: new Uint8Array(10_000) }))).length, 100);
    assert.equal((await collect(client.bidiStream(texts("a", "b")))).length, 3);
    assert.equal((await client.clientStream(texts("a", "b"))).text, "a,b");
    await server.stop(AbortSignal.timeout(60_000));
  });

  it("goes by the name of the certificate", async () => {
    const server = await startServer({ tls: identity });
    const endpoint = `grpcs://localhost:${server.endpoint().port}`;
    const client = createEchoClient(new GrpcClient({ endpoint, tls: { ca } }));
    assert.equal((await client.unary({ text: "by name" })).text, "by name");
    const other = { ca, servername: "other.test" };
    const error = await failureOf(createEchoClient(new GrpcClient({ endpoint, tls: other })).unary({}));
    assert.equal(error.code, 503);
    assert.equal((error.cause as NodeJS.ErrnoException).code, "ERR_TLS_CERT_ALTNAME_INVALID");
  });

  it("is not spoken with a server that nobody vouches for", async () => {
    const server = await startServer({ tls: identity });
    const error = await failureOf(createEchoClient(connectTo(server)).unary({}));
    assert.equal(error.code, 503);
    assert.match(String((error.cause as NodeJS.ErrnoException).code), /^(UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)/);
  });

  it("is not spoken with a server that does not choose HTTP/2", async () => {
    const other = createServer({ ...identity, ALPNProtocols: ["http/1.1"] });
    const silent = createServer(identity);
    for (const server of [other, silent]) {
      server.on("tlsClientError", () => {});
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const endpoint = `grpcs://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const error = await failureOf(createEchoClient(new GrpcClient({ endpoint, tls: { ca } })).unary({}));
      assert.equal(error.code, 503);
      assert.match(String((error.cause as Error).message), /ALPN|alert no application protocol|alert number 120/);
      server.close();
    }
  });

  it("answers grpc-js", async () => {
    const server = await startServer({ tls: identity });
    const credentials = grpcJs.credentials.createSsl(Buffer.from(ca));
    // It asks for the server's name even where that is an address, which Node 26 refuses.
    const client = new grpcJs.Client(server.endpoint().host, credentials, {
      "grpc.ssl_target_name_override": "localhost",
    });
    const reply = await new Promise<Buffer | undefined>((resolve, reject) => {
      const same = (bytes: Buffer): Buffer => bytes;
      const request = Buffer.from("0a026869", "hex");
      client.makeUnaryRequest("/test.v1.Echo/Unary", same, same, request, (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
    });
    assert.equal(reply?.toString("hex"), "0a026869");
    client.close();
  });

  it("counts pings as without it", async () => {
    const server = await startServer({ tls: identity });
    const session = connectHttp2(`https://${server.endpoint().host}`, { ca });
    const closed = new Promise((resolve) => session.once("close", resolve));
    let goodbye = "";
    session.on("error", () => {});
    session.on("goaway", (code, _last, debug) => {
      goodbye = `${code} ${debug?.toString()}`;
    });
    await once(session, "connect");
    let pings = 0;
    // Each after the answer to the one before.
    const ping = (): void => {
      if (!session.destroyed && pings++ < 20) session.ping(ping);
    };
    ping();
    await closed;
    assert.equal(goodbye, "11 too_many_pings");
    assert.ok(pings < 10, `${pings} pings`);
  });

  it("and a handshake that never ends does not keep a server from stopping", async () => {
    const server = await startServer({ tls: identity });
    const socket = connect(Number(server.endpoint().port), "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    const closed = once(socket, "close");
    await server.stop(new AbortController().signal);
    await closed;
  });
});

describe("mutual TLS", () => {
  it("lets in who shows a certificate of the authority's, and tells the handler who it is", async () => {
    const calls: Call[] = [];
    const knowing = service(Echo, {
      ...echoImplementation,
      unary(_request, call) {
        calls.push(call);
        return {};
      },
    });
    const server = await startServer({ services: [knowing], tls: { ...identity, ca, requestCert: true } });
    const client = createEchoClient(connectTo(server, { tls: { ca, ...ann } }));
    await client.unary({});
    assert.match(String(calls[0]?.peer.certificate?.subject), /CN=ann/);
    // TLS 1.3 tells a client of its refusal only after it believes to be connected.
    const stranger = createEchoClient(connectTo(server, { tls: { ca } }));
    assert.equal((await failureOf(stranger.unary({}))).code, 503);
    const { client: other } = createCertificates();
    const impostor = createEchoClient(connectTo(server, { tls: { ca, ...other } }));
    assert.equal((await failureOf(impostor.unary({}))).code, 503);
    assert.equal(calls.length, 1);
  });
});
