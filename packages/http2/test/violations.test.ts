import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { after, test } from "node:test";
import { ClientSession, ErrorCode, type Violation, violations } from "@clew/http2";
import { echo, Recorder } from "./echo.ts";
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  frame,
  preface,
  RawPeer,
  requestFields,
  serveRaw,
  setting,
  Type,
} from "./raw-peer.ts";
import { until } from "./until.ts";

// One row for each violation of the table in errors.ts and more: what the peer sends, and which violation it is. What the
// table says about it (error code, stream or connection) must then be on the wire.
type Row = readonly [violation: Violation, name: string, send: (peer: RawPeer) => Buffer[]];

const seen = new Set<Violation>();
const open = (peer: RawPeer, fields?: readonly string[]): Buffer => peer.headers(1, 0, fields);
const ended = (peer: RawPeer): Buffer => peer.headers(1, END_STREAM);
const without = (name: string): string[] => {
  const at = requestFields.indexOf(name);
  return requestFields.filter((_, i) => i !== at && i !== at + 1);
};
const withFields = (name: string, fields: readonly string[]): Row => [
  "MALFORMED",
  name,
  (peer) => [open(peer, fields)],
];

const byClients: Row[] = [
  ["FRAME_TOO_LARGE", "DATA", (peer) => [open(peer), frame(Type.DATA, 0, 1, Buffer.alloc(16_385))]],
  ["FRAME_LENGTH", "RST_STREAM", (peer) => [open(peer), frame(Type.RST_STREAM, 0, 1, "abc")]],
  ["FRAME_LENGTH", "PING", () => [frame(Type.PING, 0, 0, "1234567")]],
  ["FRAME_LENGTH", "GOAWAY", () => [frame(Type.GOAWAY, 0, 0, "1234567")]],
  ["FRAME_LENGTH", "WINDOW_UPDATE", () => [frame(Type.WINDOW_UPDATE, 0, 0, "123")]],
  ["FRAME_LENGTH", "padded DATA of no byte", (peer) => [open(peer), frame(Type.DATA, 8, 1)]],
  ["FRAME_LENGTH", "padded HEADERS of no byte", () => [frame(Type.HEADERS, 8 | END_HEADERS, 1)]],
  ["PRIORITY_LENGTH", "PRIORITY", (peer) => [open(peer), frame(Type.PRIORITY, 0, 1, "1234")]],
  ["PADDING", "DATA", (peer) => [open(peer), frame(Type.DATA, 8, 1, Buffer.from([3, 0, 0]))]],
  ["PADDING", "HEADERS", () => [frame(Type.HEADERS, 8 | END_HEADERS, 1, Buffer.from([3, 0x82, 0x84]))]],
  [
    "PADDING",
    "HEADERS with priority",
    () => [frame(Type.HEADERS, 0x28 | END_HEADERS, 1, Buffer.from([3, 0, 0, 0, 0, 0, 0]))],
  ],
  ["STREAM_ZERO", "DATA", () => [frame(Type.DATA, 0, 0, "x")]],
  ["STREAM_ZERO", "HEADERS", (peer) => [peer.headers(0, 0)]],
  ["STREAM_ZERO", "PRIORITY", () => [frame(Type.PRIORITY, 0, 0, Buffer.alloc(5))]],
  ["STREAM_ZERO", "RST_STREAM", () => [frame(Type.RST_STREAM, 0, 0, 8)]],
  ["STREAM_ZERO", "CONTINUATION", () => [frame(Type.CONTINUATION, 0, 0, "x")]],
  ["NOT_STREAM_ZERO", "SETTINGS", () => [frame(Type.SETTINGS, 0, 1)]],
  ["NOT_STREAM_ZERO", "PING", () => [frame(Type.PING, 0, 1, "12345678")]],
  ["NOT_STREAM_ZERO", "GOAWAY", () => [frame(Type.GOAWAY, 0, 1, "12345678")]],
  [
    "BLOCK_INTERRUPTED",
    "by PING",
    (peer) => [frame(Type.HEADERS, 0, 1, peer.block(requestFields)), frame(Type.PING, 0, 0, "12345678")],
  ],
  ["CONTINUATION_ALONE", "CONTINUATION", () => [frame(Type.CONTINUATION, END_HEADERS, 1, "x")]],
  ["COMPRESSION", "index 0", () => [frame(Type.HEADERS, END_HEADERS, 1, Buffer.from([0x80]))]],
  ["PUSH", "PUSH_PROMISE", () => [frame(Type.PUSH_PROMISE, 0, 1, "12345678")]],
  ["STREAM_ID_PARITY", "even", (peer) => [peer.headers(2, 0)]],
  ["STREAM_IDLE", "DATA", () => [frame(Type.DATA, 0, 5, "x")]],
  ["STREAM_IDLE", "RST_STREAM", () => [frame(Type.RST_STREAM, 0, 5, 8)]],
  ["STREAM_IDLE", "WINDOW_UPDATE", () => [frame(Type.WINDOW_UPDATE, 0, 5, 8)]],
  ["STREAM_HALF_CLOSED", "DATA", (peer) => [ended(peer), frame(Type.DATA, 0, 1, "x")]],
  ["STREAM_HALF_CLOSED", "HEADERS", (peer) => [ended(peer), peer.headers(1, END_STREAM, ["a", "b"])]],
  [
    "STREAM_OVER",
    "HEADERS after a reset",
    (peer) => [open(peer), frame(Type.RST_STREAM, 0, 1, 8), peer.headers(1, END_STREAM)],
  ],
  [
    "STREAM_OVER",
    "DATA after a reset",
    (peer) => [open(peer), frame(Type.RST_STREAM, 0, 1, 8), frame(Type.DATA, 0, 1, "x")],
  ],
  ["STREAM_OVER", "HEADERS on a number that was skipped", (peer) => [peer.headers(3, 0), peer.headers(1, 0)]],
  [
    "STREAM_DEPENDS_ON_ITSELF",
    "HEADERS",
    (peer) => [
      frame(
        Type.HEADERS,
        0x20 | END_HEADERS,
        1,
        Buffer.concat([Buffer.from([0, 0, 0, 1, 0]), peer.block(requestFields)]),
      ),
    ],
  ],
  ["PRIORITY_OF_ITSELF", "PRIORITY", () => [frame(Type.PRIORITY, 0, 1, Buffer.from([0, 0, 0, 1, 0]))]],
  ["STREAM_LIMIT", "a third stream", (peer) => [peer.headers(3, 0), peer.headers(5, 0), peer.headers(1 + 6, 0)]],
  ["SETTINGS_ACK_LENGTH", "ACK", () => [frame(Type.SETTINGS, ACK, 0, setting(1, 1))]],
  ["SETTINGS_LENGTH", "SETTINGS", () => [frame(Type.SETTINGS, 0, 0, "12345")]],
  ["SETTING_ENABLE_PUSH", "2", () => [frame(Type.SETTINGS, 0, 0, setting(2, 2))]],
  ["SETTING_INITIAL_WINDOW", "2^31", () => [frame(Type.SETTINGS, 0, 0, setting(4, 0x80000000))]],
  ["SETTING_MAX_FRAME", "16383", () => [frame(Type.SETTINGS, 0, 0, setting(5, 16_383))]],
  ["SETTING_MAX_FRAME", "2^24", () => [frame(Type.SETTINGS, 0, 0, setting(5, 0x1000000))]],
  ["WINDOW_ZERO_INCREMENT", "stream", (peer) => [open(peer), frame(Type.WINDOW_UPDATE, 0, 1, 0)]],
  ["WINDOW_ZERO_INCREMENT_CONNECTION", "connection", () => [frame(Type.WINDOW_UPDATE, 0, 0, 0)]],
  ["WINDOW_OVERFLOW", "stream", (peer) => [open(peer), frame(Type.WINDOW_UPDATE, 0, 1, 0x7fffffff)]],
  ["WINDOW_OVERFLOW_CONNECTION", "connection", () => [frame(Type.WINDOW_UPDATE, 0, 0, 0x7fffffff)]],
  [
    "WINDOW_OVERFLOW_CONNECTION",
    "settings",
    (peer) => [
      open(peer),
      frame(Type.WINDOW_UPDATE, 0, 1, 0x7fff0000),
      frame(Type.SETTINGS, 0, 0, setting(4, 0x7fffffff)),
    ],
  ],
  withFields("an unknown pseudo-header", [":x", "1", ...requestFields]),
  withFields("a pseudo-header twice", [":method", "POST", ...requestFields]),
  withFields("a pseudo-header last", [...requestFields, ":authority", "x"]),
  withFields("a response's pseudo-header", [":status", "200", ...requestFields]),
  withFields("no method", without(":method")),
  withFields("no path", without(":path")),
  withFields("no scheme", without(":scheme")),
  withFields("a CONNECT with a path", [":method", "CONNECT", ":authority", "x", ":path", "/"]),
  withFields("connection", [...requestFields, "connection", "close"]),
  withFields("keep-alive", [...requestFields, "keep-alive", "1"]),
  withFields("upgrade", [...requestFields, "upgrade", "x"]),
  withFields("transfer-encoding", [...requestFields, "transfer-encoding", "chunked"]),
  withFields("proxy-connection", [...requestFields, "proxy-connection", "x"]),
  withFields("te gzip", [...requestFields, "te", "gzip"]),
  withFields("content-length x", [...requestFields, "content-length", "x"]),
  withFields("two content-lengths", [...requestFields, "content-length", "1", "content-length", "2"]),
  [
    "MALFORMED",
    "an upper-case name",
    (peer) => [
      frame(Type.HEADERS, END_HEADERS, 1, Buffer.concat([peer.block(requestFields), Buffer.from("0001410131", "hex")])),
    ],
  ],
  ["MALFORMED", "a pseudo-header in trailers", (peer) => [open(peer), peer.headers(1, END_STREAM, [":path", "/"])]],
  [
    "CONTENT_LENGTH",
    "too much",
    (peer) => [open(peer, [...requestFields, "content-length", "2"]), frame(Type.DATA, 0, 1, "abc")],
  ],
  [
    "CONTENT_LENGTH",
    "too little",
    (peer) => [open(peer, [...requestFields, "content-length", "2"]), frame(Type.DATA, END_STREAM, 1, "a")],
  ],
  [
    "CONTENT_LENGTH",
    "too little, then trailers",
    (peer) => [open(peer, [...requestFields, "content-length", "2"]), peer.headers(1, END_STREAM, ["a", "b"])],
  ],
  ["CONTENT_LENGTH", "nothing", (peer) => [peer.headers(1, END_STREAM, [...requestFields, "content-length", "2"])]],
  ["TRAILERS_WITHOUT_END", "trailers", (peer) => [open(peer), peer.headers(1, 0, ["a", "b"])]],
  ["HEADERS_TOO_LARGE", "trailers", (peer) => [open(peer), peer.headers(1, END_STREAM, ["a", "b".repeat(5000)])]],
];

