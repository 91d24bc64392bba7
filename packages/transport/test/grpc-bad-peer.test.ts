import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { createServiceClient } from "@clew/rpc";
import { GrpcClient } from "@clew/transport/grpc";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { freePort } from "./free-ports.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, createEchoClient, startServer, texts } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";
import { startRelay } from "./relay.ts";

describe("losing the connection", () => {
  it("fails what is in flight with UNAVAILABLE, and connects again", async () => {
    const server = await startServer();
    const relay = await startRelay(Number(server.endpoint().port));
    const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${relay.port}` }));
    const replies = client.serverStream({ text: "wait", count: 1 })[Symbol.asyncIterator]();
    await replies.next();
    const unary = failureOf(client.unary({ text: "wait" }));
    const next = failureOf(replies.next());
    await until(() => relay.sockets.size === 2, "connected");
    await client.unary({ text: "both are on their way" });
    for (const socket of relay.sockets) socket.resetAndDestroy();
    for (const error of [await unary, await next]) {
      assert.equal(error.code, 503);
      assert.ok(error.cause instanceof Error);
    }
    assert.equal((await client.unary({ text: "again" })).text, "again");
    await client[Symbol.asyncDispose]();
    await server.stop(AbortSignal.timeout(patientMs));
    await relay.close();
  });

  it("and finding nobody fails with UNAVAILABLE and the cause, at once during the back-off", async () => {
    const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${await freePort()}` }));
    for (let i = 0; i < 2; i++) {
      const error = await failureOf(client.unary({}));
      assert.equal(error.code, 503);
      assert.equal((error.cause as NodeJS.ErrnoException).code, "ECONNREFUSED");
    }
    assert.equal((await failureOf(collect(client.serverStream({})))).code, 503);
    assert.equal((await failureOf(client.clientStream(texts("a")))).code, 503);
  });

  it("a peer that accepts and says nothing does not outlast the deadline", async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const client = createServiceClient(Echo, new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
    assert.equal((await failureOf(client.unary({}, { timeoutMs: 30 }))).code, 504);
    // The connection can be there, and never answer to being closed.
    const closed = client[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    await closed;
    silent.close();
  });

  it("a peer that speaks no HTTP/2 is UNAVAILABLE", async () => {
    const other = createServer((socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
    assert.equal((await failureOf(client.unary({}))).code, 503);
    other.close();
  });
});

describe("a refused stream", () => {
  it("is sent once more, of every kind, and not twice", async () => {
    const refusing = createHttp2Server();
    let refusals = 1;
    let streams = 0;
    refusing.on("stream", (stream) => {
      streams++;
      stream.on("error", () => {});
      if (refusals-- > 0) {
        stream.close(7);
        return;
      }
      stream.resume();
      stream.on("end", () => {
        stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(Buffer.from([0, 0, 0, 0, 0]));
      });
    });
    refusing.listen(0, "127.0.0.1");
    await once(refusing, "listening");
    const { port } = refusing.address() as AddressInfo;
    {
      const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
      await client.unary({});
      refusals = 1;
      assert.equal((await collect(client.serverStream({}))).length, 1);
      refusals = 1;
      await client.clientStream(texts("a", "b"));
      refusals = 1;
      assert.equal((await collect(client.bidiStream(texts("a")))).length, 1);
      assert.equal(streams, 8);
      refusals = 2;
      assert.equal((await failureOf(client.unary({}))).code, 503);
      assert.equal(streams, 10);
    }
    refusing.close();
  });

  it("after GOAWAY goes to a new connection", async () => {
    const leaving = createHttp2Server();
    const sessions: ServerHttp2Session[] = [];
    leaving.on("session", (session) => sessions.push(session));
    leaving.on("stream", (stream) => {
      stream.resume();
      stream.on("error", () => {});
      stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    });
    leaving.listen(0, "127.0.0.1");
    await once(leaving, "listening");
    const { port } = leaving.address() as AddressInfo;
    {
      const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
      await client.unary({});
      for (let i = 1; i <= 20; i++) {
        sessions.at(-1)!.close();
        await Promise.all([client.unary({}), client.unary({}), client.unary({})]);
      }
      assert.ok(sessions.length > 1);
    }
    leaving.close();
  });
});

describe("replies that are no gRPC", () => {
  it("become the status their HTTP status stands for", async () => {
    const http = createHttp2Server();
    let answer: (stream: import("node:http2").ServerHttp2Stream) => void = () => {};
    http.on("stream", (stream) => {
      stream.on("error", () => {});
      answer(stream);
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    {
      const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
      const codeFor = async (given: typeof answer): Promise<number> => {
        answer = given;
        return (await failureOf(client.unary({}))).code;
      };
      const html = { "content-type": "text/html" };
      const grpc = { "content-type": "application/grpc" };
      assert.equal(await codeFor((stream) => stream.respond({ ":status": 503, ...html }, { endStream: true })), 503);
      assert.equal(await codeFor((stream) => stream.respond({ ":status": 404, ...html }, { endStream: true })), 501);
      assert.equal(await codeFor((stream) => stream.respond({ ":status": 200, ...html }, { endStream: true })), 500);
      // A reply that ends without a status, with no message, with two, with an unknown encoding, with a status HTTP knows not.
      assert.equal(await codeFor((stream) => stream.respond(grpc, { endStream: true })), 500);
      assert.equal(
        await codeFor((stream) => {
          stream.respond(grpc);
          stream.end(Buffer.alloc(5));
        }),
        500,
      );
      assert.equal(
        await codeFor((stream) => stream.respond({ ...grpc, "grpc-status": "0" }, { endStream: true })),
        501,
      );
      assert.equal(
        await codeFor((stream) => stream.respond({ ...grpc, "grpc-status": "99" }, { endStream: true })),
        500,
      );
      assert.equal(await codeFor((stream) => stream.respond({ ...grpc, "grpc-encoding": "snappy" })), 500);
      assert.equal(await codeFor((stream) => stream.close(8)), 499);
      assert.equal(await codeFor((stream) => stream.close(11)), 429);
      const twice = Buffer.alloc(10);
      assert.equal(
        await codeFor((stream) => {
          stream.respond(grpc, { waitForTrailers: true });
          stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
          stream.end(twice);
        }),
        501,
      );
    }
    http.close();
  });
});

describe("replies that cannot be read", () => {
  const message = (...payload: number[]): Buffer => Buffer.from([0, 0, 0, 0, payload.length, ...payload]);
  const replies: [name: string, bytes: Buffer][] = [
    ["a message over the limit", Buffer.from([0, 255, 255, 255, 255])],
    ["a message that is none", message(0x0a, 0xff)],
    ["a frame that is none", Buffer.from([9, 0, 0, 0, 0])],
    ["one message too many", Buffer.concat([message(), message()])],
  ];
  for (const [name, bytes] of replies) {
    it(`end the stream, though the server would go on: ${name}`, async () => {
      const closed = Promise.withResolvers<number | undefined>();
      const server = createHttp2Server().listen(0, "127.0.0.1");
      server.on("stream", (stream) => {
        stream.on("error", () => {});
        stream.once("close", () => closed.resolve(stream.rstCode));
        stream.respond({ ":status": 200, "content-type": "application/grpc" });
        // And no end.
        stream.write(bytes);
      });
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const client = createServiceClient(Echo, new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
      const isStream = name.startsWith("a ");
      await failureOf(isStream ? collect(client.serverStream({})) : client.unary({}, { timeoutMs: patientMs }));
      assert.equal(await closed.promise, 8, "CANCEL");
      await client[Symbol.asyncDispose]();
      server.close();
    });
  }
});
