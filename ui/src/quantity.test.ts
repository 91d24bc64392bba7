import assert from "node:assert/strict";
import { test } from "node:test";
import { countOf, formatBytes, formatShare } from "./quantity.ts";

test("bytes are told in decimal units", () => {
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(999), "999 B");
  assert.equal(formatBytes(1000), "1.0 KB");
  assert.equal(formatBytes(9_949), "9.9 KB");
  assert.equal(formatBytes(9_950), "10 KB");
  assert.equal(formatBytes(999_600), "1.0 MB");
  assert.equal(formatBytes(412_300_000), "412 MB");
  assert.equal(formatBytes(5e15), "5000 TB");
});

test("one is told in the singular", () => {
  assert.equal(countOf(1, "span"), "1 span");
  assert.equal(countOf(0, "span"), "0 spans");
  assert.equal(countOf(12_345, "span"), "12,345 spans");
});

test("a share is told in percent, and only all is 100", () => {
  assert.equal(formatShare(0, 812), "0 %");
  assert.equal(formatShare(0, 0), "0 %");
  assert.equal(formatShare(1, 100_000), "<0.1 %");
  assert.equal(formatShare(5, 812), "0.6 %");
  assert.equal(formatShare(1, 3), "33 %");
  assert.equal(formatShare(9_996, 100_000), "10 %");
  assert.equal(formatShare(9_999, 10_000), "99.9 %");
  assert.equal(formatShare(7, 7), "100 %");
});
