import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { promisify } from "node:util";
import { ClientSession, ServerSession } from "@clew/http2";
import { echo, Recorder, replyHeaders, replyTrailers } from "./echo.ts";
import { END_STREAM, frame, listen, RawPeer, requestFields, setting, Type } from "./raw-peer.ts";
import { until } from "./until.ts";

/** What a reply of stream `id` must look like, whatever its length. */
function pattern(id: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = id * 31 + i * 7;
  return bytes;
}

test("what waits for a slow reader is not overwritten by what comes after", async (t) => {
  const lengths = [10, 3000, 4096, 4097, 9000, 16_384, 20_000];
  const server = await listen(() => ({
    accept(stream) {
      stream.sendReply(replyHeaders, pattern(stream.id, lengths[stream.id % lengths.length]!), replyTrailers);
      return new Recorder();
    },
  }));
  t.after(() => server.close());
  const peer = await server.connect();
  peer.socket.pause();
  peer.greet(setting(4, 1 << 30));
  peer.send(frame(Type.WINDOW_UPDATE, 0, 0, 1 << 30));
  const count = 900;
  // In bursts, so that some replies go out while the socket still takes them and others when it does not.
  for (let i = 0; i < count; i++) {
    peer.send(peer.headers(2 * i + 1, END_STREAM));
    if (i % 30 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const [session] = server.sessions;
  await until(() => session!.openStreams > 0, "replies that wait");
  peer.socket.resume();
  const bodies = new Map<number, Buffer[]>();
  const headers = new Map<number, number>();
  for (let ended = 0; ended < count; ) {
    await until(() => peer.frames.length > 0, "a frame");
    for (const { type, id, flags, payload } of peer.frames.splice(0)) {
      if (type === Type.DATA) bodies.set(id, [...(bodies.get(id) ?? []), payload]);
      if (type === Type.HEADERS) headers.set(id, (headers.get(id) ?? 0) + 1);
      if (type === Type.HEADERS && (flags & END_STREAM) !== 0) ended++;
    }
  }
  for (let id = 1; id < 2 * count; id += 2) {
    const body = Buffer.concat(bodies.get(id) ?? []);
    assert.ok(body.equals(pattern(id, lengths[id % lengths.length]!)), `stream ${id}`);
    assert.equal(headers.get(id), 2, `headers and trailers of stream ${id}`);
  }
});

test("a turn's replies leave in one write", async () => {
  const [ours, theirs] = duplexPair();
  const peer = new RawPeer(theirs);
  let writes = 0;
  const write = ours.write.bind(ours) as (chunk: Buffer) => boolean;
  ours.write = ((chunk: Buffer) => {
    writes++;
    return write(chunk);
  }) as typeof ours.write;
  new ServerSession(ours, {
    accept(stream) {
      const inner = echo(stream);
      return {
        onData: (bytes) => inner.onData(bytes),
        async onEnd(trailers) {
          // Two awaits deep, as behind middleware.
          await undefined;
          await Promise.resolve();
          inner.onEnd(trailers);
        },
        onReset() {},
        onDrain() {},
      };
    },
  });
  peer.greet();
  await peer.expect(Type.SETTINGS, (one) => one.flags === 1);
  writes = 0;
  const requests: Buffer[] = [];
  for (let id = 1; id < 40; id += 2) requests.push(peer.headers(id, 0), frame(Type.DATA, END_STREAM, id, `body ${id}`));
  peer.send(...requests);
  for (let id = 1; id < 40; id += 2)
    await peer.expect(Type.DATA, (one) => one.id === id && one.payload.toString() === `body ${id}`);
  assert.equal(writes, 1);
  peer.socket.destroy();
});

test("a client with no stream does not keep its process alive, and one with a stream does", async () => {
  const server = await listen(() => ({ accept: echo }));
  const script = `
    import { connect } from "node:net";
    import { ClientSession } from "@clew/http2";
    const session = new ClientSession(connect(${server.port}, "127.0.0.1"));
    const listener = { onHeaders() {}, onData() {}, onEnd() { console.log("replied"); }, onReset() {}, onDrain() {} };
    session.openStream(${JSON.stringify(requestFields)}, Buffer.from("x"), listener);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    cwd: import.meta.dirname,
    timeout: 120_000,
  });
  assert.equal(stdout, "replied\n");
  await server.close();
});

test("an open stream survives a socket that is not connected yet", async () => {
  const [ours, theirs] = duplexPair();
  ours.cork();
  const client = new ClientSession(ours);
  const reply = new Recorder();
  client.openStream(requestFields, Buffer.from("early"), reply);
  new ServerSession(theirs, { accept: echo });
  await new Promise((resolve) => setImmediate(resolve));
  ours.uncork();
  await reply.expect("end");
  assert.equal(reply.text, "early");
  client.destroy();
});
