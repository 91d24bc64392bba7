import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ErrorCode, type LimitOptions, type ServerSessionOptions } from "@clew/http2";
import { echo, Recorder, replyHeaders, replyTrailers } from "./echo.ts";
import {
  END_HEADERS,
  END_STREAM,
  frame,
  listen,
  type RawPeer,
  requestFields,
  setting,
  type TestServer,
  Type,
} from "./raw-peer.ts";
import { until } from "./until.ts";

// Every attack runs against a server that also serves an honest peer over another connection, with budgets a tenth of the
// defaults, so that the suite is quick.
const limits: LimitOptions = {
  resetBurst: 100,
  resetsPerSecond: 0,
  controlBurst: 100,
  controlsPerSecond: 0,
  idleFrameBurst: 1000,
  idleFramesPerSecond: 0,
  maxPendingBytes: 1_000_000,
  maxHeldBytes: 500_000,
  stallTimeoutMs: 200,
};

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that are held: what only waits for its collection is no part of them, however long that takes. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

let server: TestServer;
let honest: RawPeer;
let honestId = 1;
let accepted = 0;
let handler: ServerSessionOptions["accept"] = echo;
const closed: (Error | undefined)[] = [];

before(async () => {
  server = await listen(() => ({
    limits,
    accept(stream, fields) {
      accepted++;
      return fields.includes("honest") ? echo(stream) : handler(stream, fields);
    },
    onClose: (error) => void closed.push(error),
  }));
  honest = (await server.connect()).greet();
  await serveHonest();
});

after(() => server.close());

async function serveHonest(): Promise<void> {
  const id = honestId;
  honestId += 2;
  honest.send(honest.headers(id, 0, [...requestFields, "x", "honest"]), frame(Type.DATA, END_STREAM, id, "hello"));
  const data = await honest.expect(Type.DATA, (one) => one.id === id);
  assert.equal(data.payload.toString(), "hello");
}

/** Runs an attack over a connection of its own; it must end with `code` while the honest peer is served, memory bounded. */
function attack(
  name: string,
  code: number | "cut off",
  run: (peer: RawPeer) => void | Promise<void>,
  accept: ServerSessionOptions["accept"] = echo,
): void {
  test(name, async () => {
    handler = accept;
    const peer = await server.connect();
    const before = heldBytes();
    const busy = process.cpuUsage();
    const sessions = server.sessions.size;
    const running = Promise.resolve(run(peer));
    await serveHonest();
    await running;
    if (code === "cut off") await peer.expectClose();
    else assert.equal(await peer.expectGoAway(), code);
    await until(() => server.sessions.size < sessions, "the end of the session");
    await serveHonest();
    const grown = heldBytes() - before;
    assert.ok(grown < 96 * 1024 * 1024, `memory grew by ${grown} bytes`);
    const { user } = process.cpuUsage(busy);
    assert.ok(user < 10_000_000, `${user} us of CPU`);
  });
}

