import assert from "node:assert/strict";
import { it } from "node:test";
import { readQuery, writeQuery } from "./query.ts";

it("reads a message as it is, and in base64 of both alphabets", () => {
  for (const message of ["message=%7B%22a%22%3A1%7D", "base64=1&message=eyJhIjoxfQ", "message=eyJhIjoxfQ==&base64=1"]) {
    const { message: bytes, encoding, version } = readQuery(`connect=v1&encoding=json&${message}`);
    assert.equal(String(bytes), '{"a":1}');
    assert.deepEqual([encoding, version], ["json", "v1"]);
  }
  assert.deepEqual([...readQuery("base64=1&message=-_8").message!], [0xfb, 0xff]);
  assert.deepEqual([...readQuery("base64=1&message=%2B/8=").message!], [0xfb, 0xff]);
  assert.deepEqual([...readQuery("message=%FF%00+").message!], [0xff, 0, 0x20]);
});

it("takes the first of what comes twice, and the empty message", () => {
  const { message, compression } = readQuery("message=&message=x&compression=gzip");
  assert.equal(message!.length, 0);
  assert.equal(compression, "gzip");
});

it("has no message where there is none or it is broken", () => {
  for (const query of ["", "encoding=json", "message=%7", "message=%zz", "base64=1&message=*"]) {
    assert.equal(readQuery(query).message, undefined, query);
  }
});

it("reads what it writes", () => {
  const bytes = Buffer.from('{"title":"é & ü?+%"}');
  for (const encoding of ["json", "proto"]) {
    for (const compression of [undefined, "gzip"]) {
      const read = readQuery(writeQuery(encoding, bytes, compression));
      assert.deepEqual(read, { version: "v1", encoding, compression, message: bytes });
    }
  }
});
