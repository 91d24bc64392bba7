import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "../errors.ts";
import { decodeHuffman, encodeHuffman, huffmanBytes, maxDecodedBytes } from "./huffman.ts";

function encode(text: string): Buffer {
  const bytes = Buffer.alloc(huffmanBytes(text));
  assert.equal(encodeHuffman(bytes, 0, text), bytes.length);
  return bytes;
}

function decode(bytes: Buffer): string {
  const target = Buffer.alloc(maxDecodedBytes(bytes.length));
  return target.toString("latin1", 0, decodeHuffman(bytes, 0, bytes.length, target));
}

// RFC 7541 appendix C.4 and C.6.
const golden: readonly (readonly [string, string])[] = [
  ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
  ["no-cache", "a8eb10649cbf"],
  ["custom-key", "25a849e95ba97d7f"],
  ["custom-value", "25a849e95bb8e8b4bf"],
  ["302", "6402"],
  ["private", "aec3771a4b"],
  ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
  ["https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"],
  [
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
  ],
];

test("Huffman codes are the RFC's, both ways", () => {
  for (const [text, hex] of golden) {
    assert.equal(encode(text).toString("hex"), hex);
    assert.equal(decode(Buffer.from(hex, "hex")), text);
  }
});

test("every byte comes back, alone and after every other", () => {
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const text = String.fromCharCode(first, second);
      assert.equal(decode(encode(text)), text);
    }
  }
});

test("padding of a whole byte, padding with zeros, and EOS are refused", () => {
  for (const hex of ["f1e3c2e5f23a6ba0ab90f4ffff", "18", "ffffffff", "fffffffffffffffc"]) {
    assert.throws(
      () => decode(Buffer.from(hex, "hex")),
      (error) => error instanceof ProtocolError && error.violation === "COMPRESSION",
      hex,
    );
  }
});
