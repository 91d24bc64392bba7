import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import {
  ClientSession,
  type ClientSessionOptions,
  ErrorCode,
  ServerSession,
  type ServerSessionOptions,
  type ServerStream,
} from "@clew/http2";
import { echo, Recorder, replyHeaders, replyTrailers } from "./echo.ts";
import { requestFields } from "./raw-peer.ts";
import { until } from "./until.ts";

function pair(
  server: ServerSessionOptions,
  client: ClientSessionOptions = {},
): { server: ServerSession; client: ClientSession } {
  const [one, other] = duplexPair();
  return { server: new ServerSession(one, server), client: new ClientSession(other, client) };
}

/** A server that notes its streams and their listeners. */
function recorded(): {
  options: ServerSessionOptions;
  streams: ServerStream[];
  listeners: Recorder[];
  fields: (readonly string[])[];
} {
  const streams: ServerStream[] = [];
  const listeners: Recorder[] = [];
  const fields: (readonly string[])[] = [];
  const accept: ServerSessionOptions["accept"] = (stream, headers) => {
    streams.push(stream);
    fields.push(headers);
    listeners.push(new Recorder());
    return listeners.at(-1)!;
  };
  return { options: { accept }, streams, listeners, fields };
}

test("a unary call: headers, data, trailers", async () => {
  const { client } = pair({ accept: echo });
  const reply = new Recorder();
  client.openStream(requestFields, Buffer.from("hello"), reply);
  await reply.expect("end");
  assert.deepEqual(reply.events, [`headers ${replyHeaders.join(" ")}`, "data hello", `end ${replyTrailers.join(" ")}`]);
  assert.equal(client.openStreams, 0);
  client.destroy();
});

test("a stream of messages both ways, and trailers of the request", async () => {
  const { options, streams, listeners } = recorded();
  const { client } = pair(options);
  const reply = new Recorder();
  const stream = client.openStream(requestFields, undefined, reply);
  stream.sendData(Buffer.from("one"));
  await until(() => listeners[0]?.text === "one", "the first message");
  streams[0]!.sendHeaders(replyHeaders, false);
  streams[0]!.sendData(Buffer.from("eno"));
  await reply.expect("data eno");
  stream.sendTrailers(["x-request", "done"]);
  assert.equal(await listeners[0]!.expect("end"), "end x-request done");
  streams[0]!.sendTrailers(["grpc-status", "0"]);
  assert.equal(await reply.expect("end"), "end grpc-status 0");
  assert.ok(stream.isClosed && streams[0]!.isClosed);
  client.destroy();
});

test("a reply without data, and a request without a body", async () => {
  const { options, streams, listeners } = recorded();
  const { client } = pair(options);
  const reply = new Recorder();
  client.openStream([":method", "GET", ":scheme", "http", ":path", "/"], Buffer.alloc(0), reply);
  await until(() => listeners[0]?.events.includes("end") ?? false, "the end of the request");
  streams[0]!.sendHeaders([":status", "204"], true);
  await reply.expect("end");
  assert.deepEqual(reply.events, ["headers :status 204", "end"]);
  client.destroy();
});

test("informational responses come before the headers, as often as there are", async () => {
  const { client } = pair({
    accept(stream) {
      stream.sendInformation([":status", "103", "link", "</a>"]);
      stream.sendInformation([":status", "102"]);
      return echo(stream);
    },
  });
  const reply = new Recorder();
  client.openStream(requestFields, Buffer.from("x"), reply);
  await reply.expect("end");
  assert.deepEqual(reply.events.slice(0, 2), ["information :status 103 link </a>", "information :status 102"]);
  client.destroy();
});