for (const [violation, name, send] of byClients) {
  test(`a client's ${violation}: ${name}`, async () => {
    seen.add(violation);
    const errors: string[] = [];
    const { peer, session } = serveRaw({
      limits: { maxConcurrentStreams: 2, maxHeaderListBytes: 4000 },
      accept: () => ({
        onData() {},
        onEnd() {},
        onReset: (_code, error) => void errors.push(error?.message ?? ""),
        onDrain() {},
      }),
    });
    peer.greet();
    peer.send(...send(peer));
    await expectAnswer(peer, violation);
    // The text of the table reaches whoever lost a stream.
    for (const error of errors) assert.ok(error === "" || error.includes(violations[violation][3]), error);
    session.destroy();
  });
}

async function expectAnswer(peer: RawPeer, violation: Violation): Promise<void> {
  const [code, scope] = violations[violation];
  if (scope === "connection") {
    assert.equal(await peer.expectGoAway(), ErrorCode[code]);
    await peer.expectClose();
    return;
  }
  const reset = await peer.expect(Type.RST_STREAM);
  assert.equal(reset.payload.readUInt32BE(), ErrorCode[code]);
  // The connection lives.
  peer.send(frame(Type.PING, 0, 0, "12345678"));
  await peer.expect(Type.PING, (one) => one.flags === ACK);
}

