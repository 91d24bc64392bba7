import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, test } from "node:test";
import type { Attempt, Body } from "./delivery.ts";
import { HttpSender, type HttpSenderInit } from "./http-sender.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Collector {
  readonly server: Server;
  readonly url: string;
  /** All connections so far. */
  readonly sockets: Socket[];
}

async function collect(answer: RequestListener): Promise<Collector> {
  const sockets: Socket[] = [];
  const server = createServer(answer);
  server.on("connection", (socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUps.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`, sockets };
}

const answerOk: RequestListener = (request, response) => void request.resume().on("end", () => response.end());

function senderTo(url: string, init: Partial<HttpSenderInit> = {}): HttpSender {
  const sender = new HttpSender({
    url: new URL(url),
    headers: {},
    contentType: "application/x-protobuf",
    isCompressed: false,
    timeoutMs: 30_000,
    tls: {},
    ...init,
  });
  cleanUps.push(() => sender.close());
  return sender;
}

// On Node 22 the test runner ends where only timers are left that let the process end.
function send(sender: HttpSender, body: Body = Buffer.from("body")): Promise<Attempt> {
  const alive = setInterval(() => {}, 1000);
  return sender.send(body, new AbortController().signal).finally(() => clearInterval(alive));
}

test("one request after another goes over one connection, several at a time over several", async () => {
  const waiting: (() => void)[] = [];
  const { url, sockets } = await collect((request, response) => {
    request.resume().on("end", () => {
      waiting.push(() => response.end());
      if (waiting.length === 3) for (const answer of waiting) answer();
      else if (request.headers["x-at-once"] === "1") response.end();
    });
  });
  const one = senderTo(url, { headers: { "x-at-once": "1" } });
  for (let i = 0; i < 2; i++) assert.equal((await send(one)).outcome, "taken");
  assert.equal(sockets.length, 1);
  waiting.length = 0;
  const several = senderTo(url);
  const attempts = await Promise.all([send(several), send(several), send(several)]);
  assert.deepEqual(
    attempts.map(({ outcome }) => outcome),
    ["taken", "taken", "taken"],
  );
  assert.equal(sockets.length, 4);
});

test("the pieces of a body arrive in order, with its length; headers are those of the settings", async () => {
  let seen: { headers: NodeJS.Dict<string | string[]>; url: string | undefined; body: string } | undefined;
  const { url } = await collect((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      seen = { headers: request.headers, url: request.url, body: Buffer.concat(chunks).toString() };
      response.end();
    });
  });
  const headers = { "User-Agent": "mine", "x-key": "caf\xe9", "Transfer-Encoding": "chunked", "content-length": "1" };
  const sender = senderTo(`${url.replace("//", "//user:p%40ss@")}?a=b`, { headers, isCompressed: true });
  assert.equal(
    (
      await send(
        sender,
        ["one", " ", "two"].map((text) => Buffer.from(text)),
      )
    ).outcome,
    "taken",
  );
  const { host, ...rest } = seen!.headers;
  assert.equal(`http://${host}/v1/traces`, url);
  assert.deepEqual(
    { ...rest },
    {
      "user-agent": "mine",
      authorization: `Basic ${Buffer.from("user:p@ss").toString("base64")}`,
      "x-key": "caf\xe9",
      "content-type": "application/x-protobuf",
      "content-encoding": "gzip",
      "content-length": "7",
    },
  );
  assert.deepEqual([seen!.url, seen!.body], ["/v1/traces?a=b", "one two"]);
});

for (const [name, answer] of Object.entries<RequestListener>({
  "the server closes it": (request, response) => {
    response.setHeader("connection", "close");
    answerOk(request, response);
  },
  "the server is about to close it": (request, response) => {
    response.setHeader("keep-alive", "timeout=1");
    answerOk(request, response);
  },
  "the server answered before it had read everything": (_request, response) => {
    response.writeHead(200, { "content-length": 0 }).end();
  },
})) {
  test(`a connection is not used again where ${name}`, async () => {
    const { url, sockets } = await collect(answer);
    const sender = senderTo(url);
    const body = Buffer.alloc(name.includes("answered") ? 32 * 1024 * 1024 : 100);
    for (let count = 1; count <= 3; count++) {
      assert.equal((await send(sender, body)).outcome, "taken");
      assert.equal(sockets.length, count);
    }
  });
}

test("a connection that the server closed while it was idle costs no attempt", async () => {
  const { url, sockets } = await collect(answerOk);
  const sender = senderTo(url);
  assert.equal((await send(sender)).outcome, "taken");
  const [socket] = sockets;
  // It waits for the other end to close as well.
  socket!.end();
  await once(socket!, "close");
  assert.equal((await send(sender)).outcome, "taken");
  assert.equal(sockets.length, 2);
});

test("a reply in pieces is one", async () => {
  const { url } = await collect((request, response) => {
    request.resume().on("end", () => {
      const text = "HTTP/1.1 503 Later\r\nretry-after: 7\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n";
      const { socket } = response;
      const write = (at: number): void => {
        if (at < text.length) socket!.write(text[at]!, () => setImmediate(write, at + 1));
      };
      write(0);
    });
  });
  const { outcome, retryAfterMs, error } = await send(senderTo(url));
  assert.deepEqual([outcome, retryAfterMs, error?.message], ["busy", 7000, "the collector answers 503: busy"]);
});

test("no answer in time, and a signal, close the connection", async () => {
  const { url, sockets } = await collect(() => {});
  const late = await send(senderTo(url, { timeoutMs: 20 }));
  assert.deepEqual([late.outcome, late.error?.message], ["busy", "no answer within 20 ms"]);
  const controller = new AbortController();
  const sender = senderTo(url);
  const attempt = sender.send(Buffer.from("body"), controller.signal);
  controller.abort();
  assert.deepEqual(await attempt.then(({ outcome, error }) => [outcome, error?.message]), [
    "busy",
    "the exporter is shut down",
  ]);
  for (const socket of sockets) if (!socket.closed) await once(socket, "close");
});
