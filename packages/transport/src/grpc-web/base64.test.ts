import assert from "node:assert/strict";
import { it } from "node:test";
import { Base64Reader, encodeBase64 } from "./base64.ts";

function decode(text: string, size: number): string {
  const reader = new Base64Reader();
  let decoded = "";
  for (let at = 0; at < text.length; at += size) {
    decoded += reader.push(Buffer.from(text.slice(at, at + size))).toString("latin1");
  }
  return decoded;
}

it("reads base64 in pieces, with padding at every end of a frame", () => {
  for (const parts of [["a", "bc", "def", ""], ["\0\xff\xfe"], ["a".repeat(100), "b".repeat(101)]]) {
    const text = parts.map((part) => String(encodeBase64(Buffer.from(part, "latin1")))).join("");
    for (let size = 1; size <= text.length; size++) assert.equal(decode(text, size), parts.join(""));
  }
});

it("refuses what is no base64", () => {
  for (const text of ["a-b_", "ab c", "ab\n="]) assert.throws(() => decode(text, 2), { code: 400, reason: "CODEC" });
});