for (const [violation, first] of [
  ["PREFACE", Buffer.from("PRI * HTTP/2.0\r\n\r\nXX")],
  ["SETTINGS_FIRST", Buffer.concat([Buffer.from(preface), frame(Type.PING, 0, 0, "12345678")])],
  ["SETTINGS_FIRST", Buffer.concat([Buffer.from(preface), frame(Type.SETTINGS, ACK, 0)])],
] as const) {
  test(`a client's ${violation}, whole or byte by byte`, async () => {
    seen.add(violation);
    for (const chunks of [[first], [...first].map((byte) => Buffer.from([byte]))]) {
      const { peer } = serveRaw({ accept: echo });
      peer.send(...[]);
      for (const chunk of chunks) peer.send(chunk);
      await expectAnswer(peer, violation);
    }
  });
}

// A server's faults, seen from a client that has opened stream 1.
const reply = [":status", "200", "content-type", "x"];
const byServers: Row[] = [
  ["SETTINGS_FIRST", "PING", () => [frame(Type.PING, 0, 0, "12345678")]],
  ["SETTING_ENABLE_PUSH", "1", () => [frame(Type.SETTINGS, 0, 0, setting(2, 1))]],
  ["PUSH", "PUSH_PROMISE", () => [frame(Type.PUSH_PROMISE, END_HEADERS, 1, "12345678")]],
  ["STREAM_IDLE", "HEADERS", (peer) => [peer.headers(3, 0, reply)]],
  ["STREAM_IDLE", "HEADERS on an even stream", (peer) => [peer.headers(2, 0, reply)]],
  ["STREAM_IDLE", "DATA", () => [frame(Type.DATA, 0, 7, "x")]],
  ["DATA_BEFORE_HEADERS", "DATA", () => [frame(Type.DATA, 0, 1, "x")]],
  ["STREAM_HALF_CLOSED", "DATA", (peer) => [peer.headers(1, END_STREAM, reply), frame(Type.DATA, 0, 1, "x")]],
  ["STREAM_HALF_CLOSED", "HEADERS", (peer) => [peer.headers(1, END_STREAM, reply), peer.headers(1, 0, reply)]],
  ["STREAM_OVER", "DATA", () => [frame(Type.RST_STREAM, 0, 1, 8), frame(Type.DATA, 0, 1, "x")]],
  ["STREAM_OVER", "HEADERS", (peer) => [frame(Type.RST_STREAM, 0, 1, 8), peer.headers(1, 0, reply)]],
  ["TRAILERS_WITHOUT_END", "trailers", (peer) => [peer.headers(1, 0, reply), peer.headers(1, 0, ["a", "b"])]],
  ["MALFORMED", "no status", (peer) => [peer.headers(1, 0, ["a", "b"])]],
  ["MALFORMED", "a status that is none", (peer) => [peer.headers(1, 0, [":status", "20"])]],
  ["MALFORMED", "a request's pseudo-header", (peer) => [peer.headers(1, 0, [":status", "200", ":path", "/"])]],
  ["MALFORMED", "101", (peer) => [peer.headers(1, 0, [":status", "101"])]],
  ["MALFORMED", "103 as the end", (peer) => [peer.headers(1, END_STREAM, [":status", "103"])]],
  ["MALFORMED", "a status in trailers", (peer) => [peer.headers(1, 0, reply), peer.headers(1, END_STREAM, reply)]],
  ["CONTENT_LENGTH", "nothing", (peer) => [peer.headers(1, END_STREAM, [...reply, "content-length", "1"])]],
  [
    "CONTENT_LENGTH",
    "too much",
    (peer) => [peer.headers(1, 0, [...reply, "content-length", "1"]), frame(Type.DATA, 0, 1, "ab")],
  ],
  ["HEADERS_TOO_LARGE", "headers", (peer) => [peer.headers(1, 0, [...reply, "x", "y".repeat(5000)])]],
  ["WINDOW_OVERFLOW", "stream", () => [frame(Type.WINDOW_UPDATE, 0, 1, 0x7fffffff)]],
];

