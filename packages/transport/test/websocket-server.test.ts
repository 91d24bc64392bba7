// Streams of requests over WebSocket, from callers that are not ours.

import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { test } from "node:test";
import { type Call, createServiceClient, type Middleware, protoCodec, ServiceError } from "@clew/rpc";
import { HttpClient, HttpServer, type Route } from "@clew/transport/http";
import { WebSocket as OtherWebSocket } from "ws";
import { until } from "../../http2/test/until.ts";
import { NoteSchema, Topics, UploadRequestSchema } from "./gen/test/v1/topics_pb.ts";
import { RawConnection, withServer } from "./http-shelves.ts";
import { noTopic, topics, type UploadInit } from "./topics.ts";

const handshake = "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n";

const key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

function ask(url: string, target: string, headers = handshake + key): RawConnection {
  return new RawConnection(url).send(`GET ${target} HTTP/1.1\r\nhost: x\r\n${headers}\r\n`);
}

/** A masked frame of a client (RFC 6455 section 5.2); the mask is zero, so the payload can be read. */
function frame(payload: string, opcode = 1): string {
  return `${String.fromCharCode(0x80 | opcode, 0x80 | payload.length)}\0\0\0\0${payload}`;
}

/** The frames of a server: opcode and payload. */
function framesOf(bytes: string): [opcode: number, payload: string][] {
  const frames: [number, string][] = [];
  for (let at = bytes.indexOf("\r\n\r\n") + 4; at < bytes.length; ) {
    const opcode = bytes.charCodeAt(at) & 0x0f;
    let length = bytes.charCodeAt(at + 1);
    at += 2;
    if (length === 126) {
      length = bytes.charCodeAt(at) * 256 + bytes.charCodeAt(at + 1);
      at += 2;
    }
    frames.push([opcode, bytes.slice(at, at + length)]);
    at += length;
  }
  return frames;
}

/** A close frame with this code, as it is on the wire. */
function closeWith(code: number): RegExp {
  return new RegExp(String.fromCharCode(code >> 8, code & 0xff));
}

interface Seen {
  readonly messages: (string | Buffer)[];
  readonly closed: { code: number; reason: string };
}

/** Sends messages once it is let in, and takes what comes until the close. */
async function talk(socket: OtherWebSocket, ...messages: (string | Uint8Array)[]): Promise<Seen> {
  const seen: (string | Buffer)[] = [];
  socket.on("open", () => {
    for (const message of messages) socket.send(message);
  });
  socket.on("message", (data: Buffer, isBinary) => seen.push(isBinary ? data : data.toString()));
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", (code, reason) => resolve({ messages: seen, closed: { code, reason: reason.toString() } }));
  });
}

