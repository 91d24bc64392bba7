import assert from "node:assert/strict";
import { test } from "node:test";
import { type HttpReply, parseReply } from "./http-reply.ts";

interface Whole extends Pick<HttpReply, "status" | "isReusable"> {
  readonly body: string;
}

const ok = "HTTP/1.1 200 OK\r\n";

function parse(text: string, hasEnded = false): Whole | undefined {
  const reply = parseReply(Buffer.from(text, "latin1"), hasEnded);
  return reply && { status: reply.status, body: reply.body.toString(), isReusable: reply.isReusable };
}

const whole: Readonly<Record<string, readonly [text: string, reply: Whole]>> = {
  "a body of a length": [`${ok}Content-Length: 4\r\n\r\nbody`, { status: 200, body: "body", isReusable: true }],
  "the same length twice": [
    `${ok}content-length: 4\r\nContent-Length:4 \r\n\r\nbody`,
    { status: 200, body: "body", isReusable: true },
  ],
  "no reason": ["HTTP/1.1 503\r\ncontent-length: 0\r\n\r\n", { status: 503, body: "", isReusable: true }],
  "no content": ["HTTP/1.1 204 No Content\r\n\r\n", { status: 204, body: "", isReusable: true }],
  chunks: [
    `${ok}transfer-encoding: chunked\r\n\r\n3\r\nbod\r\n1;a=b\r\ny\r\n0\r\n\r\n`,
    { status: 200, body: "body", isReusable: true },
  ],
  "chunks and trailers": [
    `${ok}Transfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nx-a: b\r\nx-c: d\r\n\r\n`,
    { status: 200, body: "0123456789", isReusable: true },
  ],
  "interim replies before it": [
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n${ok}content-length: 0\r\n\r\n`,
    { status: 200, body: "", isReusable: true },
  ],
  "a server that closes": [
    `${ok}connection: Close\r\ncontent-length: 2\r\n\r\nno`,
    { status: 200, body: "no", isReusable: false },
  ],
  "HTTP/1.0": ["HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nno", { status: 200, body: "no", isReusable: false }],
};

for (const [name, [text, reply]] of Object.entries(whole)) {
  test(`${name}: whole with its last byte, and not before`, () => {
    for (let end = 0; end < text.length; end++) {
      for (const hasEnded of [false, true]) assert.equal(parse(text.slice(0, end), hasEnded), undefined, `${end}`);
    }
    assert.deepEqual(parse(text), reply);
    assert.deepEqual(parse(text, true), reply);
    assert.deepEqual(parse(`${text}HTTP/1.1`), { ...reply, isReusable: false }, "what follows was not asked for");
  });
}

test("a body without a length ends with the connection", () => {
  const text = `${ok}content-type: text/plain\r\n\r\nuntil the end`;
  assert.equal(parse(text), undefined);
  assert.deepEqual(parse(text, true), { status: 200, body: "until the end", isReusable: false });
  const gzipped = `${ok}transfer-encoding: gzip\r\n\r\nabc`;
  assert.equal(parse(gzipped), undefined);
  assert.deepEqual(parse(gzipped, true), { status: 200, body: "abc", isReusable: false });
});

test("of a body that is longer than anybody reads the status counts", () => {
  const cut: Whole = { status: 200, body: "", isReusable: false };
  assert.deepEqual(parse(`${ok}content-length: 65537\r\n\r\n`), cut);
  assert.deepEqual(parse(`${ok}content-length: 999999999999999\r\n\r\n`), cut);
  assert.deepEqual(parse(`${ok}transfer-encoding: chunked\r\n\r\nffffffff\r\n`), cut);
  assert.deepEqual(parse(`${ok}transfer-encoding: chunked\r\n\r\n0\r\n${"a: b\r\n".repeat(30_000)}`), cut);
  assert.deepEqual(parse(`${ok}\r\n${"x".repeat(65_537)}`), cut);
  const longest = `${ok}content-length: 65536\r\n\r\n${"x".repeat(65_536)}`;
  assert.equal(parse(longest)?.body.length, 65_536);
});

test("names of headers are in lower case; several of one name are a list", () => {
  const reply = parseReply(Buffer.from(`${ok}X-A:  1 \r\nx-a:2\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n`), false);
  assert.deepEqual(
    [...reply!.headers],
    [
      ["x-a", "1, 2"],
      ["retry-after", "7"],
      ["content-length", "0"],
    ],
  );
});

const malformed: Readonly<Record<string, string>> = {
  "another protocol": "SSH-2.0-OpenSSH_9",
  "another version": "HTTP/2.0 200 OK\r\n\r\n",
  "no status": "HTTP/1.1 OK\r\n\r\n",
  "a status of two digits": "HTTP/1.1 20 OK\r\n\r\n",
  "a header without a colon": `${ok}nothing\r\n\r\n`,
  "a header with a space in its name": `${ok}x a: b\r\n\r\n`,
  "a folded header": `${ok}x-a: b\r\n c\r\n\r\n`,
  "two lengths": `${ok}content-length: 4\r\ncontent-length: 5\r\n\r\nbody`,
  "a length that is none": `${ok}content-length: -1\r\n\r\n`,
  "a chunk of no length": `${ok}transfer-encoding: chunked\r\n\r\nx\r\n`,
  "a chunk that goes on": `${ok}transfer-encoding: chunked\r\n\r\n1\r\nabc`,
  "a switch of protocols": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "a head without end": `${ok}x-a: ${"b".repeat(20_000)}`,
  "interim replies without end": "HTTP/1.1 102 Processing\r\n\r\n".repeat(4000),
  "trailers without end": `${ok}transfer-encoding: chunked\r\n\r\n0\r\n${"b".repeat(20_000)}`,
};

for (const [name, text] of Object.entries(malformed)) {
  test(`refused: ${name}`, () => {
    assert.throws(() => parse(text), /^Error: the (?:reply is no HTTP|head of the reply|server switches)/);
  });
}