for (const [violation, name, send] of byServers) {
  test(`a server's ${violation}: ${name}`, async () => {
    seen.add(violation);
    const [ours, theirs] = duplexPair();
    const peer = new RawPeer(theirs, preface.length);
    const client = new ClientSession(ours, { limits: { maxHeaderListBytes: 4000 } });
    const listener = new Recorder();
    client.openStream(requestFields, undefined, listener);
    if (violation !== "SETTINGS_FIRST") peer.send(frame(Type.SETTINGS, 0, 0));
    peer.send(...send(peer));
    await expectAnswer(peer, violation);
    await listener.expect("reset");
    client.destroy();
  });
}

test("a server's goodbye refuses what it did not look at, and lets the rest finish", async () => {
  const [ours, theirs] = duplexPair();
  const peer = new RawPeer(theirs, preface.length);
  const said: string[] = [];
  let isClosed = false;
  const client = new ClientSession(ours, {
    onGoAway: (code, debug) => void said.push(`${code} ${debug}`),
    onClose: () => (isClosed = true),
  });
  const [first, second] = [new Recorder(), new Recorder()];
  client.openStream(requestFields, Buffer.from("1"), first);
  client.openStream(requestFields, Buffer.from("2"), second);
  peer.send(frame(Type.SETTINGS, 0, 0), frame(Type.GOAWAY, 0, 0, Buffer.from("7fffffff00000000", "hex")));
  await until(() => said.length === 1, "the first goodbye");
  assert.deepEqual([client.isOpen, first.events, second.events], [false, [], []]);
  peer.send(
    frame(Type.GOAWAY, 0, 0, Buffer.concat([Buffer.from("000000010000000b", "hex"), Buffer.from("too_many_pings")])),
  );
  assert.equal(await second.expect("reset"), "reset 7 CLEW_HTTP2_GOAWAY");
  assert.deepEqual(said, ["0 ", "11 too_many_pings"]);
  assert.equal(isClosed, false);
  peer.send(peer.headers(1, END_STREAM, reply));
  await first.expect("end");
  await until(() => isClosed, "the end of the connection");
});

