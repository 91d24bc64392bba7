import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { ServerStream } from "@clew/http2";
import { Http2Request } from "./http2-request.ts";

const stream = { pause() {}, resume() {}, reset() {} } as unknown as ServerStream;

function createRequest(): Http2Request {
  const head = { verb: "POST", target: "/", headers: {}, rawHeaders: [], socket: {} as Socket };
  return new Http2Request(stream, head, false);
}

test("single bytes that wait unread become few pieces, and stay in their order", async () => {
  const request = createRequest();
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
  for (let at = 0; at < bytes.length; at++) request.receive(bytes.subarray(at, at + 1));
  request.receive(Buffer.alloc(5000, "x"));
  request.receive(Buffer.from("y"));
  request.receiveEnd([]);
  const pieces: Buffer[] = [];
  for await (const piece of request.iterator()) pieces.push(piece as Buffer);
  assert.ok(pieces.length < 100, `${pieces.length} pieces`);
  assert.ok(Buffer.concat(pieces).equals(Buffer.concat([bytes, Buffer.alloc(5000, "x"), Buffer.from("y")])));
});

test("a reader that listens gets each piece at once", async () => {
  const request = createRequest();
  const heard: string[] = [];
  request.on("data", (piece: Buffer) => heard.push(piece.toString()));
  await new Promise((resolve) => setImmediate(resolve));
  request.receive(Buffer.from("a"));
  request.receive(Buffer.from("b"));
  assert.deepEqual(heard, ["a", "b"]);
  request.receiveEnd([]);
});

test("a reader that asks for more than there is, is told when it is there", async () => {
  const request = createRequest();
  const heard: string[] = [];
  request.on("readable", () => {
    for (let piece = request.read(4); piece !== null; piece = request.read(4)) heard.push(piece.toString());
  });
  for (const byte of "abcdefghij") {
    request.receive(Buffer.from(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(heard, ["abcd", "efgh"]);
  request.receiveEnd([]);
  const rest = text(request);
  assert.equal(heard.join("") + (await rest), "abcdefghij");
});
