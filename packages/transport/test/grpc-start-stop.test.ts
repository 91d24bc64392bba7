import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { GrpcClient, GrpcServer } from "@clew/transport/grpc";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { connectTo, createEchoClient, echo, startServer } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";
import { createPushQueue } from "./push-queue.ts";
import { startRelay } from "./relay.ts";

describe("starting", () => {
  it("on a port in use says so", async () => {
    const server = await startServer();
    const other = new GrpcServer({ address: server.endpoint().host });
    await assert.rejects(other.start(), {
      code: "CLEW_TRANSPORT_ADDRESS_IN_USE",
      message: /^address \S+ is in use by another process, or by another server of this process; /,
    });
    await server.stop(AbortSignal.timeout(patientMs));
  });

  it("tells the real port, after it started and not before", async () => {
    const server = new GrpcServer({ address: "127.0.0.1:0" });
    assert.throws(() => server.endpoint(), { code: "CLEW_TRANSPORT_NOT_STARTED" });
    await server.start();
    assert.match(server.endpoint().href, /^grpc:\/\/127\.0\.0\.1:[1-9]\d+$/);
    await assert.rejects(server.start(), { code: "CLEW_TRANSPORT_STARTED" });
    await server.stop(AbortSignal.timeout(patientMs));
  });

  it("with options that cannot work says so", () => {
    for (const options of [
      { timeoutMs: -1 },
      { maxMessageBytes: 0 },
      { headerLimitBytes: Number.NaN },
      { compression: "lzw" as "gzip" },
    ]) {
      assert.throws(() => new GrpcServer(options), { code: "CLEW_TRANSPORT_OPTION" });
    }
    assert.throws(() => new GrpcServer({ address: "nowhere" }), { code: "CLEW_TRANSPORT_ADDRESS" });
    assert.throws(() => new GrpcServer({ services: [echo, echo] }), { code: "CLEW_TRANSPORT_SERVICE_CONFLICT" });
    for (const endpoint of ["", "localhost", "ftp://a:1", "grpc://a"]) {
      assert.throws(() => new GrpcClient({ endpoint }), { code: "CLEW_TRANSPORT_ENDPOINT" }, endpoint);
    }
    assert.throws(() => new GrpcClient({ endpoint: "a:1", maxMessageBytes: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
  });
});

describe("stopping", () => {
  it("lets calls in flight end, of every kind, and takes no new connection", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    const queue = createPushQueue<{ text: string }>();
    const stream = client.bidiStream(queue.items)[Symbol.asyncIterator]();
    queue.push({ text: "a" });
    await stream.next();
    const stopped = server.stop(new AbortController().signal);
    queue.push({ text: "b" });
    assert.equal((await stream.next()).value?.text, "b");
    await assert.rejects(once(connect(Number(server.endpoint().port), "127.0.0.1"), "connect"), {
      code: "ECONNREFUSED",
    });
    queue.end();
    assert.equal((await stream.next()).value?.text, "end");
    await stopped;
  });

  it("loses no call while a client keeps calling: each is answered, or sent again to the next server", async () => {
    // A rolling restart behind one address: the next server listens before the first is told to go.
    const first = await startServer();
    const second = await startServer();
    const relay = await startRelay(Number(first.endpoint().port), Number(second.endpoint().port));
    const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${relay.port}` }));
    let answered = 0;
    let isOver = false;
    const call = async (): Promise<void> => {
      while (!isOver) {
        await client.unary({ text: "x" });
        answered++;
      }
    };
    const callers = Promise.all(Array.from({ length: 20 }, call));
    const flowing = async (): Promise<void> => {
      const atStart = answered;
      await Promise.race([callers, until(() => answered > atStart + 50, "calls flow")]);
    };
    try {
      await flowing();
      relay.switch();
      await first.stop(AbortSignal.timeout(patientMs));
      await flowing();
    } finally {
      isOver = true;
    }
    await callers;
    await client[Symbol.asyncDispose]();
    await relay.close();
  });

  it("cuts off what is still open when its signal aborts, and tells the callers", async () => {
    const server = await startServer({ timeoutMs: 0 });
    const client = createEchoClient(connectTo(server));
    const unary = failureOf(client.unary({ text: "wait" }, { timeoutMs: 60_000 }));
    const replies = client.serverStream({ text: "wait", count: 1 })[Symbol.asyncIterator]();
    await replies.next();
    const controller = new AbortController();
    const stopped = server.stop(controller.signal);
    controller.abort();
    await stopped;
    assert.equal((await unary).code, 503);
    assert.equal((await failureOf(replies.next())).code, 503);
  });

  it("ends at once with nothing open, and before it was started", async () => {
    await new GrpcServer().stop(AbortSignal.timeout(patientMs));
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    await client.unary({});
    await server.stop(new AbortController().signal);
  });
});
