import assert from "node:assert/strict";
import { test } from "node:test";
import { forSeeds, type Random } from "../../test/random.ts";
import { Decoder } from "./decoder.ts";
import { Encoder } from "./encoder.ts";

function encode(encoder: Encoder, fields: readonly string[]): Buffer {
  const bytes = Buffer.alloc(encoder.maxBytes(fields));
  return bytes.subarray(0, encoder.encode(fields, bytes, 0));
}

function decode(decoder: Decoder, block: Buffer): readonly string[] {
  const result = decoder.decode(block, 0, block.length);
  assert.equal(result.isFlawed, false);
  return result.fields;
}

const reply = [":status", "200", "content-type", "application/grpc+proto", "grpc-encoding", "identity"];

test("a list that repeats becomes one byte a field", () => {
  const encoder = new Encoder();
  const decoder = new Decoder(16_384);
  const lengths: number[] = [];
  for (let i = 0; i < 4; i++) {
    const block = encode(encoder, reply);
    lengths.push(block.length);
    assert.deepEqual(decode(decoder, block), reply);
  }
  assert.deepEqual(lengths.slice(2), [3, 3]);
});

test("values that never repeat do not push others out of the table", () => {
  const encoder = new Encoder();
  const decoder = new Decoder(65_536);
  for (let i = 0; i < 3; i++) decode(decoder, encode(encoder, reply));
  for (let i = 0; i < 1000; i++) {
    const fields = [":path", `/users/${i}`, "traceparent", `00-${"ab".repeat(16)}-${i}`, "grpc-timeout", `${i}m`];
    assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
  }
  assert.equal(encode(encoder, reply).length, 3);
});

test("secrets are never indexed, however often they are sent", () => {
  const encoder = new Encoder();
  for (let i = 0; i < 3; i++) {
    const block = encode(encoder, ["authorization", "Bearer x"]);
    assert.equal(block[0]! & 0xf0, 0x10);
    assert.ok(block.includes("Bearer x"));
  }
});

test("a smaller table of the peer's is kept to, and said in the next block", () => {
  const encoder = new Encoder();
  const decoder = new Decoder(16_384);
  for (let i = 0; i < 3; i++) decode(decoder, encode(encoder, reply));
  encoder.resize(0);
  encoder.resize(100);
  const block = encode(encoder, reply);
  assert.equal(block.toString("hex", 0, 3), "203f45"); // First 0, the smallest it was, then 100.
  assert.deepEqual(decode(decoder, block), reply);
  for (let i = 0; i < 5; i++) assert.deepEqual(decode(decoder, encode(encoder, reply)), reply);
});

test("after a list that was refused half way, both tables still agree", () => {
  const encoder = new Encoder();
  const decoder = new Decoder(16_384);
  for (let i = 0; i < 3; i++) decode(decoder, encode(encoder, reply));
  assert.throws(() => encode(encoder, ["x-new", "1", "x-newer", "2", "Bad", "3"]), { code: "CLEW_HTTP2_HEADER_NAME" });
  for (let i = 0; i < 4; i++)
    assert.deepEqual(decode(decoder, encode(encoder, [...reply, "x-new", "1"])), [...reply, "x-new", "1"]);
});

test("a list that cannot be sent is a coded error that names it", () => {
  const encoder = new Encoder();
  for (const name of ["Upper", "", ":", "sp ace", "né", "a:b"]) {
    assert.throws(() => encode(encoder, [name, "x"]), { code: "CLEW_HTTP2_HEADER_NAME" }, name);
  }
  for (const value of [" x", "x ", "a\nb", "a\0b", "☃", "\x7f"]) {
    assert.throws(() => encode(encoder, ["x", value]), { code: "CLEW_HTTP2_HEADER_VALUE" }, value);
  }
  assert.throws(() => encode(encoder, ["x", 1 as unknown as string]), { code: "CLEW_HTTP2_HEADER_VALUE" });
  assert.throws(() => encode(encoder, ["x"]), { code: "CLEW_HTTP2_HEADERS" });
});

function randomFields(random: Random): string[] {
  const names = [
    ":path",
    ":status",
    "content-type",
    "grpc-timeout",
    "authorization",
    "x-a",
    "x-b",
    "cache-control",
    "cookie",
  ];
  const values = [
    "",
    "200",
    "application/grpc",
    "/a/b",
    "é\xff",
    "x".repeat(random.below(300)),
    `${random.below(1000)}`,
  ];
  const fields: string[] = [];
  for (let i = random.below(12); i > 0; i--) {
    const name = random.below(8) === 0 ? `x-${random.below(40)}` : random.pick(names);
    fields.push(name, random.below(20) === 0 ? "y".repeat(random.below(5000)) : random.pick(values));
  }
  return fields;
}

test("whatever is sent, with tables that change size, comes back", async () => {
  await forSeeds(60, (random) => {
    const encoder = new Encoder();
    const decoder = new Decoder(1 << 20);
    const lists = Array.from({ length: 6 }, () => randomFields(random));
    for (let i = 0; i < 120; i++) {
      if (random.below(15) === 0) encoder.resize(random.below(6000));
      const fields = random.below(3) === 0 ? randomFields(random) : random.pick(lists);
      if (random.below(25) === 0) assert.throws(() => encode(encoder, [...fields, "new-one", "1", "B", ""]));
      assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
    }
  });
});

test("random and mutated blocks decode or are refused, and nothing else", async () => {
  await forSeeds(300, (random) => {
    const encoder = new Encoder();
    const decoder = new Decoder(16_384);
    for (let i = 0; i < 20; i++) {
      let block =
        random.below(2) === 0 ? random.bytes(random.below(80)) : Buffer.from(encode(encoder, randomFields(random)));
      if (block.length > 0) block[random.below(block.length)] = random.below(256);
      if (random.below(4) === 0) block = block.subarray(0, random.below(block.length + 1));
      try {
        const { fields, isTooLarge } = decoder.decode(block, 0, block.length);
        assert.ok(isTooLarge || fields.length % 2 === 0);
      } catch (error) {
        assert.equal((error as { violation?: string }).violation, "COMPRESSION");
        return;
      }
    }
  });
});
