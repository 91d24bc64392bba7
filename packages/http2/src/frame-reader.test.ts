import assert from "node:assert/strict";
import { test } from "node:test";
import { forSeeds, type Random } from "../test/random.ts";
import { writeFrameHeader } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  writeFrameHeader(header, 0, payload.length, type, flags, id);
  return Buffer.concat([header, payload]);
}

function read(chunks: readonly Buffer[], maxFrameBytes = 16_384): string[] {
  const seen: string[] = [];
  const sink = {
    onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
      seen.push(`${type} ${flags} ${id} ${bytes.toString("hex", start, end)}`);
    },
  };
  const reader = new FrameReader(sink, maxFrameBytes);
  for (const chunk of chunks) reader.push(chunk);
  return seen;
}

// DATA may come in parts: neighbours of one stream are put together, with a mark where END_STREAM was.
function merge(frames: readonly string[]): string[] {
  const merged: string[] = [];
  for (const one of frames) {
    const [type, flags, id, payload] = one.split(" ") as [string, string, string, string];
    if (type !== "0" || (Number(flags) & 8) !== 0) {
      merged.push(one);
      continue;
    }
    const head = `0 ${Number(flags) & ~1} ${id} `;
    const text = payload + ((Number(flags) & 1) !== 0 ? "." : "");
    if (merged.at(-1)?.startsWith(head)) merged.push(merged.pop()! + text);
    else merged.push(head + text);
  }
  return merged;
}

function randomFrames(random: Random): Buffer {
  const frames: Buffer[] = [];
  for (let i = random.below(10); i >= 0; i--) {
    const payload = random.bytes(random.below(4) === 0 ? random.below(2000) : random.below(12));
    frames.push(
      frame(
        random.pick([0, 0, random.below(12)]),
        random.below(256),
        random.pick([1, 3, random.below(0x7fffffff)]),
        payload,
      ),
    );
  }
  return Buffer.concat(frames);
}

test("any split of the byte stream gives the same frames", async () => {
  await forSeeds(200, (random) => {
    const bytes = randomFrames(random);
    const whole = merge(read([bytes]));
    assert.deepEqual(merge(read(random.split(bytes))), whole);
    assert.deepEqual(merge(read([...bytes].map((byte) => Buffer.from([byte])))), whole);
  });
});

test("a frame that lies whole in a chunk is not copied", () => {
  const chunk = Buffer.concat([frame(0, 0, 1, Buffer.from("one")), frame(0, 0, 1, Buffer.from("two"))]);
  const seen: Buffer[] = [];
  new FrameReader({ onFrame: (_type, _flags, _id, bytes) => seen.push(bytes) }, 16_384).push(chunk);
  assert.deepEqual(
    seen.map((bytes) => bytes === chunk),
    [true, true],
  );
});

test("of a DATA frame that is cut, each part is handed on as it comes, END_STREAM with the last", () => {
  const bytes = frame(0, 1, 5, Buffer.from("abcdef"));
  assert.deepEqual(read([bytes.subarray(0, 4), bytes.subarray(4, 9), bytes.subarray(9, 11), bytes.subarray(11)]), [
    "0 0 5 6162",
    "0 1 5 63646566",
  ]);
  assert.deepEqual(read([bytes.subarray(0, 12), bytes.subarray(12)]), ["0 0 5 616263", "0 1 5 646566"]);
});

test("the reserved bit before the stream's number is dropped", () => {
  assert.deepEqual(read([frame(0, 0, 0xffffffff, Buffer.alloc(0))]), ["0 0 2147483647 "]);
});

test("a frame over the limit is refused by its header, whole or dripping", () => {
  const header = frame(0, 0, 1, Buffer.alloc(101)).subarray(0, 9);
  assert.throws(() => read([header], 100), { violation: "FRAME_TOO_LARGE" });
  assert.throws(() => read([header.subarray(0, 4), header.subarray(4)], 100), { violation: "FRAME_TOO_LARGE" });
});

test("a reader stopped by its sink hands on nothing more", () => {
  const seen: number[] = [];
  const reader = new FrameReader(
    {
      onFrame(type) {
        seen.push(type);
        reader.stop();
      },
    },
    16_384,
  );
  const chunk = Buffer.concat([frame(4, 0, 0, Buffer.alloc(0)), frame(6, 0, 0, Buffer.alloc(8))]);
  reader.push(chunk);
  reader.push(chunk);
  assert.deepEqual(seen, [4]);
});
