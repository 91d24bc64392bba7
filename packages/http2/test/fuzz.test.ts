import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { ClientSession, ServerSession } from "@clew/http2";
import { echo, Recorder } from "./echo.ts";
import { forSeeds, type Random } from "./random.ts";
import {
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

// CLEW_RUNS=100000 for a long night.
const runs = 150;

/** A plausible conversation of a client, sometimes with an implausible frame. */
function conversation(random: Random, peer: RawPeer): Buffer[] {
  const frames: Buffer[] = [];
  let nextId = 1;
  for (let i = random.below(30); i >= 0; i--) {
    const id = random.below(5) === 0 ? random.below(40) : Math.max(1, nextId - 2 * random.below(3));
    switch (random.below(10)) {
      case 0:
      case 1:
      case 2:
        frames.push(peer.headers(nextId, random.pick([0, END_STREAM]), [...requestFields, "x", `${random.below(4)}`]));
        nextId += 2;
        break;
      case 3:
        frames.push(frame(Type.DATA, random.pick([0, 0, END_STREAM, 8]), id, random.bytes(random.below(3000))));
        break;
      case 4:
        frames.push(frame(Type.WINDOW_UPDATE, 0, random.pick([0, id]), random.below(100_000)));
        break;
      case 5:
        frames.push(
          frame(
            Type.SETTINGS,
            random.below(2),
            0,
            random.pick([Buffer.alloc(0), setting(random.below(9), random.below(70_000))]),
          ),
        );
        break;
      case 6:
        frames.push(frame(Type.RST_STREAM, 0, id, random.below(20)));
        break;
      case 7:
        frames.push(frame(Type.PING, random.below(2), 0, random.bytes(8)));
        break;
      case 8:
        frames.push(frame(Type.HEADERS, 0, nextId, peer.block(requestFields)));
        if (random.below(4) > 0) frames.push(frame(Type.CONTINUATION, END_HEADERS, nextId, peer.block(["a", "b"])));
        nextId += 2;
        break;
      default:
        frames.push(frame(random.below(16), random.below(256), id, random.bytes(random.below(40))));
    }
  }
  return frames;
}

function mutate(random: Random, bytes: Buffer): Buffer {
  const mutated = Buffer.from(bytes);
  for (let i = random.below(4); i > 0; i--) mutated[random.below(mutated.length)] = random.below(256);
  return random.below(4) === 0 ? mutated.subarray(0, random.below(mutated.length)) : mutated;
}

/** Resolves when the session under test has closed, which ending its input must bring about. */
async function finish(peer: RawPeer, closed: Promise<void>): Promise<void> {
  peer.socket.end();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the session did not end")), 60_000);
  });
  await Promise.race([closed, late]);
  clearTimeout(timer);
}

test("whatever a client sends, a server session neither throws nor hangs nor leaks", async () => {
  await forSeeds(runs, async (random) => {
    let close = (): void => {};
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const { peer, session } = serveRaw({
      accept: echo,
      onClose: () => close(),
      onListenerError: (error) => {
        throw error;
      },
    });
    peer.greet();
    const bytes = mutate(random, Buffer.concat(conversation(random, peer)));
    for (const chunk of random.below(3) === 0 ? [bytes] : random.split(bytes)) peer.send(chunk);
    await new Promise((resolve) => setImmediate(resolve));
    await finish(peer, closed);
    assert.equal(session.openStreams, 0);
  });
});

test("whatever a server sends, a client session neither throws nor hangs, and every stream learns its end", async () => {
  await forSeeds(runs, async (random) => {
    const [ours, theirs] = duplexPair();
    const peer = new RawPeer(theirs, preface.length);
    let close = (): void => {};
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const client = new ClientSession(ours, { onClose: () => close() });
    const listeners = Array.from({ length: 5 }, () => new Recorder());
    for (const listener of listeners) client.openStream(requestFields, Buffer.from("body"), listener);
    const frames = [frame(Type.SETTINGS, 0, 0)];
    for (let i = random.below(20); i >= 0; i--) {
      const id = 1 + 2 * random.below(6);
      frames.push(
        random.pick([
          () =>
            peer.headers(
              id,
              random.pick([0, END_STREAM]),
              random.pick([
                [":status", "200"],
                [":status", "103"],
                ["grpc-status", "0"],
              ]),
            ),
          () => frame(Type.DATA, random.pick([0, END_STREAM]), id, random.bytes(random.below(300))),
          () => frame(Type.RST_STREAM, 0, id, random.below(15)),
          () => frame(Type.GOAWAY, 0, 0, Buffer.concat([Buffer.from([0, 0, 0, id]), random.bytes(4)])),
          () => frame(random.below(12), random.below(256), id, random.bytes(random.below(20))),
        ])(),
      );
    }
    const bytes = mutate(random, Buffer.concat(frames));
    for (const chunk of random.below(3) === 0 ? [bytes] : random.split(bytes)) peer.send(chunk);
    await new Promise((resolve) => setImmediate(resolve));
    await finish(peer, closed);
    assert.equal(client.openStreams, 0);
    for (const { events } of listeners) {
      const ends = events.filter((event) => event.startsWith("end") || event.startsWith("reset"));
      assert.equal(ends.length, 1, JSON.stringify(events));
      assert.equal(events.at(-1), ends[0]);
    }
  });
});

test("any split of a conversation gives the same calls of the application and the same replies", async () => {
  await forSeeds(40, async (random) => {
    const run = async (split: boolean): Promise<string> => {
      const log: string[] = [];
      const { peer } = serveRaw({
        accept(stream, fields) {
          log.push(`${stream.id} ${fields.join(" ")}`);
          const parts: Buffer[] = [];
          return {
            onData: (bytes) => void parts.push(bytes),
            onEnd(trailers) {
              log.push(`${stream.id} ends with ${Buffer.concat(parts).toString("hex")} ${trailers.join(" ")}`);
              stream.sendReply([":status", "200"], Buffer.concat(parts), ["grpc-status", "0"]);
            },
            onReset: (code) => void log.push(`${stream.id} reset ${code}`),
            onDrain() {},
          };
        },
      });
      peer.greet();
      const bytes: Buffer[] = [];
      for (let id = 1; id < 20; id += 2) {
        bytes.push(peer.headers(id, 0), frame(Type.DATA, 0, id, Buffer.alloc(id * 100, id)));
        bytes.push(id % 3 === 0 ? frame(Type.DATA, END_STREAM, id) : peer.headers(id, END_STREAM, ["t", `${id}`]));
      }
      bytes.push(frame(Type.PING, 0, 0, "all done"));
      const whole = Buffer.concat(bytes);
      for (const chunk of split ? random.split(whole) : [whole]) peer.send(chunk);
      await peer.expect(Type.PING);
      for (let id = 1; id < 20; id += 2) {
        const data = await peer.expect(Type.DATA, (one) => one.id === id);
        log.push(`${id} replied ${data.payload.length}`);
      }
      peer.socket.destroy();
      return log.join("\n");
    };
    assert.equal(await run(true), await run(false));
  });
});

test("a session of garbage ends with a goodbye", async () => {
  await forSeeds(runs, async (random) => {
    const [ours, theirs] = duplexPair();
    const peer = new RawPeer(theirs);
    new ServerSession(ours, { accept: echo });
    peer.send(random.bytes(30 + random.below(2000)));
    assert.equal(await peer.expectGoAway(), 1);
    await peer.expectClose();
  });
});
