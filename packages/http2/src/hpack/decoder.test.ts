import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoder } from "./decoder.ts";
import { HeaderBlock, MessageKind } from "./header-block.ts";

function decode(decoder: Decoder, hex: string): readonly string[] {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  return decoder.decode(bytes, 0, bytes.length).fields;
}

const request1 = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
const request2 = [...request1, "cache-control", "no-cache"];
const request3 = [
  ":method",
  "GET",
  ":scheme",
  "https",
  ":path",
  "/index.html",
  ":authority",
  "www.example.com",
  "custom-key",
  "custom-value",
];

test("single fields are read as in RFC 7541 appendix C.2", () => {
  const decoder = new Decoder(16_384);
  assert.deepEqual(decode(decoder, "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"), [
    "custom-key",
    "custom-header",
  ]);
  assert.deepEqual(decode(decoder, "040c 2f73 616d 706c 652f 7061 7468"), [":path", "/sample/path"]);
  assert.deepEqual(decode(decoder, "1008 7061 7373 776f 7264 0673 6563 7265 74"), ["password", "secret"]);
  assert.deepEqual(decode(decoder, "82"), [":method", "GET"]);
  assert.deepEqual(decode(decoder, "be"), ["custom-key", "custom-header"]);
});

test("requests without Huffman are read as in appendix C.3", () => {
  const decoder = new Decoder(16_384);
  assert.deepEqual(decode(decoder, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"), request1);
  assert.deepEqual(decode(decoder, "8286 84be 5808 6e6f 2d63 6163 6865"), request2);
  assert.deepEqual(
    decode(decoder, "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"),
    request3,
  );
});

test("requests with Huffman are read as in appendix C.4", () => {
  const decoder = new Decoder(16_384);
  assert.deepEqual(decode(decoder, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), request1);
  assert.deepEqual(decode(decoder, "8286 84be 5886 a8eb 1064 9cbf"), request2);
  assert.deepEqual(decode(decoder, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"), request3);
});

const response = (status: string, date: string): string[] => [
  ":status",
  status,
  "cache-control",
  "private",
  "date",
  date,
  "location",
  "https://www.example.com",
];
const at21 = "Mon, 21 Oct 2013 20:13:21 GMT";
const at22 = "Mon, 21 Oct 2013 20:13:22 GMT";
const response3 = [
  ":status",
  "200",
  "cache-control",
  "private",
  "date",
  at22,
  "location",
  "https://www.example.com",
  "content-encoding",
  "gzip",
  "set-cookie",
  "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
];

// A table of 256 bytes, so that entries are evicted; the examples say so out of band, a size update says it here.
for (const [name, blocks] of [
  [
    "without Huffman are read as in appendix C.5",
    [
      "3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "4803 3330 37c1 c0bf",
      "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ],
  ],
  [
    "with Huffman are read as in appendix C.6",
    [
      "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
      "4883 640e ffc1 c0bf",
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ],
  ],
] as const) {
  test(`responses ${name}, with eviction`, () => {
    const decoder = new Decoder(16_384);
    assert.deepEqual(decode(decoder, blocks[0]), response("302", at21));
    assert.deepEqual(decode(decoder, blocks[1]), response("307", at21));
    assert.deepEqual(decode(decoder, blocks[2]), response3);
  });
}

test("a block that comes again is the same object, until the table changes", () => {
  const decoder = new Decoder(16_384);
  decode(decoder, "400161 0131"); // a: 1 is index 62
  const again = Array.from({ length: 4 }, () => decode(decoder, "82be"));
  assert.deepEqual(again[0], [":method", "GET", "a", "1"]);
  assert.equal(again[3], again[2]);
  decode(decoder, "400162 0132"); // b: 2 is index 62 now
  assert.deepEqual(decode(decoder, "82be"), [":method", "GET", "b", "2"]);
});

test("a size update that comes again takes effect again", () => {
  const decoder = new Decoder(16_384);
  for (let i = 0; i < 4; i++) {
    decode(decoder, "400161 0131");
    assert.deepEqual(decode(decoder, "be"), ["a", "1"]);
    assert.deepEqual(decode(decoder, "203fe11f 82"), [":method", "GET"]);
    assert.throws(() => decode(new Decoder(1024), "be"), /beyond the table/);
  }
  decode(decoder, "20");
  assert.throws(() => decode(decoder, "be"), /beyond the table/);
});

test("a list over the limit keeps its beginning, and the table is right after it", () => {
  const decoder = new Decoder(100);
  const bytes = Buffer.from(`4003${Buffer.from("abc").toString("hex")}0131${"be".repeat(10)}4001620132`, "hex");
  const block = decoder.decode(bytes, 0, bytes.length);
  assert.equal(block.isTooLarge, true);
  assert.deepEqual(block.fields, ["abc", "1", "abc", "1"]);
  assert.deepEqual(decode(decoder, "bebf"), ["b", "2", "abc", "1"]);
});

test("a small block that stands for a huge list is bounded (an HPACK bomb)", () => {
  const decoder = new Decoder(16_384);
  const value = Buffer.alloc(4000, "a");
  const insert = Buffer.concat([Buffer.from("4001617fa11e", "hex"), value]);
  decoder.decode(insert, 0, insert.length);
  const bomb = Buffer.alloc(60_000, 0xbe);
  const block = decoder.decode(bomb, 0, bomb.length);
  assert.equal(block.isTooLarge, true);
  assert.ok(block.fields.length <= 8);
});

test("what cannot be decoded is a compression error of the connection", () => {
  const blocks = ["80", "be", "ff8001", "4001", "40036162", "2082 20", "3fe21f", "0f", "00"];
  for (const hex of blocks) {
    assert.throws(
      () => decode(new Decoder(1024), hex),
      { violation: "COMPRESSION", errorCode: 9, scope: "connection" },
      hex,
    );
  }
});

test("names and values that HTTP/2 does not have are marked, not thrown", () => {
  const flawed = [
    "0001410131",
    "00000131",
    "0001610161".replace("0161", "0120"),
    "000161010a",
    "00023a3a0131",
    "0001200131",
  ];
  for (const hex of flawed) {
    const bytes = Buffer.from(hex, "hex");
    assert.equal(new Decoder(1024).decode(bytes, 0, bytes.length).isFlawed, true, hex);
  }
  const bytes = Buffer.from("00016103622063", "hex");
  assert.equal(new Decoder(1024).decode(bytes, 0, bytes.length).isFlawed, false);
});

test("white space at the ends of a value is malformed in a request, and borne with in a reply and in trailers", () => {
  for (const hex of ["000161026220", "000161022062", "000161026209"]) {
    const bytes = Buffer.from(hex, "hex");
    const block = new Decoder(1024).decode(bytes, 0, bytes.length);
    assert.equal(block.judge(MessageKind.TRAILERS).flaw, undefined, hex);
    const head = new HeaderBlock([":status", "200", ...block.fields], 0, false, false);
    assert.equal(head.judge(MessageKind.RESPONSE).flaw, undefined, hex);
    const request = [":method", "GET", ":scheme", "http", ":path", "/", ...block.fields];
    const { flaw } = new HeaderBlock(request, 0, false, false).judge(MessageKind.REQUEST);
    assert.equal(flaw, "white space at an end of a value", hex);
  }
});
