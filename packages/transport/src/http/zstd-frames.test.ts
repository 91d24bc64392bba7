import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, zstdCompressSync } from "node:zlib";
import { isWholeZstd } from "./zstd-frames.ts";

const { ZSTD_c_checksumFlag: checksum, ZSTD_c_contentSizeFlag: contentSize } = constants;

const bodies = [
  Buffer.alloc(0),
  Buffer.from("a"),
  Buffer.alloc(1_000_000),
  Buffer.from("some text ".repeat(30)),
  randomBytes(300_000),
  Buffer.from(randomBytes(150_000).toString("hex")),
];

test("whole frames are whole, and no part of one is", () => {
  for (const body of bodies) {
    for (const params of [{}, { [checksum]: 1 }, { [contentSize]: 0 }]) {
      const frame = zstdCompressSync(body, { params });
      assert.equal(isWholeZstd(frame), true, `${body.length} ${JSON.stringify(params)}`);
      const step = Math.max(1, Math.floor(frame.length / 500));
      for (let length = 1; length < frame.length; length += step) {
        assert.equal(isWholeZstd(frame.subarray(0, length)), false, `${length} of ${frame.length}`);
      }
      assert.equal(isWholeZstd(frame.subarray(0, -1)), false);
    }
  }
});

test("frames may follow one another, and what is skipped may stand between them", () => {
  const frame = zstdCompressSync("text");
  const skipped = Buffer.from("5f2a4d180300000061626300", "hex").subarray(0, 11);
  assert.equal(isWholeZstd(Buffer.concat([frame, skipped, frame])), true);
  assert.equal(isWholeZstd(Buffer.concat([frame, skipped])), true);
  assert.equal(isWholeZstd(Buffer.concat([frame, skipped.subarray(0, -1)])), false);
  assert.equal(isWholeZstd(Buffer.concat([frame, frame.subarray(0, -1)])), false);
});

test("what is no frame is the decoder's to tell", () => {
  assert.equal(isWholeZstd(Buffer.from("no zstd at all")), true);
});
