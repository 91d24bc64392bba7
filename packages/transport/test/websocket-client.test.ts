// Streams of requests over WebSocket, from our client to servers that are not ours.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createServiceClient, type Middleware, protoCodec, type ServiceClient, ServiceError } from "@clew/rpc";
import { HttpClient, type HttpClientOptions } from "@clew/transport/http";
import { type WebSocket as OtherWebSocket, WebSocketServer } from "ws";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { Topics } from "./gen/test/v1/topics_pb.ts";
import { withServer } from "./http-shelves.ts";
import { textsOf, topics, type UploadInit } from "./topics.ts";

type Topic = ServiceClient<typeof Topics>;

async function* notes(...all: string[]): AsyncIterable<UploadInit> {
  for (const text of all) yield { topic: "t", author: "a", note: { text } };
}

/** A server of somebody else's, and a client of ours to it. */
async function against(
  t: TestContext,
  onSocket: (socket: OtherWebSocket, target: string) => void,
  options: Partial<HttpClientOptions> = {},
): Promise<Topic> {
  const other = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  other.on("connection", (socket, request) => onSocket(socket, request.url!));
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  const client = createServiceClient(Topics, new HttpClient({ endpoint: `http://127.0.0.1:${port}`, ...options }));
  t.after(async () => {
    for (const socket of other.clients) socket.terminate();
    other.close();
    await client[Symbol.asyncDispose]();
  });
  return client;
}

test("speaks the frames of Kratos 3", async (t) => {
  const asked: string[] = [];
  const client = await against(t, (socket, target) => {
    asked.push(target);
    socket.on("message", (data: Buffer) => {
      asked.push(data.toString());
      if (data.toString() !== "\x1eend") return;
      socket.send(target.includes("upload") ? '{"notes":["1"]}' : '{"text":"1"}');
      if (target.includes("chat")) socket.send(Buffer.from('{"text":"2"}'));
      socket.close(1000);
    });
  });
  assert.deepEqual((await client.upload(notes("1", "2"))).notes, ["1"]);
  assert.deepEqual(await textsOf(client.chat(notes("1"))), ["1", "2"]);
  assert.deepEqual(asked, [
    "/v1/topics/t/upload?author=a",
    '{"text":"1","number":"0","topic":""}',
    '{"text":"2","number":"0","topic":""}',
    "\x1eend",
    "/v1/topics/t/chat",
    '{"topic":"t","author":"a","note":{"text":"1","number":"0","topic":""}}',
    "\x1eend",
  ]);
});

test("reads the errors of Kratos 3, closes without one, and connections that break", async (t) => {
  const go = "error: code = 409 reason = BUSY message = later metadata = map[a:b c d:e] cause = dial";
  const tell = (socket: OtherWebSocket, text: string): void => {
    socket.send(`\x1eerror:${text}`);
    socket.close(1011);
  };
  const ends: ((socket: OtherWebSocket) => void)[] = [
    (socket) => tell(socket, go),
    (socket) => tell(socket, "oops"),
    (socket) => socket.close(1011, "oops"),
    (socket) => socket.close(1009),
    (socket) => socket.close(1001),
    (socket) => socket.terminate(),
    (socket) => socket.send('{"text":1}'),
    (socket) => socket.send(JSON.stringify({ text: "x".repeat(2000) })),
  ];
  let next = 0;
  const client = await against(t, (socket) => ends[next++]!(socket), { bodyLimitBytes: 1000 });
  const told: unknown[] = [];
  for (const _ of ends) {
    const { code, reason, metadata } = await failureOf(textsOf(client.chat(notes("1"))));
    told.push([code, reason, { ...metadata }]);
  }
  assert.deepEqual(told, [
    [409, "BUSY", { a: "b c", d: "e" }],
    [500, "UNKNOWN", {}],
    [500, "UNKNOWN", {}],
    [413, "BODY_TOO_LARGE", {}],
    [503, "UNAVAILABLE", {}],
    [503, "UNAVAILABLE", {}],
    [502, "CODEC", {}],
    [502, "BODY_TOO_LARGE", {}],
  ]);
});

test("a refusal before the upgrade is the error it says", async () => {
  const refuse: Middleware = () => async (call) => {
    call.replyMetadata.set("x-why", "because");
    throw new ServiceError(401, "UNAUTHORIZED", "who are you?", { metadata: { a: "b" } });
  };
  await withServer({ services: [topics()], middleware: [refuse] }, async (endpoint) => {
    const client = createServiceClient(Topics, new HttpClient({ endpoint }));
    const heads: (string | undefined)[] = [];
    const onHeaders = (headers: { get(name: string): string | undefined }): number => heads.push(headers.get("x-why"));
    const error = await failureOf(client.upload(notes("1"), { onHeaders }));
    assert.deepEqual(error.toJSON(), {
      code: 401,
      reason: "UNAUTHORIZED",
      message: "who are you?",
      metadata: { a: "b" },
    });
    assert.deepEqual(heads, ["because"]);
    assert.equal((await failureOf(client.upload(notes()))).reason, "CODEC");
    await client[Symbol.asyncDispose]();
  });
  const lost = createServiceClient(Topics, new HttpClient({ endpoint: "http://127.0.0.1:1" }));
  assert.equal((await failureOf(lost.upload(notes("1")))).code, 503);
  await lost[Symbol.asyncDispose]();
});

test("a call that was cancelled before it is sent is not sent", async () => {
  let asked = 0;
  const count: Middleware = (next) => (call) => {
    asked++;
    return next(call);
  };
  const cancel: Middleware = (next) => (call) => {
    call.cancel();
    return next(call);
  };
  await withServer({ services: [topics()], middleware: [count] }, async (endpoint) => {
    const client = createServiceClient(Topics, new HttpClient({ endpoint }), { middleware: [cancel] });
    for (const call of [() => textsOf(client.watch({ topic: "t" })), () => textsOf(client.chat(notes("1")))]) {
      assert.equal((await failureOf(call())).code, 499);
    }
    const open = createServiceClient(Echo, new HttpClient({ endpoint }), { middleware: [cancel] });
    async function* none(): AsyncIterable<object> {}
    assert.equal((await failureOf(open.clientStream(none()))).code, 499);
    await client[Symbol.asyncDispose]();
    await open[Symbol.asyncDispose]();
  });
  assert.equal(asked, 0);
});

test("speaks protobuf in binary frames where it is told to", async () => {
  const seen: string[] = [];
  const middleware: Middleware = (next) => (call) => {
    seen.push(String(call.metadata.get("content-type")));
    return next(call);
  };
  await withServer({ services: [topics()], middleware: [middleware] }, async (endpoint) => {
    const client = createServiceClient(Topics, new HttpClient({ endpoint, codec: protoCodec }));
    assert.deepEqual(await textsOf(client.chat(notes("1", "2"))), ["1", "2"]);
    assert.deepEqual((await client.upload(notes("1"))).notes, ["t/a: 1"]);
    assert.deepEqual(seen, ["application/proto", "application/proto"]);
    await client[Symbol.asyncDispose]();
  });
});
