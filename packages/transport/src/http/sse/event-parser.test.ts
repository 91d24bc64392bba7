import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeEvent, isEventId, type StreamEvent } from "./event.ts";
import { EventParser } from "./event-parser.ts";

function parse(...chunks: (string | Uint8Array)[]): { events: StreamEvent[]; parser: EventParser; isWithin: boolean } {
  const events: StreamEvent[] = [];
  const parser = new EventParser(1000, (event) => events.push(event));
  const isWithin = chunks.every((chunk) => parser.push(Buffer.from(chunk)));
  return { events, parser, isWithin };
}

test("writes an event as Kratos 3 does, and more only when asked", () => {
  assert.equal(encodeEvent({ type: "message", data: '{"a":1}' }), 'event: message\ndata: {"a":1}\n\n');
  assert.equal(
    encodeEvent({ type: "message", data: "1\n2\r\n3\r4", id: "7", retryMs: 100 }),
    "event: message\nid: 7\nretry: 100\ndata: 1\ndata: 2\ndata: 3\ndata: 4\n\n",
  );
  assert.deepEqual(["1", "", "1\n", "\r", "\0"].map(isEventId), [true, true, false, false, false]);
});

test("reads what it writes, cut anywhere", () => {
  const text =
    encodeEvent({ type: "message", data: "a\nü\u{1F600}", id: "x" }) + encodeEvent({ type: "end", data: "" });
  const bytes = Buffer.from(text);
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(parse(bytes.subarray(0, at), bytes.subarray(at)).events, [
      { type: "message", id: "x", data: "a\nü\u{1F600}" },
      { type: "end", id: "x", data: "" },
    ]);
  }
});

test("takes every line end, also cut in two, and a byte order mark", () => {
  assert.deepEqual(parse("\uFEFFdata: 1\r", "\ndata:2\r\r", "data: 3\n\n", "data\n\ndata: not over\n").events, [
    { type: "message", id: "", data: "1\n2" },
    { type: "message", id: "", data: "3" },
    { type: "message", id: "", data: "" },
  ]);
});

test("passes over comments, unknown fields and events without data; an id and a retry stay", () => {
  const { events, parser } = parse(
    ": hello\nid: 3\nretry: 50\nretry: soon\nfoo: bar\n\nevent: x\n\ndata: a\nid: 4\0\n\n",
  );
  assert.deepEqual(events, [{ type: "message", id: "3", data: "a" }]);
  assert.equal(parser.retryMs, 50);
  assert.equal(parser.lastId, "3");
});

test("stops at an event or a line that is too long", () => {
  assert.equal(parse(`data: ${"x".repeat(900)}\n\n`).isWithin, true);
  assert.equal(parse("x".repeat(600), "x".repeat(600)).isWithin, false);
  assert.equal(parse(...Array.from({ length: 4 }, () => `data: ${"x".repeat(300)}\n`)).isWithin, false);
});
