// A client of one protocol at a server of another: each says what the server seems to speak, and what would work.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { jsonCodec, ServiceError, service } from "@clew/rpc";
import { type ClientOptions, createClient, type ProtocolName, Server } from "@clew/transport";
import { GrpcServer } from "@clew/transport/grpc";
import { HttpServer } from "@clew/transport/http";
import { testCertificates } from "../../http2/test/certificates.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { patientMs } from "./patient-ms.ts";

const echo = service(Echo, {
  unary: (request) => request,
  clientStream: async () => ({}),
  async *serverStream() {},
  async *bidiStream() {},
});

async function start<S extends Server | HttpServer | GrpcServer>(t: TestContext, server: S): Promise<string> {
  await server.start();
  t.after(() => server.stop(AbortSignal.abort()));
  return server.endpoint().host;
}

/** How the calls of a client fail, unary first. */
async function failuresOf(t: TestContext, options: ClientOptions): Promise<ServiceError[]> {
  const client = createClient(Echo, { timeoutMs: patientMs, ...options });
  t.after(() => client[Symbol.asyncDispose]());
  const calls = [
    client.unary({ text: "x" }),
    client.clientStream((async function* () {})()),
    client.serverStream({})[Symbol.asyncIterator]().next(),
  ];
  const outcomes = await Promise.allSettled(calls);
  return outcomes.map((outcome) => {
    assert.equal(outcome.status, "rejected");
    assert.ok(outcome.reason instanceof ServiceError);
    return outcome.reason;
  });
}

