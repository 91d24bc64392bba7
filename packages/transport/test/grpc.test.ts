import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createServiceClient, type ServiceClient } from "@clew/rpc";
import type { GrpcServer } from "@clew/transport/grpc";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, connectTo, startServer, texts } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

describe("a gRPC client and server of ours", () => {
  let server: GrpcServer;
  let client: ServiceClient<typeof Echo>;
  before(async () => {
    server = await startServer();
    client = createServiceClient(Echo, connectTo(server), { timeoutMs: patientMs });
  });
  after(async () => {
    await client[Symbol.asyncDispose]();
    await server.stop(AbortSignal.timeout(1000));
  });

  it("carries a unary call", async () => {
    const reply = await client.unary({ text: "hello", count: 3, payload: new Uint8Array([1, 2, 3]) });
    assert.equal(reply.text, "hello");
    assert.deepEqual([...reply.payload], [1, 2, 3]);
  });

  it("carries a stream of replies", async () => {
    const replies = await collect(client.serverStream({ text: "a", count: 3 }));
    assert.deepEqual(
      replies.map((reply) => reply.count),
      [0, 1, 2],
    );
  });

  it("carries an empty stream of replies", async () => {
    assert.deepEqual(await collect(client.serverStream({ count: 0 })), []);
  });

  it("carries a stream of requests", async () => {
    const reply = await client.clientStream(texts("a", "b", "c"));
    assert.equal(reply.text, "a,b,c");
  });

  it("carries an empty stream of requests", async () => {
    assert.equal((await client.clientStream(texts())).count, 0);
  });

  it("carries streams both ways at once", async () => {
    const asked: string[] = [];
    async function* ask(): AsyncIterable<{ text: string }> {
      for (const text of ["a", "b"]) {
        asked.push(text);
        yield { text };
      }
    }
    const replies = await collect(client.bidiStream(ask()));
    assert.deepEqual(
      replies.map((reply) => reply.text),
      ["a", "b", "end"],
    );
  });

  it("carries an error with reason, message and metadata", async () => {
    const error = await failureOf(client.unary({ text: "fail" }));
    assert.deepEqual(error.toJSON(), {
      code: 404,
      reason: "BOOK_NOT_FOUND",
      message: "no book “ü” at 100%",
      metadata: { shelf: "höher" },
    });
  });
});
