import assert from "node:assert/strict";
import { test } from "node:test";
import { readRange } from "./byte-range.ts";

test("ranges within a file, merged where they touch, else in the order they were asked for", () => {
  const cases: [header: string, ranges: [number, number][]][] = [
    ["bytes=0-499", [[0, 499]]],
    ["Bytes=500-", [[500, 999]]],
    ["bytes=-1", [[999, 999]]],
    ["bytes=-5000", [[0, 999]]],
    ["bytes=900-99999999999999999999", [[900, 999]]],
    [
      "bytes=500-600, 0-1",
      [
        [500, 600],
        [0, 1],
      ],
    ],
    [
      "bytes=500-600,601-700,0-1",
      [
        [0, 1],
        [500, 700],
      ],
    ],
    ["bytes=2000-,0-1", [[0, 1]]],
  ];
  for (const [header, ranges] of cases) {
    assert.deepEqual(
      readRange(header, 1000),
      ranges.map(([start, end]) => ({ start, end })),
      header,
    );
  }
});

test("none of a file's is unsatisfiable, malformed is as if it was not there", () => {
  for (const header of ["bytes=1000-", "bytes=-0", `bytes=${"0-0,".repeat(16)}0-0`]) {
    assert.equal(readRange(header, 1000), "unsatisfiable", header);
  }
  assert.equal(readRange("bytes=0-", 0), "unsatisfiable");
  assert.equal(readRange("bytes=-1", 0), "unsatisfiable");
  for (const header of ["", "bytes=", "bytes=-", "bytes=2-1", "bytes=0x1-2", "bytes=1-2-3", "items=0-1", "bytes 0-1"]) {
    assert.equal(readRange(header, 1000), undefined, header);
  }
});