test("clients of HTTP/1.1 at a gRPC server", async (t) => {
  const at = await start(t, new GrpcServer({ address: "127.0.0.1:0", services: [echo] }));
  const endpoint = `http://${at}`;
  const ways: ClientOptions[] = [{ endpoint }, { endpoint, protocol: "connect" }, { endpoint, protocol: "grpc-web" }];
  for (const options of ways) {
    for (const { code, message, cause } of await failuresOf(t, options)) {
      assert.equal(code, 503);
      const words = `${at}: the server answers in HTTP/2 and not in HTTP/1.1, and the endpoint has http://: if it speaks gRPC, use grpc://`;
      assert.ok(message.endsWith(words), message);
      assert.match(String(cause), /Expected HTTP\//, "the parser's text is in the cause");
    }
  }
});

test("clients of HTTP/2 at a gRPC server", async (t) => {
  const at = await start(t, new GrpcServer({ address: "127.0.0.1:0", services: [echo] }));
  const endpoint = `http://${at}`;
  const hint =
    /(HTTP status 415|application\/grpc would work).*; the server speaks gRPC: use an endpoint with grpc:\/\/, or with grpcs:\/\/ for TLS$/;
  const http = await failuresOf(t, { endpoint, http: { http2: true } });
  // A stream of requests is a WebSocket, and that is HTTP/1.1.
  for (const { message } of [http[0]!, http[2]!]) assert.match(message, hint);
  const ways: ClientOptions[] = [
    { endpoint, protocol: "connect", connect: { http2: true } },
    { endpoint, protocol: "grpc-web", grpcWeb: { http2: true } },
  ];
  for (const options of ways) {
    for (const { message } of await failuresOf(t, options)) assert.match(message, hint);
  }
});

test("a client of gRPC whose messages the server cannot read", async (t) => {
  const at = await start(t, new GrpcServer({ address: "127.0.0.1:0", services: [echo] }));
  const codec = { ...jsonCodec, name: "msgpack" };
  for (const { message } of await failuresOf(t, { endpoint: `grpc://${at}`, grpc: { codec } })) {
    assert.match(message, /HTTP status 415, .*; the server accepts application\/grpc\+proto, application\/grpc\+json$/);
  }
});

test("clients of Connect and gRPC-Web at a server of HTTP/JSON alone", async (t) => {
  const at = await start(t, new HttpServer({ address: "127.0.0.1:0", services: [echo] }));
  for (const options of [{}, { connect: { http2: true } }]) {
    for (const { message } of await failuresOf(t, { endpoint: `http://${at}`, protocol: "connect", ...options })) {
      assert.match(
        message,
        /^the reply is no.* Connect: HTTP status \d+, content type application\/json; if the server speaks only HTTP\/JSON, use an endpoint with http:\/\//,
      );
    }
  }
});

test("clients of gRPC and gRPC-Web at a server of HTTP/JSON alone", async (t) => {
  const at = await start(t, new HttpServer({ address: "127.0.0.1:0", services: [echo] }));
  for (const options of [
    { endpoint: `grpc://${at}` },
    { endpoint: `http://${at}`, protocol: "grpc-web" },
    { endpoint: `http://${at}`, protocol: "grpc-web", grpcWeb: { http2: true } },
  ] as const) {
    for (const { message } of await failuresOf(t, options)) {
      assert.match(
        message,
        /^the reply is not gRPC: HTTP status \d+, content type application\/json; if the server speaks only HTTP\/JSON, use an endpoint with http:\/\//,
      );
    }
  }
});

test("a client of HTTP/JSON at a server of Connect alone", async (t) => {
  const protocols: readonly ProtocolName[] = ["connect"];
  const at = await start(t, new Server({ address: "127.0.0.1:0", services: [echo], protocols }));
  const client = createClient(Echo, { endpoint: `http://${at}`, timeoutMs: patientMs });
  t.after(() => client[Symbol.asyncDispose]());
  await assert.rejects(client.serverStream({})[Symbol.asyncIterator]().next(), {
    code: 415,
    message:
      /^the content type is "application\/protojson"; .* would work; the server speaks Connect: use protocol: "connect"$/,
  });
});

test("clients of HTTP/2 at a server of HTTP/1.1 alone", async (t) => {
  const server = createHttpServer((_request, response) => void response.end("{}")).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const [options, words] of [
    [{ endpoint: `grpc://${at}` }, "if it speaks TLS, use grpcs://; otherwise use HTTP/JSON with http://"],
    [
      { endpoint: `http://${at}`, http: { http2: true } },
      "if it speaks TLS, use https://; otherwise leave out the option http2",
    ],
  ] as const) {
    const [unary, , serverStream] = await failuresOf(t, options);
    for (const { code, message } of [unary!, serverStream!]) {
      assert.equal(code, 503);
      assert.ok(message.endsWith(words), message);
    }
  }
});

test("over TLS, where ALPN finds nothing that both speak", async (t) => {
  const { ca, server: certificate } = testCertificates();
  const grpc = await start(t, new GrpcServer({ address: "127.0.0.1:0", services: [echo], tls: certificate }));
  const words = "the server accepts none of the offered versions of HTTP, and the endpoint has";
  for (const protocol of [undefined, "connect", "grpc-web"] as const) {
    const options = { tls: { ca }, http2: false };
    const client = createClient(Echo, {
      endpoint: `https://${grpc}`,
      timeoutMs: patientMs,
      ...(protocol === undefined ? { http: options } : { protocol, connect: options, grpcWeb: options }),
    });
    t.after(() => client[Symbol.asyncDispose]());
    await assert.rejects(client.unary({}), ({ message }: ServiceError) =>
      message.endsWith(`${words} https://: leave out the option http2 or, if the server speaks gRPC, use grpcs://`),
    );
  }
  const http = createServer({ ...certificate, ALPNProtocols: ["http/1.1"] }).listen(0, "127.0.0.1");
  t.after(() => http.close());
  await once(http, "listening");
  const endpoint = `grpcs://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const client = createClient(Echo, { endpoint, timeoutMs: patientMs, grpc: { tls: { ca } } });
  t.after(() => client[Symbol.asyncDispose]());
  await assert.rejects(client.unary({}), ({ message }: ServiceError) =>
    message.endsWith(`${words} grpcs://: if the server speaks only HTTP/1.1, use https://`),
  );
});