test("speaks the frames of Kratos 3, to the byte", async () => {
  await withServer({ services: [topics()] }, async (url) => {
    const raw = ask(url, "/v1/topics/t/chat");
    const head = await raw.until(/\r\n\r\n/);
    assert.match(head, /^HTTP\/1.1 101 /);
    assert.match(head, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
    raw.send(frame('{"note":{"text":"1"}}') + frame('{"note":{"text":"2"}}') + frame("\x1eend"));
    await raw.until(closeWith(1000));
    raw.send(frame("\x03\xe8", 8));
    assert.deepEqual(framesOf(await raw.closed()), [
      [1, '{"text":"1","number":"0","topic":"t"}'],
      [1, '{"text":"2","number":"0","topic":"t"}'],
      [8, "\x03\xe8"],
    ]);
  });
});

test("an error is Kratos's frame, then one that says all, then 1011", async () => {
  await withServer({ services: [topics()] }, async (url) => {
    const raw = ask(url, "/v1/topics/t/chat");
    raw.send(frame('{"note":{"text":"fail"}}'));
    await raw.until(closeWith(1011));
    raw.send(frame("\x03\xf3", 8));
    assert.deepEqual(framesOf(await raw.closed()), [
      [1, "\x1eerror:error: code = 404 reason = NO_TOPIC message = no topic metadata = map[topic:a b] cause = <nil>"],
      [1, `\x1estatus:${JSON.stringify(noTopic())}`],
      [8, "\x03\xf3no topic"],
    ]);
    const bad = ask(url, "/v1/topics/t/chat").send(frame("{"));
    assert.ok((await bad.until(closeWith(1011))).includes('\x1estatus:{"code":400,"reason":"CODEC"'));
    bad.socket.destroy();
  });
});

test("makes path, query and the body's field one message", async () => {
  await withServer({ services: [topics()] }, async (url) => {
    const target = `${url.replace("http", "ws")}/v1/topics/a%20b/upload?author=me`;
    const { messages, closed } = await talk(new OtherWebSocket(target), '{"text":"1"}', '{"text":"2"}', "\x1eend");
    assert.deepEqual(messages, ['{"notes":["a b/me: 1","a b/me: 2"]}']);
    assert.equal(closed.code, 1000);
  });
});

test("what no middleware lets through is a plain error, before any upgrade", async () => {
  const refuse: Middleware = (next) => async (call) => {
    if (call.metadata.get("authorization") !== "Bearer x") throw new ServiceError(401, "UNAUTHORIZED", "who are you?");
    call.replyMetadata.set("x-user", "x");
    call.replyMetadata.set("sec-websocket-protocol", "evil");
    return next(call);
  };
  await withServer({ services: [topics()], middleware: [refuse] }, async (url) => {
    const refused = await ask(url, "/v1/topics/t/chat").closed();
    assert.match(refused, /^HTTP\/1.1 401 [\s\S]*\r\nconnection: close\r\n[\s\S]*"reason":"UNAUTHORIZED"/i);
    const raw = ask(url, "/v1/topics/t/chat", `${handshake}${key}authorization: Bearer x\r\n`);
    const head = await raw.until(/\r\n\r\n/);
    assert.match(head, /^HTTP\/1.1 101 [\s\S]*x-user: x/);
    assert.ok(!head.includes("evil"));
    raw.socket.destroy();
  });
});

test("pages of other sites may not open one, unless they are named", async () => {
  const answer = async (url: string, origin: string): Promise<string> => {
    const raw = ask(url, "/v1/topics/t/chat", `${handshake}${key}origin: ${origin}\r\n`);
    const [line = ""] = (await raw.until(/\r\n\r\n/)).split("\r\n", 1);
    raw.socket.destroy();
    return line.slice(9, 12);
  };
  await withServer({ services: [topics()] }, async (url) => {
    assert.equal(await answer(url, "http://x"), "101");
    for (const origin of ["https://evil.example", "null", "http://x.evil.example"]) {
      assert.equal(await answer(url, origin), "403", origin);
    }
  });
  const webSocket = { origins: ["https://shop.example"] };
  await withServer({ services: [topics()], webSocket }, async (url) => {
    assert.equal(await answer(url, "https://shop.example"), "101");
    assert.equal(await answer(url, "https://evil.example"), "403");
  });
  await withServer({ services: [topics()], webSocket: { origins: ["*"] } }, async (url) => {
    assert.equal(await answer(url, "https://evil.example"), "101");
  });
  for (const origins of [["shop.example"], ["https://shop.example/"]]) {
    assert.throws(() => new HttpServer({ webSocket: { origins } }), { code: "CLEW_TRANSPORT_OPTION" });
  }
});

test("says what would work to who does not ask for a WebSocket, over HTTP/1.1 and 2", async () => {
  await withServer({ services: [topics()] }, async (url) => {
    const cases: [headers: string, status: string][] = [
      ["", "426"],
      [handshake.replace("13", "8") + key, "426"],
      [`${handshake}sec-websocket-key: short\r\n`, "400"],
    ];
    for (const [headers, status] of cases) {
      const raw = ask(url, "/v1/topics/t/chat", headers);
      const reply = await raw.until(/\}\}$/);
      assert.equal(reply.slice(9, 12), status);
      if (status === "426") assert.match(reply, /\r\nupgrade: websocket\r\n/);
      raw.socket.destroy();
    }
    const session = connectHttp2(url);
    const stream = session.request({ ":path": "/v1/topics/t/chat" });
    const status = await new Promise((resolve) => stream.on("response", (head) => resolve(head[":status"])));
    assert.equal(status, 426);
    session.destroy();
  });
});

test("an offer of another protocol is passed over, and an upgrade behind another request harms nobody", async () => {
  let release = (): void => {};
  const slow = (): Promise<void> => new Promise((resolve) => (release = resolve));
  const routes: readonly Route[] = [
    { verb: "POST", path: "/echo", handle: (request, response) => void request.pipe(response) },
    { verb: "GET", path: "/slow", handle: (_request, response) => slow().then(() => void response.end()) },
  ];
  await withServer({ services: [topics()], routes }, async (url) => {
    const offer = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    const raw = new RawConnection(url).send(`POST /echo HTTP/1.1\r\nhost: x\r\n${offer}content-length: 5\r\n\r\nhello`);
    assert.match(await raw.until(/hello/), /^HTTP\/1.1 200 /);
    raw.socket.destroy();
    const hasty = ask(url, "/slow", "").send(`GET /v1/topics/t/chat HTTP/1.1\r\nhost: x\r\n${handshake}${key}\r\n`);
    await hasty.closed();
    release();
    const plain = ask(url, "/v1/topics/t/chat", "");
    assert.match(await plain.until(/\}\}$/), /^HTTP\/1.1 426 /);
    plain.socket.destroy();
  });
});

