import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { failureOf } from "./failure-of.ts";
import { collect, connectTo, createEchoClient, startServer } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

describe("limits of the client", () => {
  it("refuses a reply over the limit, also one that inflates to it", async () => {
    const payload = new Uint8Array(5000);
    const server = await startServer({ compression: "gzip" });
    const client = createEchoClient(connectTo(server, { maxMessageBytes: 1000 }));
    const error = await failureOf(client.unary({ payload }));
    assert.equal(error.code, 429);
    assert.equal((await failureOf(collect(client.serverStream({ count: 2, payload })))).code, 429);
    assert.equal((await client.unary({ text: "small" })).text, "small");
    await server.stop(AbortSignal.timeout(patientMs));
  });

  it("the server takes messages up to 4 MiB", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    const size = 4 * 1024 * 1024;
    // The field's tag and its length, of four bytes, count.
    const reply = await client.unary({ payload: new Uint8Array(size - 5) });
    assert.equal(reply.payload.length, size - 5);
    assert.equal((await failureOf(client.unary({ payload: new Uint8Array(size - 4) }))).code, 429);
    await server.stop(AbortSignal.timeout(patientMs));
  });

  it("metadata that cannot be sent fails the call before it is sent", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    assert.equal((await failureOf(client.unary({}, { metadata: { "x-a": "ü" } }))).reason, "METADATA");
    await server.stop(AbortSignal.timeout(patientMs));
  });
});
