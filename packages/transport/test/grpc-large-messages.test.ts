// Large fields of bytes are views into what arrived: nothing that comes later may be written there.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Client, service } from "@clew/rpc";
import { Server } from "@clew/transport";
import { ConnectClient } from "@clew/transport/connect";
import { GrpcClient } from "@clew/transport/grpc";
import { GrpcWebClient } from "@clew/transport/grpc-web";
import { testCertificates } from "../../http2/test/certificates.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { createEchoClient, echoImplementation } from "./grpc-echo.ts";

const { ca, server: certificate } = testCertificates();

// Around what a frame of HTTP/2, a read of a socket and a window hold.
const sizes = [100, 4096, 16_000, 16_384, 40_000, 65_000, 65_536, 100_000, 200_000];

function pattern(count: number): Buffer {
  const bytes = Buffer.alloc(sizes[count % sizes.length]!);
  for (let i = 0; i < bytes.length; i++) bytes[i] = count * 31 + i * 7;
  return bytes;
}

const grpcOf = (server: Server): URL => server.endpoints().find(({ protocol }) => protocol.startsWith("grpc"))!;

const transports: readonly (readonly [string, boolean, (server: Server) => Client])[] = [
  ["gRPC", false, (server) => new GrpcClient({ endpoint: grpcOf(server) })],
  ["gRPC over TLS", true, (server) => new GrpcClient({ endpoint: grpcOf(server), tls: { ca } })],
  ["gRPC, compressed", false, (server) => new GrpcClient({ endpoint: grpcOf(server), compression: "gzip" })],
  ["Connect", false, (server) => new ConnectClient({ endpoint: server.endpoint() })],
  ["gRPC-Web over HTTP/2", false, (server) => new GrpcWebClient({ endpoint: server.endpoint(), http2: true })],
];

for (const [name, isSecure, connect] of transports) {
  test(`${name}: messages that are kept stay what they were, at both ends`, async () => {
    const requests = new Map<number, Uint8Array>();
    const keeping = service(Echo, {
      ...echoImplementation,
      async unary(request) {
        requests.set(request.count, request.payload);
        return request;
      },
      async *bidiStream(messages) {
        for await (const message of messages) {
          requests.set(message.count, message.payload);
          yield message;
        }
      },
    });
    const tls = isSecure ? { tls: certificate } : {};
    const server = new Server({
      address: "127.0.0.1:0",
      services: [keeping],
      compression: "gzip",
      timeoutMs: 0,
      ...tls,
    });
    await server.start();
    after(() => server.stop(AbortSignal.abort()));
    const client = createEchoClient(connect(server));
    const replies = new Map<number, Uint8Array>();

    const calls: Promise<void>[] = [];
    for (let count = 0; count < 60; count++) {
      const call = client.unary({ count, payload: pattern(count) });
      calls.push(call.then((reply) => void replies.set(count, reply.payload)));
    }
    async function* messages(): AsyncIterable<{ count: number; payload: Buffer }> {
      for (let count = 60; count < 120; count++) yield { count, payload: pattern(count) };
    }
    for await (const { count, payload } of client.bidiStream(messages())) replies.set(count, payload);
    await Promise.all(calls);

    for (const kept of [requests, replies]) {
      assert.equal(kept.size, 120);
      for (const [count, payload] of kept) assert.ok(pattern(count).equals(payload), `message ${count}`);
    }
  });
}
