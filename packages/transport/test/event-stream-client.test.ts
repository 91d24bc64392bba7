// Streams of replies as server-sent events: our reader, and servers that are not ours.

import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createServiceClient, type ServiceClient } from "@clew/rpc";
import { HttpClient, type HttpClientOptions } from "@clew/transport/http";
import { failureOf } from "./failure-of.ts";
import { Topics } from "./gen/test/v1/topics_pb.ts";
import { withServer } from "./http-shelves.ts";
import { noTopic, noTopicEvent, textsOf, topics } from "./topics.ts";

/** A server that says what it is told, and keeps what it was asked. */
class Script {
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  constructor(t: TestContext, ...answers: ((socket: Socket) => void)[]) {
    this.#server = createServer((socket) => {
      this.#sockets.push(socket);
      socket.on("error", () => {});
      let head = "";
      socket.on("data", (chunk: Buffer) => {
        head += chunk.toString();
        if (!head.includes("\r\n\r\n")) return;
        this.asked.push(head);
        head = "";
        (answers[this.asked.length - 1] ?? answers.at(-1)!)(socket);
      });
    });
    t.after(() => {
      for (const socket of this.#sockets) socket.destroy();
      this.#server.close();
    });
  }

  async open(t: TestContext, options: Partial<HttpClientOptions> = {}): Promise<ServiceClient<typeof Topics>> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const { port } = this.#server.address() as { port: number };
    const client = createServiceClient(Topics, new HttpClient({ endpoint: `http://127.0.0.1:${port}`, ...options }));
    t.after(() => client[Symbol.asyncDispose]());
    return client;
  }
}

const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

test("reads what Kratos 3 writes", async (t) => {
  const script = new Script(t, (socket) =>
    socket.end(
      `${head}event: message\ndata: {"text":"1","number":"7"}\n\n: comment\ndata: {"text":\ndata: "2"}\n\n` +
        'event: other\ndata: ?\n\nevent: message\ndata: {"text":"3"}\n\n',
    ),
  );
  const client = await script.open(t);
  assert.deepEqual(await textsOf(client.watch({ topic: "a/b", count: 1 })), ["1", "2", "3"]);
  assert.match(script.asked[0]!, /^GET \/v1\/topics\/a%2Fb\/notes\?count=1 HTTP\/1.1\r\n/);
  assert.match(script.asked[0]!, /\r\naccept: text\/event-stream, application\/protojson\r\n/);
  assert.deepEqual(await textsOf(client.find({ topic: "t", count: 1 })), ["1", "2", "3"]);
  assert.match(script.asked[1]!, /^POST \/v1\/topics\/t:find [\s\S]*content-type: application\/protojson\r\n/);
});

test("an error event is the error, with all that it says", async (t) => {
  const events = `${head}event: message\ndata: {"text":"1"}\n\n`;
  const script = new Script(
    t,
    (socket) => socket.end(events + noTopicEvent),
    (socket) => socket.end(`${events}event: error\ndata: oops\n\n`),
    (socket) => socket.end('HTTP/1.1 429 Slow Down\r\ncontent-length: 23\r\n\r\n{"reason":"RATE_LIMIT"}'),
    (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"),
    (socket) => socket.end(`${head}event: message\ndata: {"text":1}\n\n`),
    (socket) => socket.end(`${head}data: ${"x".repeat(2000)}\n\n`),
  );
  const client = await script.open(t, { bodyLimitBytes: 1000 });
  const got: string[] = [];
  assert.deepEqual((await failureOf(textsOf(client.watch({ topic: "t" }), got))).toJSON(), noTopic().toJSON());
  assert.deepEqual(got, ["1"]);
  const expected: [number, string][] = [
    [500, "UNKNOWN"],
    [429, "RATE_LIMIT"],
    [502, "CODEC"],
    [502, "CODEC"],
    [502, "BODY_TOO_LARGE"],
  ];
  for (const [code, reason] of expected) {
    const error = await failureOf(textsOf(client.watch({ topic: "t" })));
    assert.deepEqual([error.code, error.reason], [code, reason]);
  }
});

test("a stream that breaks off fails; with resumeStreams it goes on", async (t) => {
  const event = (id: number): string => `event: message\nid: ${id}\ndata: {"text":"${id}"}\n\n`;
  const chunked = head.replace("connection: close", "transfer-encoding: chunked");
  const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
  const breakOff = (socket: Socket): void => {
    socket.write(chunked + chunk(`retry: 1\n\n${event(1)}${event(2)}`), () => socket.destroySoon());
  };
  const plain = new Script(t, breakOff);
  const got: string[] = [];
  const broken = await failureOf(textsOf((await plain.open(t)).watch({ topic: "t" }), got));
  assert.deepEqual([broken.code, broken.reason], [503, "UNAVAILABLE"]);
  assert.deepEqual(got, ["1", "2"]);

  const script = new Script(
    t,
    breakOff,
    (socket) => socket.end("HTTP/1.1 503 Gone\r\ncontent-length: 0\r\n\r\n"),
    (socket) =>
      socket.end(
        chunked + chunk(`${event(3)}event: error\ndata: {"code":503,"reason":"SERVER_STOPPED"}\n\n`) + chunk(""),
      ),
    (socket) => socket.end(chunked + chunk(event(4)) + chunk("")),
  );
  const client = await script.open(t, { resumeStreams: true });
  assert.deepEqual(await textsOf(client.watch({ topic: "t" })), ["1", "2", "3", "4"]);
  assert.deepEqual(
    script.asked.map((text) => /last-event-id: (.*)\r\n/.exec(text)?.[1]),
    [undefined, "2", "2", "3"],
  );

  const never = new Script(t, breakOff, (socket) => socket.destroy());
  const gone = await failureOf(textsOf((await never.open(t, { resumeStreams: true })).watch({ topic: "t" })));
  assert.equal(gone.reason, "UNAVAILABLE");
  assert.equal(never.asked.length, 6);

  const done = new Script(t, breakOff, (socket) => socket.end("HTTP/1.1 204 No Content\r\n\r\n"));
  assert.deepEqual(await textsOf((await done.open(t, { resumeStreams: true })).watch({ topic: "t" })), ["1", "2"]);

  const cut = new AbortController();
  const waiting = new Script(t, (socket) => {
    socket.write(chunked + chunk(`retry: 100000\n\n${event(1)}`), () => socket.destroySoon());
  });
  const stream = (await waiting.open(t, { resumeStreams: true })).watch({ topic: "t" }, { signal: cut.signal });
  const iterator = stream[Symbol.asyncIterator]();
  await iterator.next();
  const next = failureOf(iterator.next());
  cut.abort();
  assert.equal((await next).code, 499);
});

test("a deadline ends a stream", async () => {
  const waiting = topics({
    async *watch(_request, call) {
      yield { text: "1" };
      await call.orCancelled(new Promise(() => {}));
    },
  });
  await withServer({ services: [waiting] }, async (endpoint) => {
    const client = createServiceClient(Topics, new HttpClient({ endpoint }));
    // It may pass before the first message has come: then one that is later has to show it.
    const got: string[] = [];
    for (let timeoutMs = 500; got.length === 0; timeoutMs *= 2) {
      assert.equal((await failureOf(textsOf(client.watch({ topic: "t" }, { timeoutMs }), got))).code, 504);
    }
    assert.deepEqual(got, ["1"]);
    await client[Symbol.asyncDispose]();
  });
});