/** Sends frames in bursts until the server closes, or far more than any budget were sent. */
async function flood(peer: RawPeer, make: (i: number) => Buffer, count = 20_000): Promise<void> {
  for (let i = 0; i < count && !peer.isClosed; ) {
    const burst: Buffer[] = [];
    for (let k = 0; k < 100; k++) burst.push(make(i++));
    peer.send(...burst);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const waiting: ServerSessionOptions["accept"] = () => new Recorder();
const calm = ErrorCode.ENHANCE_YOUR_CALM;

attack(
  "rapid reset: streams opened and cut off at once (CVE-2023-44487)",
  calm,
  (peer) => {
    peer.greet();
    accepted = 0;
    return flood(peer, (i) =>
      Buffer.concat([peer.headers(2 * i + 1, 0), frame(Type.RST_STREAM, 0, 2 * i + 1, 8)]),
    ).then(() => {
      assert.ok(accepted < 500, `${accepted} streams reached the application`);
    });
  },
  waiting,
);

attack(
  "made you reset: streams broken so that the server cuts them off (CVE-2025-8671)",
  calm,
  (peer) => {
    peer.greet();
    return flood(peer, (i) =>
      Buffer.concat([peer.headers(2 * i + 1, END_STREAM), frame(Type.WINDOW_UPDATE, 0, 2 * i + 1, 0)]),
    );
  },
  waiting,
);

attack(
  "made you reset, by data after the end",
  calm,
  (peer) => {
    peer.greet();
    return flood(peer, (i) =>
      Buffer.concat([peer.headers(2 * i + 1, END_STREAM), frame(Type.DATA, 0, 2 * i + 1, "x")]),
    );
  },
  waiting,
);

attack(
  "made you reset, by windows that overflow",
  calm,
  (peer) => {
    peer.greet();
    return flood(peer, (i) =>
      Buffer.concat([peer.headers(2 * i + 1, END_STREAM), frame(Type.WINDOW_UPDATE, 0, 2 * i + 1, 0x7fffffff)]),
    );
  },
  waiting,
);

attack(
  "streams over the limit, again and again",
  calm,
  (peer) => {
    peer.greet();
    return flood(peer, (i) => peer.headers(2 * i + 1, 0));
  },
  waiting,
);

attack("a header block without end (CONTINUATION flood)", calm, (peer) => {
  peer.greet();
  peer.send(frame(Type.HEADERS, 0, 1, peer.block(requestFields)));
  return flood(peer, (i) => frame(Type.CONTINUATION, 0, 1, peer.block([`x-${i}`, "y".repeat(100)])));
});

attack("a header block of empty CONTINUATION frames", calm, (peer) => {
  peer.greet();
  peer.send(frame(Type.HEADERS, 0, 1, peer.block(requestFields)));
  return flood(peer, () => frame(Type.CONTINUATION, 0, 1));
});

attack("a header block far over the limit of lists", calm, (peer) => {
  peer.greet();
  peer.send(frame(Type.HEADERS, 0, 1, peer.block(requestFields)));
  return flood(peer, () => frame(Type.CONTINUATION, 0, 1, Buffer.alloc(16_000, 0x82)));
});

attack("header blocks that are no HPACK", ErrorCode.COMPRESSION_ERROR, (peer) => {
  peer.greet();
  peer.send(frame(Type.HEADERS, END_HEADERS, 1, Buffer.from("ffffffffff", "hex")));
});

attack("PING flood (CVE-2019-9512)", calm, (peer) => {
  peer.greet();
  return flood(peer, () => frame(Type.PING, 0, 0, "12345678"));
});

attack("SETTINGS flood (CVE-2019-9515)", calm, (peer) => {
  peer.greet();
  return flood(peer, () => frame(Type.SETTINGS, 0, 0));
});

attack(
  "flood of SETTINGS that change the windows of many streams",
  calm,
  (peer) => {
    peer.greet();
    for (let i = 0; i < 500; i++) peer.send(peer.headers(2 * i + 1, 0));
    return flood(peer, (i) => frame(Type.SETTINGS, 0, 0, setting(4, 1000 + (i % 2))));
  },
  waiting,
);

attack("SETTINGS acknowledgements nobody asked for", calm, (peer) => {
  peer.greet();
  return flood(peer, () => frame(Type.SETTINGS, 1, 0));
});

attack("PRIORITY flood", calm, (peer) => {
  peer.greet();
  return flood(peer, (i) => frame(Type.PRIORITY, 0, 2 * i + 1, Buffer.from([0, 0, 0, 0, 16])));
});

attack(
  "empty DATA flood (CVE-2019-9518)",
  calm,
  (peer) => {
    peer.greet();
    peer.send(peer.headers(1, 0));
    return flood(peer, () => frame(Type.DATA, 0, 1));
  },
  waiting,
);

attack(
  "DATA of nothing but padding",
  calm,
  (peer) => {
    peer.greet();
    peer.send(peer.headers(1, 0));
    return flood(peer, () => frame(Type.DATA, 8, 1, Buffer.from([3, 0, 0, 0])));
  },
  waiting,
);

attack("WINDOW_UPDATE flood", calm, (peer) => {
  peer.greet();
  return flood(peer, () => frame(Type.WINDOW_UPDATE, 0, 0, 1));
});

attack("frames of unknown types", calm, (peer) => {
  peer.greet();
  return flood(peer, () => frame(200, 0, 0, "x"));
});

attack(
  "data dribble: a reply asked for byte by byte (CVE-2019-9511)",
  calm,
  (peer) => {
    peer.greet(setting(4, 0));
    peer.send(peer.headers(1, END_STREAM));
    return flood(peer, () => frame(Type.WINDOW_UPDATE, 0, 1, 1));
  },
  (stream) => {
    stream.sendReply(replyHeaders, Buffer.alloc(200_000), replyTrailers);
    return new Recorder();
  },
);

attack(
  "zero window: replies asked for and never taken",
  calm,
  (peer) => {
    peer.greet(setting(4, 0));
    return flood(peer, (i) => peer.headers(2 * i + 1, END_STREAM), 1000);
  },
  (stream) => {
    stream.sendReply(replyHeaders, Buffer.alloc(100_000), replyTrailers);
    return new Recorder();
  },
);

attack(
  "slow read: replies asked for by a peer that reads nothing",
  "cut off",
  async (peer) => {
    peer.socket.pause();
    peer.greet(Buffer.concat([setting(4, 0x7fffffff)]));
    peer.send(frame(Type.WINDOW_UPDATE, 0, 0, 0x70000000));
    const before = closed.length;
    // Each reply is below the limit of what may wait; together they fill the socket.
    for (let i = 0; i < 200 && closed.length === before; i++) {
      peer.send(peer.headers(2 * i + 1, END_STREAM));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => closed.length > before, "the end of the session");
    peer.socket.resume();
  },
  (stream) => {
    stream.sendReply(replyHeaders, Buffer.alloc(100_000), replyTrailers);
    return new Recorder();
  },
);

attack("PING flood by a peer that reads nothing", "cut off", async (peer) => {
  peer.socket.pause();
  peer.greet();
  const before = closed.length;
  await flood(peer, () => frame(Type.PING, 0, 0, "12345678"), 5000);
  await until(() => closed.length > before, "the end of the session");
  peer.socket.resume();
});

test("a connection that says nothing", async () => {
  const impatient = await listen(() => ({ limits: { prefaceTimeoutMs: 300 }, accept: echo }));
  const peer = await impatient.connect();
  assert.equal(await peer.expectGoAway(), ErrorCode.SETTINGS_TIMEOUT);
  await until(() => impatient.sessions.size === 0, "the end of the session");
  await serveHonest();
  await impatient.close();
});

attack("a connection that speaks HTTP/1.1", ErrorCode.PROTOCOL_ERROR, (peer) => {
  peer.send(Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
});

attack("a frame larger than allowed", ErrorCode.FRAME_SIZE_ERROR, (peer) => {
  peer.greet();
  peer.send(peer.headers(1, 0), frame(Type.DATA, 0, 1, Buffer.alloc(16_385)));
});

attack("frames of another stream inside a header block", ErrorCode.PROTOCOL_ERROR, (peer) => {
  peer.greet();
  peer.send(frame(Type.HEADERS, 0, 1, peer.block(requestFields)), peer.headers(3, END_STREAM));
});

attack(
  "more data than the connection's window",
  ErrorCode.FLOW_CONTROL_ERROR,
  (peer) => {
    peer.greet();
    for (let i = 0; i < 8; i++) peer.send(peer.headers(2 * i + 1, 0));
    return flood(peer, (i) => frame(Type.DATA, 0, 2 * (i % 8) + 1, Buffer.alloc(16_384)), 1300);
  },
  (stream) => {
    stream.pause();
    return new Recorder();
  },
);

test("more data than a stream's window costs that stream only", async () => {
  handler = (stream) => {
    stream.pause();
    return new Recorder();
  };
  const peer = (await server.connect()).greet();
  peer.send(peer.headers(1, 0));
  for (let i = 0; i < 17; i++) peer.send(frame(Type.DATA, 0, 1, Buffer.alloc(16_384)));
  const reset = await peer.expect(Type.RST_STREAM);
  assert.equal(reset.payload.readUInt32BE(), ErrorCode.FLOW_CONTROL_ERROR);
  handler = echo;
  peer.send(peer.headers(3, END_STREAM));
  await peer.expect(Type.HEADERS, (one) => one.id === 3);
});

test("HPACK bombs are refused one by one, and the connection stays of use", async () => {
  handler = echo;
  const peer = (await server.connect()).greet();
  // One field of 4000 bytes enters the table; each bomb names it 15_000 times, 60 MB of fields.
  peer.send(peer.headers(1, END_STREAM), peer.headers(3, END_STREAM, [...requestFields, "bomb", "b".repeat(1900)]));
  const bomb = Buffer.concat([peer.block(requestFields), Buffer.alloc(15_000, 0x80 | 62)]);
  const before = heldBytes();
  for (let id = 5; id < 205; id += 2) {
    peer.send(frame(Type.HEADERS, END_STREAM | END_HEADERS, id, bomb));
    const headers = await peer.expect(Type.HEADERS, (one) => one.id === id);
    assert.equal(peer.fieldsOf(headers)[1], "431");
  }
  assert.ok(heldBytes() - before < 96 * 1024 * 1024);
  peer.send(peer.headers(205, END_STREAM));
  await peer.expect(Type.HEADERS, (one) => one.id === 205);
  await serveHonest();
});

test("a finished reply that is not taken costs its stream, when little waits", async () => {
  handler = (stream) => {
    stream.sendReply(replyHeaders, Buffer.alloc(1000), replyTrailers);
    return new Recorder();
  };
  const peer = (await server.connect()).greet(setting(4, 0));
  peer.send(peer.headers(1, END_STREAM));
  const reset = await peer.expect(Type.RST_STREAM);
  assert.equal(reset.payload.readUInt32BE(), calm);
});

test("a stream that is being written to may be left alone by its reader for long", async () => {
  handler = (stream) => {
    stream.sendHeaders(replyHeaders, false);
    stream.sendData(Buffer.alloc(1000));
    return new Recorder();
  };
  const peer = (await server.connect()).greet(setting(4, 0));
  peer.send(peer.headers(1, END_STREAM));
  await new Promise((resolve) => setTimeout(resolve, 700)); // More than three times as long as a finished reply may lie.
  peer.send(frame(Type.WINDOW_UPDATE, 0, 1, 5000));
  assert.equal((await peer.expect(Type.DATA)).payload.length, 1000);
});

test("streams never ended are bounded by the limit of streams, and end with their connection", async () => {
  const listeners: Recorder[] = [];
  handler = () => {
    listeners.push(new Recorder());
    return listeners.at(-1)!;
  };
  const peer = (await server.connect()).greet();
  for (let i = 0; i < 1050; i++) peer.send(peer.headers(2 * i + 1, 0));
  for (let i = 0; i < 50; i++) {
    const refused = await peer.expect(Type.RST_STREAM);
    assert.equal(refused.payload.readUInt32BE(), ErrorCode.REFUSED_STREAM);
  }
  assert.equal(listeners.length, 1000);
  peer.socket.destroy();
  for (const listener of listeners) await listener.expect("reset");
});

test("an honest peer may reset, ping and update as long as it also works", async () => {
  handler = echo;
  const peer = (await server.connect()).greet();
  for (let i = 0; i < 1000; i++) {
    const id = 4 * i + 1;
    peer.send(
      peer.headers(id, 0),
      frame(Type.DATA, END_STREAM, id, "hello"),
      frame(Type.PING, 0, 0, "12345678"),
      frame(Type.WINDOW_UPDATE, 0, 0, 5),
    );
    if (i % 2 === 0) peer.send(peer.headers(id + 2, 0), frame(Type.RST_STREAM, 0, id + 2, 8));
    if (i % 50 === 49) await peer.expect(Type.DATA, (one) => one.id === id);
  }
});