test("megabytes go through windows that are far smaller, both ways", async () => {
  const { client } = pair({ accept: echo }, { streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
  const body = Buffer.alloc(3_000_000);
  for (let i = 0; i < body.length; i++) body[i] = i * 7;
  const replies = [new Recorder(), new Recorder(), new Recorder()];
  for (const reply of replies) client.openStream(requestFields, body, reply);
  for (const reply of replies) {
    await reply.expect("end");
    assert.ok(Buffer.concat(reply.bytes).equals(body));
  }
  client.destroy();
});

test("a paused reader holds its sender back, and one that resumes gets the rest", async () => {
  const { options, streams, listeners } = recorded();
  const { client } = pair(options, { streamWindowBytes: 65_535 });
  const reply = new Recorder();
  const stream = client.openStream(requestFields, undefined, reply);
  stream.pause();
  await until(() => streams.length === 1, "the stream");
  streams[0]!.sendHeaders(replyHeaders, false);
  let sent = 0;
  const chunk = Buffer.alloc(10_000, "x");
  while (streams[0]!.sendData(chunk)) sent += chunk.length;
  sent += chunk.length;
  assert.ok(sent >= 128 * 1024 && sent < 160_000, `${sent}`); // The window of one end, the high water of the other.
  await until(() => Buffer.concat(reply.bytes).length === 65_535, "a window full");
  assert.ok(!listeners[0]!.events.includes("drain"));
  stream.resume();
  await listeners[0]!.expect("drain");
  streams[0]!.sendTrailers([]);
  await reply.expect("end");
  assert.equal(Buffer.concat(reply.bytes).length, sent);
  client.destroy();
});

test("paused streams together hold the connection back", async () => {
  const { options, streams } = recorded();
  const { client, server } = pair(options, { connectionWindowBytes: 65_535, limits: { maxHeldBytes: 100_000 } });
  const replies = Array.from({ length: 4 }, () => new Recorder());
  const clients = replies.map((reply) => client.openStream(requestFields, undefined, reply));
  for (const stream of clients) stream.pause();
  await until(() => streams.length === 4, "the streams");
  for (const stream of streams) {
    stream.sendHeaders(replyHeaders, false);
    stream.sendData(Buffer.alloc(100_000), true);
  }
  const held = (): number => replies.reduce((sum, reply) => sum + Buffer.concat(reply.bytes).length, 0);
  await until(() => held() > 100_000, "what may be held");
  let answered = false;
  server.ping(() => {
    answered = true;
  });
  await until(() => answered, "a ping's answer");
  assert.ok(held() <= 100_000 + 2 * 65_535, `${held()}`);
  for (const stream of clients) stream.resume();
  for (const reply of replies) await reply.expect("end");
  assert.equal(held(), 400_000);
  client.destroy();
});

test("a reset is told to the other end, with its code, and to nobody at one's own", async () => {
  const { options, streams, listeners } = recorded();
  const { client } = pair(options);
  const reply = new Recorder();
  const stream = client.openStream(requestFields, Buffer.from("x"), reply);
  await until(() => listeners[0]?.events.includes("end") ?? false, "the request");
  stream.reset(ErrorCode.CANCEL);
  assert.equal(await listeners[0]!.expect("reset"), "reset 8");
  assert.deepEqual(reply.events, []);
  // After it is over, everything does nothing.
  streams[0]!.sendReply(replyHeaders, Buffer.from("late"), replyTrailers);
  stream.reset(ErrorCode.CANCEL);
  const second = new Recorder();
  client.openStream(requestFields, Buffer.from("y"), second);
  await until(() => streams.length === 2, "the second stream");
  streams[1]!.reset(ErrorCode.ENHANCE_YOUR_CALM);
  assert.equal(await second.expect("reset"), "reset 11");
  client.destroy();
});

test("a server that has said everything asks the client to say no more, and that is no failure", async () => {
  const { client } = pair({
    accept(stream) {
      stream.sendReply(replyHeaders, Buffer.from("enough"), replyTrailers);
      return new Recorder();
    },
  });
  const reply = new Recorder();
  const stream = client.openStream(requestFields, undefined, reply);
  await reply.expect("reset");
  assert.deepEqual(reply.events.slice(-2), ["end grpc-status 0", "reset 0"]);
  assert.equal(stream.sendData(Buffer.from("ignored")), true);
  client.destroy();
});

test("writing after the end, or out of order, is a coded error at the call", async () => {
  const { options, streams } = recorded();
  const { client } = pair(options);
  const stream = client.openStream(requestFields, Buffer.from("all"), new Recorder());
  assert.throws(() => stream.sendData(Buffer.from("more")), { code: "CLEW_HTTP2_WRITE_AFTER_END" });
  assert.throws(() => stream.sendTrailers([]), { code: "CLEW_HTTP2_WRITE_AFTER_END" });
  await until(() => streams.length === 1, "the stream");
  const reply = streams[0]!;
  assert.throws(() => reply.sendData(Buffer.from("x")), { code: "CLEW_HTTP2_HEADERS_ORDER" });
  assert.throws(() => reply.sendTrailers([]), { code: "CLEW_HTTP2_HEADERS_ORDER" });
  assert.throws(() => reply.sendHeaders([":status", "200", "Bad", "x"], false), { code: "CLEW_HTTP2_HEADER_NAME" });
  reply.sendHeaders(replyHeaders, false);
  assert.throws(() => reply.sendHeaders(replyHeaders, false), { code: "CLEW_HTTP2_HEADERS_ORDER" });
  assert.throws(() => reply.sendInformation([":status", "103"]), { code: "CLEW_HTTP2_HEADERS_ORDER" });
  reply.sendEnd();
  assert.throws(() => client.openStream([":method", "G\0T"], undefined, new Recorder()), {
    code: "CLEW_HTTP2_HEADER_VALUE",
  });
  client.destroy();
  assert.throws(() => client.openStream(requestFields, undefined, new Recorder()), {
    code: "CLEW_HTTP2_SESSION_CLOSED",
  });
});

test("more streams than the server takes wait for their turn, in order", async () => {
  const { options, streams, listeners, fields } = recorded();
  const { client } = pair({ ...options, limits: { maxConcurrentStreams: 2 } });
  await until(() => client.roundTripMs > 0, "the server's settings");
  const replies = Array.from({ length: 6 }, () => new Recorder());
  const opened = replies.map((reply, i) =>
    client.openStream(
      [...requestFields, "x-number", `${i}`],
      i % 2 === 0 ? Buffer.from(`body ${i}`) : undefined,
      reply,
    ),
  );
  for (const i of [1, 3, 5]) {
    opened[i]!.sendData(Buffer.from(`body ${i}`));
    if (i === 3) opened[i]!.sendTrailers(["x-t", "3"]);
    else opened[i]!.sendEnd();
  }
  opened[4]!.reset(ErrorCode.CANCEL);
  for (const i of [0, 1, 2, 3, 5]) {
    const at = i === 5 ? 4 : i;
    await until(() => listeners[at]?.events.some((event) => event.startsWith("end")) ?? false, `stream ${i}`);
    assert.equal(fields[at]!.at(-1), `${i}`);
    assert.equal(listeners[at]!.text, `body ${i}`);
    assert.ok(streams.filter((stream) => !stream.isClosed).length <= 2);
    streams[at]!.sendReply(replyHeaders, Buffer.alloc(0), replyTrailers);
    await replies[i]!.expect("end");
  }
  assert.equal(listeners[3]!.events.at(-1), "end x-t 3");
  assert.deepEqual(replies[4]!.events, []);
  client.destroy();
});

test("a graceful close loses no stream that was under way, and ends the connection after the last", async () => {
  const { options, streams, listeners } = recorded();
  let closedWith: unknown = "nothing";
  const { server, client } = pair({ ...options, onClose: (error) => (closedWith = error) }, { onGoAway: () => {} });
  const first = new Recorder();
  client.openStream(requestFields, Buffer.from("first"), first);
  await until(() => streams.length === 1, "the first stream");
  server.close();
  // The client has not heard of it yet: this one is accepted.
  const second = new Recorder();
  client.openStream(requestFields, Buffer.from("second"), second);
  await until(() => !client.isOpen, "the goodbye");
  await until(() => listeners[1]?.text === "second", "the second stream");
  streams[1]!.sendReply(replyHeaders, Buffer.from("2"), replyTrailers);
  await second.expect("end");
  assert.equal(closedWith, "nothing");
  streams[0]!.sendReply(replyHeaders, Buffer.from("1"), replyTrailers);
  await first.expect("end");
  await until(() => closedWith === undefined, "the end of the connection");
});

test("a client that closes finishes its streams first", async () => {
  const { options, streams } = recorded();
  let isClosed = false;
  const { client } = pair(options, { onClose: () => (isClosed = true) });
  const reply = new Recorder();
  client.openStream(requestFields, Buffer.from("x"), reply);
  client.close();
  assert.equal(client.isOpen, false);
  await until(() => streams.length === 1, "the stream");
  assert.equal(isClosed, false);
  streams[0]!.sendReply(replyHeaders, Buffer.from("y"), replyTrailers);
  await reply.expect("end");
  await until(() => isClosed, "the end of the connection");
});

test("streams learn why their connection ended", async () => {
  const { options, streams, listeners } = recorded();
  const [one, other] = duplexPair();
  const server = new ServerSession(one, options);
  const client = new ClientSession(other);
  const reply = new Recorder();
  client.openStream(requestFields, Buffer.from("x"), reply);
  await until(() => streams.length === 1, "the stream");
  server.destroy(ErrorCode.INTERNAL_ERROR);
  assert.equal(await listeners[0]!.expect("reset"), "reset 2 CLEW_HTTP2_CONNECTION_CLOSED");
  assert.match(await reply.expect("reset"), /CLEW_HTTP2_(CONNECTION_LOST|GOAWAY)/);

  const next = recorded();
  const pairs = pair(next.options);
  const lost = new Recorder();
  pairs.client.openStream(requestFields, Buffer.from("x"), lost);
  await until(() => next.streams.length === 1, "the stream");
  pairs.client.destroy();
  assert.equal(await lost.expect("reset"), "reset 0 CLEW_HTTP2_CONNECTION_CLOSED");
  assert.match(await next.listeners[0]!.expect("reset"), /CLEW_HTTP2_CONNECTION_LOST/);
});

test("a listener that throws loses its stream; the error is reported, the others go on", async () => {
  const errors: unknown[] = [];
  const { client } = pair({
    accept(stream, fields) {
      if (fields.includes("accept")) throw new Error("in accept");
      const listener = echo(stream);
      if (fields.includes("data")) {
        listener.onData = () => {
          throw new Error("in onData");
        };
      }
      return listener;
    },
    onListenerError: (error) => void errors.push((error as Error).message),
  });
  const replies = ["accept", "data", "neither"].map((where) => {
    const reply = new Recorder();
    client.openStream([...requestFields, "x-throw", where], Buffer.from("x"), reply);
    return reply;
  });
  assert.equal(await replies[0]!.expect("reset"), "reset 2");
  assert.equal(await replies[1]!.expect("reset"), "reset 2");
  await replies[2]!.expect("end");
  assert.deepEqual(errors, ["in accept", "in onData"]);
  client.destroy();
});

test("a ping measures the round trip", async () => {
  let pinged = 0;
  const { client } = pair({ accept: echo, onPing: () => pinged++ });
  const answers: number[] = [];
  client.ping((ms) => answers.push(ms));
  client.ping((ms) => answers.push(ms));
  await until(() => answers.length === 2, "the answers");
  assert.equal(pinged, 2);
  assert.ok(answers.every((ms) => ms >= 0));
  client.destroy();
});

test("header lists over the limit: the server answers 431 or as told, the client ends the stream", async () => {
  const long = [...requestFields, "x-long", "y".repeat(2000)];
  const { client } = pair({ accept: echo, limits: { maxHeaderListBytes: 1000 } });
  const reply = new Recorder();
  client.openStream(long, Buffer.from("x"), reply);
  await reply.expect("end");
  assert.equal(reply.events[0], "headers :status 431");
  const again = new Recorder();
  client.openStream(requestFields, Buffer.from("fine"), again);
  await again.expect("end");
  client.destroy();

  const seen: string[] = [];
  const told = pair({
    accept: echo,
    limits: { maxHeaderListBytes: 1000 },
    refuse(stream, fields) {
      seen.push(fields[5]!);
      stream.sendHeaders([":status", "200", "grpc-status", "8"], true);
    },
  });
  const refused = new Recorder();
  told.client.openStream(long, Buffer.from("x"), refused);
  assert.equal(await refused.expect("headers"), "headers :status 200 grpc-status 8");
  assert.deepEqual(seen, ["/a.B/C"]);
  told.client.destroy();

  const small = pair(
    {
      accept(stream) {
        stream.sendHeaders([...replyHeaders, "x", "y".repeat(2000)], true);
        return new Recorder();
      },
    },
    { limits: { maxHeaderListBytes: 1000 } },
  );
  const lost = new Recorder();
  small.client.openStream(requestFields, Buffer.from("x"), lost);
  assert.equal(await lost.expect("reset"), "reset 11 ProtocolError");
  small.client.destroy();
});

test("a header block that no frame can hold goes in several", async () => {
  const { client } = pair({ accept: echo, limits: { maxHeaderListBytes: 100_000 } });
  const fields = [...requestFields];
  for (let i = 0; i < 60; i++) fields.push(`x-${i}`, "v".repeat(1000));
  const reply = new Recorder();
  client.openStream(fields, Buffer.from("x"), reply);
  await reply.expect("end");
  client.destroy();
});

test("bytes that were read before the session got the socket are not lost", async () => {
  const [one, other] = duplexPair();
  const reply = new Recorder();
  const client = new ClientSession(other);
  client.openStream(requestFields, Buffer.from("hello"), reply);
  const head = await new Promise<Buffer>((resolve) => one.once("data", (chunk: Buffer) => resolve(chunk)));
  one.pause();
  new ServerSession(one, { accept: echo, head });
  one.resume();
  await reply.expect("end");
  assert.equal(reply.text, "hello");
  client.destroy();
});

test("destroying says goodbye with a code and words", async () => {
  const goodbyes: string[] = [];
  const { options } = recorded();
  const { server, client } = pair(options, { onGoAway: (code, debug) => goodbyes.push(`${code} ${debug}`) });
  server.destroy(ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings");
  await until(() => goodbyes.length > 0, "the goodbye");
  assert.deepEqual(goodbyes, ["11 too_many_pings"]);
  client.destroy();
});