test("binary frames of protobuf for who asks by subprotocol or content type", async () => {
  const input = protoCodec.compile(UploadRequestSchema);
  const output = protoCodec.compile(NoteSchema);
  const request = input.encode({ $typeName: "test.v1.UploadRequest", topic: "", author: "", note: undefined });
  await withServer({ services: [topics()] }, async (url) => {
    const target = `${url.replace("http", "ws")}/v1/topics/t/chat`;
    const byType = { headers: { "content-type": "application/proto" } };
    for (const how of [["no-such", "proto"], byType]) {
      const socket = Array.isArray(how) ? new OtherWebSocket(target, how) : new OtherWebSocket(target, how);
      const { messages, closed } = await talk(socket, request, "\x1eend");
      assert.equal(output.decode(messages[0] as Buffer).topic, "t");
      assert.equal(closed.code, 1000);
    }
  });
});

test("compresses for who can, where it is allowed to", async () => {
  for (const isAllowed of [false, true]) {
    const webSocket = isAllowed ? { compression: true } : {};
    await withServer({ services: [topics()], webSocket, bodyLimitBytes: 10_000 }, async (url) => {
      const open = (): OtherWebSocket => new OtherWebSocket(`${url.replace("http", "ws")}/v1/topics/t/chat`);
      const small = open();
      const text = "x".repeat(5000);
      const { messages } = await talk(small, JSON.stringify({ note: { text } }), "\x1eend");
      assert.equal(small.extensions, isAllowed ? "permessage-deflate" : "");
      assert.equal((JSON.parse(String(messages[0])) as { text: string }).text, text);
      // What little there is on the wire does not count.
      const bomb = await talk(open(), JSON.stringify({ note: { text: "x".repeat(100_000) } }));
      assert.equal(bomb.closed.code, 1009);
    });
  }
});

test("metadata that cannot be a header is an error, and nothing of it is sent", async () => {
  const breakIt: Middleware = (next) => (call) => {
    call.replyMetadata.set("x-user", "a\r\nevil: 1");
    return next(call);
  };
  await withServer({ services: [topics()], middleware: [breakIt] }, async (url) => {
    for (const raw of [ask(url, "/v1/topics/t/chat"), ask(url, "/v1/topics/t/notes?count=1", "")]) {
      const reply = await raw.until(/\}\}$/);
      assert.match(reply, /^HTTP\/1.1 500 [\s\S]*"reason":"UNKNOWN"/);
      assert.ok(!reply.includes("evil"));
      raw.socket.destroy();
    }
  });
});

test("a message over the limit closes with 1009", async () => {
  await withServer({ services: [topics()], bodyLimitBytes: 100 }, async (url) => {
    const target = `${url.replace("http", "ws")}/v1/topics/t/chat`;
    const { closed } = await talk(new OtherWebSocket(target), JSON.stringify({ author: "x".repeat(200) }));
    assert.equal(closed.code, 1009);
  });
});

test("a caller that leaves cancels the call, however it leaves", async () => {
  const calls: Call[] = [];
  let released = 0;
  const chat = topics({
    async *chat(requests, call) {
      calls.push(call);
      try {
        for await (const _ of requests) yield { text: "got it" };
      } finally {
        released++;
      }
    },
  });
  await withServer({ services: [chat] }, async (url) => {
    const leave = [
      (socket: OtherWebSocket) => socket.terminate(),
      (socket: OtherWebSocket) => socket.close(1001),
      (socket: OtherWebSocket) => socket.send("\x1eerror:mine"),
    ];
    for (const [index, go] of leave.entries()) {
      const socket = new OtherWebSocket(`${url.replace("http", "ws")}/v1/topics/t/chat`);
      socket.on("open", () => socket.send("{}"));
      socket.on("message", () => go(socket));
      await until(() => calls[index]?.cancelled !== undefined && released === index + 1, "it is cancelled");
      assert.equal(calls[index]!.cancelled!.code, 499);
      socket.terminate();
    }
  });
});

