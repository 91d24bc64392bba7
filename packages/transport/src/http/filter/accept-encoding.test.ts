import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseEncoding, readAcceptEncoding } from "./accept-encoding.ts";

test("weights, stars and other names, in any case and with blanks", () => {
  const quality = readAcceptEncoding(" GZip ; Q=0.5 ,br,x-gzip;q=0.25, zstd;q=2, *;q=0.1");
  assert.deepEqual(["gzip", "br", "zstd", "deflate"].map(quality), [0.25, 1, 0.1, 0.1]);
  assert.equal(readAcceptEncoding(undefined)("gzip"), 0);
});

test("what is sent as it is is the last choice, unless the caller says otherwise", () => {
  const encodings = ["br", "gzip"] as const;
  const cases: [header: string | undefined, encoding: string | undefined][] = [
    [undefined, undefined],
    ["", undefined],
    ["gzip;q=0.001", "gzip"],
    ["gzip, br", "br"],
    ["gzip, identity", "gzip"],
    ["gzip;q=0.2, identity;q=0.3", undefined],
    ["*;q=0", undefined],
    ["identity;q=0, *", "br"],
    ["identity;q=0", undefined],
    ["br;q=nonsense, gzip;q=0.1", "gzip"],
  ];
  for (const [header, encoding] of cases) assert.equal(chooseEncoding(header, encodings), encoding, header);
});