test("a stream opened after the last goodbye is not looked at, and harms nobody", async () => {
  const accepted: number[] = [];
  const { peer, session } = serveRaw({
    accept(stream) {
      accepted.push(stream.id);
      return echo(stream);
    },
  });
  peer.greet();
  peer.send(peer.headers(1, 0));
  await until(() => accepted.length === 1, "the stream");
  session.close();
  const ping = await peer.expect(Type.PING);
  peer.send(frame(Type.PING, ACK, 0, ping.payload));
  await peer.expect(Type.GOAWAY, (one) => one.payload.readUInt32BE() === 1);
  peer.send(
    peer.headers(3, 0),
    frame(Type.DATA, 0, 3, "x"),
    frame(Type.WINDOW_UPDATE, 0, 3, 1),
    frame(Type.RST_STREAM, 0, 3, 8),
  );
  peer.send(peer.headers(3, END_STREAM, ["a", "b"]), frame(Type.DATA, END_STREAM, 1, "hello"));
  assert.equal((await peer.expect(Type.DATA)).payload.toString(), "hello");
  assert.deepEqual(accepted, [1]);
  await peer.expectClose();
});

test("streams that a server never takes are gone when they are given up, and do not keep the connection", async () => {
  const [ours, theirs] = duplexPair();
  const peer = new RawPeer(theirs, preface.length);
  const closed = Promise.withResolvers<Error | undefined>();
  const client = new ClientSession(ours, { onClose: closed.resolve });
  // No stream at all.
  peer.send(frame(Type.SETTINGS, 0, 0, setting(3, 0)));
  await peer.expect(Type.SETTINGS, (one) => (one.flags & ACK) !== 0);
  const [first, ...others] = Array.from({ length: 5 }, () =>
    client.openStream(requestFields, undefined, new Recorder()),
  );
  for (const stream of others) stream.reset(ErrorCode.CANCEL);
  client.close();
  assert.equal(client.openStreams, 0);
  first!.reset(ErrorCode.CANCEL);
  assert.equal(await closed.promise, undefined);
});

test("what was given up while it waited makes way for what still waits", async () => {
  const [ours, theirs] = duplexPair();
  const peer = new RawPeer(theirs, preface.length);
  const client = new ClientSession(ours);
  peer.send(frame(Type.SETTINGS, 0, 0, setting(3, 1)));
  await peer.expect(Type.SETTINGS, (one) => (one.flags & ACK) !== 0);
  const listeners = Array.from({ length: 6 }, () => new Recorder());
  const streams = listeners.map((listener, index) =>
    client.openStream([...requestFields, "x", String(index)], new Uint8Array(0), listener),
  );
  for (const index of [1, 3, 4]) streams[index]!.reset(ErrorCode.CANCEL);
  for (const [index, id] of [
    [0, 1],
    [2, 3],
    [5, 5],
  ] as const) {
    const opened = await peer.expect(Type.HEADERS, (one) => one.id === id);
    assert.equal(peer.fieldsOf(opened).at(-1), String(index));
    peer.send(peer.headers(id, END_STREAM, reply));
    await listeners[index]!.expect("end");
  }
  client.destroy();
});

test("a reply to HEAD may promise bytes that do not come", async () => {
  const [ours, theirs] = duplexPair();
  const peer = new RawPeer(theirs, preface.length);
  const client = new ClientSession(ours);
  const listener = new Recorder();
  client.openStream([":method", "HEAD", ":scheme", "http", ":path", "/"], Buffer.alloc(0), listener);
  peer.send(frame(Type.SETTINGS, 0, 0), peer.headers(1, END_STREAM, [...reply, "content-length", "99"]));
  await listener.expect("end");
  client.destroy();
});

after(() => {
  // Those of the budgets are in attacks.test.ts.
  const elsewhere = [
    "WINDOW_EXCEEDED",
    "WINDOW_EXCEEDED_CONNECTION",
    "BLOCK_TOO_LARGE",
    "TOO_MANY_CONTINUATIONS",
    "TOO_MANY_RESETS",
    "TOO_MANY_CONTROLS",
    "TOO_MANY_IDLE_FRAMES",
    "STREAM_STALLED",
    "REQUEST_STALLED",
    "STALLED",
    "TOO_MUCH_PENDING",
    "TOO_MUCH_UNSENT",
    "PREFACE_TIMEOUT",
  ];
  assert.deepEqual(
    Object.keys(violations).filter((name) => !seen.has(name as Violation) && !elsewhere.includes(name)),
    [],
  );
});