test("a caller that leaves before it was let in cancels the call at once", async () => {
  const calls: Call[] = [];
  const slow: Middleware = () => (call) => {
    calls.push(call);
    return call.orCancelled(new Promise<never>(() => {}));
  };
  await withServer({ services: [topics()], middleware: [slow] }, async (url) => {
    const leave = [
      ({ socket }: RawConnection) => socket.end(),
      ({ socket }: RawConnection) => socket.destroy(),
      ({ socket }: RawConnection) => socket.resetAndDestroy(),
    ];
    for (const [index, go] of leave.entries()) {
      const connection = ask(url, "/v1/topics/t/chat");
      await until(() => calls.length === index + 1, "the middleware has the call");
      assert.equal(calls[index]!.cancelled, undefined);
      go(connection);
      await until(() => calls[index]!.cancelled !== undefined, "it is cancelled");
      assert.equal(calls[index]!.cancelled!.code, 499);
      connection.socket.destroy();
    }
  });
});

test("what a caller says before it is let in is not lost", async () => {
  let letIn: (() => void) | undefined;
  const slow: Middleware = (next) => async (call) => {
    await new Promise<void>((resolve) => (letIn = resolve));
    return next(call);
  };
  await withServer({ services: [topics()], middleware: [slow] }, async (url) => {
    const text = (word: string): string => frame(`{"note":{"text":"${word}"}}`);
    const connection = new RawConnection(url);
    connection.send(`GET /v1/topics/t/chat HTTP/1.1\r\nhost: x\r\n${handshake}${key}\r\n${text("one")}`);
    await until(() => letIn !== undefined, "the middleware has the call");
    await new Promise<void>((resolve) => connection.socket.write(text("two"), "latin1", () => resolve()));
    // The server has had the time to read that: it answered another request.
    assert.equal((await fetch(new URL("/nowhere", url))).status, 404);
    letIn!();
    await connection.until(/101 Switching/);
    connection.send(text("three") + frame("\x1eend"));
    const replies = framesOf(await connection.until(closeWith(1000))).slice(0, -1);
    assert.deepEqual(
      replies.map(([, payload]) => JSON.parse(payload).text),
      ["one", "two", "three"],
    );
    connection.socket.destroy();
  });
});

test("holds a fast caller back while nobody reads", async () => {
  const calls: Call[] = [];
  let release = (): void => {};
  const upload = topics({
    async upload(requests, call) {
      calls.push(call);
      await new Promise<void>((resolve) => (release = resolve));
      let count = 0;
      for await (const _ of requests) count++;
      return { notes: [String(count)] };
    },
  });
  await withServer({ services: [upload] }, async (endpoint) => {
    const client = createServiceClient(Topics, new HttpClient({ endpoint }));
    let sent = 0;
    async function* flood(): AsyncIterable<UploadInit> {
      for (; sent < 5000; sent++) yield { topic: "t", note: { text: "x".repeat(10_000) } };
    }
    const reply = client.upload(flood());
    let before = -1;
    await until(() => {
      const isSame = calls.length === 1 && before === sent;
      before = sent;
      return isSame;
    }, "the caller waits");
    assert.ok(sent < 5000, `${sent} were sent`);
    release();
    assert.deepEqual((await reply).notes, ["5000"]);
    await client[Symbol.asyncDispose]();
  });
});

test("asks a silent caller for a sign of life, and closes on one that gives none", async () => {
  await withServer({ services: [topics()], webSocket: { heartbeatMs: 20 } }, async (url) => {
    const dead = ask(url, "/v1/topics/t/chat");
    const bytes = await dead.closed();
    assert.deepEqual(framesOf(bytes).slice(0, 2), [
      [9, ""],
      [9, ""],
    ]);
    const alive = new OtherWebSocket(`${url.replace("http", "ws")}/v1/topics/t/chat`);
    let pings = 0;
    alive.on("ping", () => pings++);
    await until(() => pings > 5, "it is asked again and again");
    assert.equal(alive.readyState, alive.OPEN);
    alive.terminate();
  });
});

test("that stops ends streams of replies after a while, and the rest when it must", async () => {
  const services = [topics()];
  const server = new HttpServer({ address: "127.0.0.1:0", services, streamDrainMs: 20 });
  await server.start();
  const target = server.endpoint().href.replace("http", "ws");
  const chat = new OtherWebSocket(`${target}v1/topics/t/chat`);
  const upload = new OtherWebSocket(`${target}v1/topics/t/upload`);
  const ended = [talk(chat), talk(upload)];
  await until(() => chat.readyState === 1 && upload.readyState === 1, "both are open");
  const cut = new AbortController();
  const stopped = server.stop(cut.signal);
  const stoppedFrame =
    '\x1estatus:{"code":503,"reason":"SERVER_STOPPED","message":"the server is stopping","metadata":{}}';
  assert.equal((await ended[0]!).messages[1], stoppedFrame);
  assert.equal(upload.readyState, upload.OPEN);
  cut.abort();
  assert.equal((await ended[1]!).messages[1], stoppedFrame);
  await stopped;
});
