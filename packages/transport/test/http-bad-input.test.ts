import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Call, Metadata, type Middleware, ServiceError, service } from "@clew/rpc";
import type { CallAnnouncement } from "@clew/transport";
import type { Filter } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { Rules } from "./gen/test/v1/kinds_pb.ts";
import { hearCalls } from "./hear-calls.ts";
import { echo, RawConnection, shelves, withServer } from "./http-shelves.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that are held, without what waits for its collection. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const unary = "POST /test.v1.Echo/Unary HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";

/** The error in the first reply of what a connection received. */
function errorIn(received: string): { code: number; reason: string; message: string; metadata: unknown } {
  const [head = "", body = ""] = received.split("\r\n\r\n");
  assert.match(head, /\r\ncontent-type: application\/json\r\n/);
  return JSON.parse(body.slice(0, body.lastIndexOf("}") + 1));
}

function post(url: string, headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>): Promise<Response> {
  return fetch(`${url}/test.v1.Echo/Unary`, { method: "POST", headers, body });
}

test("malformed JSON and JSON of another shape are 400 CODEC", async () => {
  await withServer({ services: [echo()] }, async (url) => {
    for (const body of [
      "{",
      "[]",
      "null",
      "1",
      '{"text":1}',
      '{"count":"x"}',
      '{"count":4294967296}',
      '{"payload":"!"}',
      '{"text":"a"} x',
    ]) {
      const response = await post(url, { "content-type": "application/json" }, body);
      const error = (await response.json()) as ServiceError;
      assert.deepEqual([response.status, error.code, error.reason], [400, 400, "CODEC"], body);
      assert.match(error.message, /^the body is not EchoMessage as application\/json: ./, body);
      assert.deepEqual(Object.keys(error), ["code", "reason", "message", "metadata"]);
    }
    const garbage = await post(url, { "content-type": "application/proto" }, new Uint8Array([10, 255]));
    assert.deepEqual([garbage.status, ((await garbage.json()) as ServiceError).reason], [400, "CODEC"]);
  });
});

test("JSON that nests without end is an error of its call, not of the process", async () => {
  const never = () => Promise.reject(new Error("must not run"));
  const rules = service(Rules, { query: never, patch: never, tags: never, bare: never, purge: never, move: never });
  await withServer({ services: [rules] }, async (url) => {
    const depth = 200_000;
    const body = `{"structValue":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`;
    const response = await fetch(`${url}/v1/kinds/x:purge`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    assert.deepEqual([response.status, ((await response.json()) as ServiceError).reason], [400, "CODEC"]);
  });
});

test("a content type that is not known is 400, as in Kratos, an encoding 415, and the reply says what would work", async () => {
  await withServer({ services: [echo()] }, async (url) => {
    const cases: [headers: Record<string, string>, status: number, message: RegExp][] = [
      [{ "content-type": "text/xml" }, 400, /the content type "text\/xml"; application\/json, .*application\/proto/],
      [{ "content-type": "json" }, 400, /the content type "json"/],
      [
        { "content-type": "application/json", "content-encoding": "lzw" },
        415,
        /the content encoding "lzw"; gzip, deflate, br, zstd/,
      ],
    ];
    for (const [headers, status, message] of cases) {
      const response = await post(url, headers, "{}");
      const error = (await response.json()) as ServiceError;
      assert.deepEqual([response.status, error.reason], [status, "CODEC"]);
      assert.match(error.message, message);
    }
    const bare = await post(url, {}, new Uint8Array([123, 125]));
    assert.equal(bare.status, 400);
    assert.match(((await bare.json()) as ServiceError).message, /no content type/);
  });
});

test("replies 413 before reading a body over the limit", async () => {
  let hasRun = false;
  let request: IncomingMessage | undefined;
  const handler = echo(() => {
    hasRun = true;
    return {};
  });
  const keep: Filter = (next) => (given, response, variables) => {
    request = given;
    return next(given, response, variables);
  };
  await withServer({ services: [handler], bodyLimitBytes: 1000, filters: [keep] }, async (url) => {
    // Not a byte of the body is sent: the reply cannot have waited for any.
    const silent = new RawConnection(url).send(`${unary}Content-Length: 1001\r\n\r\n`);
    const reply = await silent.until(/\}\}$/);
    assert.match(reply, /^HTTP\/1.1 413 .*\r\nconnection: close\r\n/is);
    assert.deepEqual(errorIn(reply), {
      code: 413,
      reason: "BODY_TOO_LARGE",
      message: "the body is over the limit of 1000 bytes",
      metadata: {},
    });
    await silent.closed();

    // The body is on its way: the caller still gets to read the reply.
    const talking = new RawConnection(url).send(`${unary}Content-Length: 5000000\r\n\r\n${"x".repeat(5_000_000)}`);
    assert.match(await talking.until(/\}\}$/), /^HTTP\/1.1 413 .*BODY_TOO_LARGE/s);
    assert.equal(request?.readableDidRead, false);
    assert.ok(request.socket.bytesRead < 1_000_000, `${request.socket.bytesRead} bytes were taken from the socket`);
    await talking.closed();

    const exact = await post(url, { "content-type": "application/json" }, `{}${" ".repeat(998)}`);
    assert.equal(exact.status, 200);
    assert.equal(hasRun, true);
    hasRun = false;

    // A body that does not say how long it is counts while it is read.
    const chunk = "x".repeat(600);
    const chunked = new RawConnection(url).send(
      `${unary}Transfer-Encoding: chunked\r\n\r\n258\r\n${chunk}\r\n258\r\n${chunk}\r\n`,
    );
    assert.match(await chunked.closed(), /^HTTP\/1.1 413 .*BODY_TOO_LARGE/s);
    assert.equal(hasRun, false);
  });
});

test("a body in chunks of single bytes takes little more memory than its bytes", async () => {
  let request: IncomingMessage | undefined;
  const look: Filter = (next) => (incoming, response, variables) => {
    request = incoming;
    return next(incoming, response, variables);
  };
  await withServer({ services: [echo()], filters: [look] }, async (url) => {
    const connection = new RawConnection(url).send(`${unary}Transfer-Encoding: chunked\r\n\r\n`);
    await until(() => request !== undefined, "the request");
    const before = heldBytes();
    const beforeBytes = request!.socket.bytesRead;
    const count = 500_000;
    const chunk = "1\r\nx\r\n";
    connection.send(chunk.repeat(count));
    await until(() => request!.socket.bytesRead - beforeBytes === count * chunk.length, "the body");
    const held = heldBytes() - before;
    assert.ok(held < 20_000_000, `${held} bytes`);
    connection.socket.destroy();
  });
});

test("a caller that waits for a 100 gets it when its body is wanted, and not before", async () => {
  const refuse: Middleware = (next) => (call) =>
    call.metadata.get("x-user") === "ann"
      ? next(call)
      : Promise.reject(new ServiceError(401, "UNAUTHORIZED", "who are you"));
  await withServer({ services: [echo()], bodyLimitBytes: 100, middleware: [refuse] }, async (url) => {
    const expect = `${unary}Expect: 100-continue\r\n`;
    const wanted = new RawConnection(url).send(
      `${expect}x-user: ann\r\nConnection: close\r\nContent-Length: 12\r\n\r\n`,
    );
    assert.equal(await wanted.until(/\r\n\r\n/), "HTTP/1.1 100 Continue\r\n\r\n");
    assert.match(await wanted.send('{"text":"a"}').closed(), /HTTP\/1.1 200 .*"text":"a"/s);
    const tooLarge = new RawConnection(url).send(`${expect}x-user: ann\r\nContent-Length: 101\r\n\r\n`);
    assert.match(await tooLarge.until(/\}\}$/), /^HTTP\/1.1 413 /);
    const refused = new RawConnection(url).send(`${expect}Content-Length: 12\r\n\r\n`);
    assert.match(await refused.until(/\}\}$/), /^HTTP\/1.1 401 /);
    refused.socket.destroy();
  });
});

test("a body that does not arrive in time is 504 at once, and the handler does not run", async () => {
  let hasRun = false;
  const handler = echo(() => {
    hasRun = true;
    return {};
  });
  await withServer({ services: [handler], timeoutMs: 30 }, async (url) => {
    const slow = new RawConnection(url).send(`${unary}Content-Length: 100\r\n\r\n{"text":`);
    const reply = await slow.closed();
    assert.match(reply, /^HTTP\/1.1 504 /);
    assert.deepEqual(errorIn(reply), {
      code: 504,
      reason: "GATEWAY_TIMEOUT",
      message: "/test.v1.Echo/Unary: deadline exceeded",
      metadata: {},
    });
    assert.equal(hasRun, false);
  });
});

test("a handler that takes too long is 504 at once, and its signal is aborted", async () => {
  let call: Call | undefined;
  let release: (() => void) | undefined;
  const handler = echo((_request, given) => {
    call = given;
    return new Promise((resolve) => (release = () => resolve({ text: "too late" })));
  });
  const ends: (string | undefined)[] = [];
  const listen = ({ stage, error }: CallAnnouncement): void => {
    if (stage === "end") ends.push(error?.reason);
  };
  const ask = async (url: string): Promise<void> => {
    const connection = new RawConnection(url).send(`${unary}Content-Length: 2\r\n\r\n{}`);
    assert.match(await connection.until(/\}\}$/), /^HTTP\/1.1 504 .*GATEWAY_TIMEOUT/s);
    assert.ok(call);
    assert.equal(call.signal.aborted, true);
    assert.equal((call.signal.reason as ServiceError).code, 504);
    // The late reply goes nowhere, and the connection serves on.
    release?.();
    connection.received = "";
    connection.send("GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert.match(await connection.closed(), /^HTTP\/1.1 404 /);
  };
  await hearCalls(["server"], listen, () => withServer({ services: [handler], timeoutMs: 30 }, ask));
  assert.deepEqual(ends, ["GATEWAY_TIMEOUT"]);
});

test("a middleware that hangs is 504 as well", async () => {
  const hang: Middleware = () => () => new Promise(() => {});
  await withServer({ services: [echo()], timeoutMs: 30, middleware: [hang] }, async (url) => {
    assert.equal((await post(url, { "content-type": "application/json" }, "{}")).status, 504);
  });
});

test("a caller that leaves cancels its call", async () => {
  const calls: Call[] = [];
  const handler = echo((_request, call) => {
    calls.push(call);
    return new Promise(() => {});
  });
  await withServer({ services: [handler], timeoutMs: 0 }, async (url) => {
    const connection = new RawConnection(url).send(`${unary}Content-Length: 2\r\n\r\n{}`);
    await until(() => calls.length === 1, "the call arrives");
    const { signal } = calls[0]!;
    assert.equal(signal.aborted, false);
    connection.socket.destroy();
    await until(() => signal.aborted, "the call is cancelled");
    assert.deepEqual([calls[0]?.cancelled?.code, calls[0]?.cancelled?.reason], [499, "CLIENT_CLOSED"]);
  });
});

test("a caller that leaves in the middle of its body cancels its call before the handler runs", async () => {
  let hasRun = false;
  let failure: unknown;
  const note: Middleware = (next) => (call) =>
    next(call).catch((error: unknown) => {
      failure = error;
      throw error;
    });
  const handler = echo(() => {
    hasRun = true;
    return {};
  });
  await withServer({ services: [handler], middleware: [note] }, async (url) => {
    const connection = new RawConnection(url).send(`${unary}Content-Length: 100\r\n\r\n{"text":`);
    await until(() => connection.socket.bytesWritten > 0, "the request is sent");
    connection.socket.end();
    await until(() => failure !== undefined, "the call fails");
    assert.equal((failure as ServiceError).code, 499);
    assert.equal(hasRun, false);
  });
});

test("an unknown route is 404, a wrong verb 405 with Allow, both in the error shape", async () => {
  await withServer({ services: [shelves()] }, async (url) => {
    const unknown = await fetch(`${url}/v1/nothing?x=1`);
    assert.equal(unknown.status, 404);
    assert.equal(
      await unknown.text(),
      '{"code":404,"reason":"NOT_FOUND","message":"no route for GET /v1/nothing","metadata":{}}',
    );
    const wrong = await fetch(`${url}/v1/books/b`, { method: "POST", body: "x".repeat(100_000) });
    assert.deepEqual([wrong.status, wrong.headers.get("allow")], [405, "GET, HEAD, OPTIONS, PUT"]);
    assert.deepEqual(await wrong.json(), {
      code: 405,
      reason: "METHOD_NOT_ALLOWED",
      message: "POST is not allowed here; GET, HEAD, OPTIONS, PUT would work",
      metadata: {},
    });
  });
});

test("a path or query that is no value of its field is 400 CODEC naming the field", async () => {
  await withServer({ services: [shelves()] }, async (url) => {
    for (const [path, field] of [
      ["/v1/books:search?page_size=many", "page_size"],
      ["/v1/books:search?since=yesterday", "since"],
      ["/v1/books:search?query=%ff", "%ff"],
      ["/v1/books/%ff", "book.id"],
      ["/v1/files/..", "path"],
    ] as const) {
      const connection = new RawConnection(url).send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      const error = errorIn(await connection.closed());
      assert.deepEqual([error.code, error.reason], [400, "CODEC"], path);
      assert.match(error.message, new RegExp(`^field "${field}": `), path);
    }
  });
});

test("metadata that no header can hold is never sent; the reply becomes an error", async () => {
  const bad = [
    { "x-a": "1\r\nset-cookie: evil=1" },
    { "x-a\r\nset-cookie": "evil=1" },
    { "x a": "1" },
    { "": "1" },
    { "x-a": "\u{1F600}" },
  ];
  const lines: string[] = [];
  const logger = { error: (line: string) => lines.push(line), debug() {}, info() {}, warn() {} } as never;
  for (const metadata of bad) {
    for (const fails of [false, true]) {
      const handler = echo((_request, call) => {
        call.replyMetadata = new Metadata(metadata as Record<string, string>);
        if (fails) throw new ServiceError(409, "BUSY", "later");
        return {};
      });
      await withServer({ services: [handler], logger }, async (url) => {
        const connection = new RawConnection(url).send(`${unary}Connection: close\r\nContent-Length: 2\r\n\r\n{}`);
        const reply = await connection.closed();
        assert.doesNotMatch(reply, /evil/);
        assert.equal(errorIn(reply).code, fails ? 409 : 500, JSON.stringify(metadata));
        assert.deepEqual(lines.splice(0), ["/test.v1.Echo/Unary: the reply's metadata cannot be sent"]);
      });
    }
  }
});

test("what is sent back of a request cannot break out of the error", async () => {
  await withServer({ services: [shelves()] }, async (url) => {
    const connection = new RawConnection(url).send(
      'GET /nope%0d%0aSet-Cookie:x=1/"}{" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    const reply = await connection.closed();
    assert.doesNotMatch(reply, /\r\nset-cookie/i);
    assert.equal(errorIn(reply).message, 'no route for GET /nope%0d%0aSet-Cookie:x=1/"}{"');
  });
});

test("pipelined requests are answered in their order", async () => {
  const release: (() => void)[] = [];
  const handler = echo((request) =>
    request.text === "slow" ? new Promise((resolve) => release.push(() => resolve(request))) : request,
  );
  await withServer({ services: [handler] }, async (url) => {
    const ask = (text: string, rest = ""): string =>
      `${unary}${rest}Content-Length: ${text.length + 11}\r\n\r\n{"text":"${text}"}`;
    const connection = new RawConnection(url).send(ask("slow") + ask("fast") + ask("bye", "Connection: close\r\n"));
    await until(() => release.length === 1, "the first call arrives");
    release[0]!();
    const replies = await connection.closed();
    assert.deepEqual(
      [...replies.matchAll(/"text":"(\w+)"/g)].map((match) => match[1]),
      ["slow", "fast", "bye"],
    );
  });
});

test("what is not HTTP is refused in the error shape, and the connection ends", async () => {
  await withServer({ services: [echo()], headerTimeoutMs: 500 }, async (url) => {
    const slow = await new RawConnection(url).send("GET / HTTP/1.1\r\nHost:").closed();
    assert.match(slow, /^HTTP\/1\.1 408 /);
    assert.equal(errorIn(slow).reason, "REQUEST_TIMEOUT");
  });
  await withServer({ services: [echo()], headerLimitBytes: 2000 }, async (url) => {
    const cases: [request: string, status: number, reason: string][] = [
      ["hello\r\n\r\n", 400, "BAD_REQUEST"],
      ["GET / HTTP/1.1\r\n\r\n", 400, ""],
      [`GET / HTTP/1.1\r\nHost: a\r\nx: ${"x".repeat(3000)}\r\n\r\n`, 431, "HEADERS_TOO_LARGE"],
      [`${unary}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, "BAD_REQUEST"],
      [`${unary}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}`, 400, "BAD_REQUEST"],
      ["GET / HTTP/1.1\r\nHost: a\r\nx: a\0b\r\n\r\n", 400, "BAD_REQUEST"],
    ];
    for (const [request, status, reason] of cases) {
      const reply = await new RawConnection(url).send(request).closed();
      assert.match(reply, new RegExp(`^HTTP/1\\.1 ${status} `), JSON.stringify(request.slice(0, 40)));
      if (reason !== "") assert.equal(errorIn(reply).reason, reason);
    }
    // A broken body of a call whose reply has not begun.
    const broken = await new RawConnection(url).send(`${unary}Transfer-Encoding: chunked\r\n\r\nzz\r\n`).closed();
    assert.match(broken, /^HTTP\/1\.1 400 |^$/);
  });
});

test("what node:http takes and a server must not is 400, and the connection is closed", async () => {
  let calls = 0;
  const handler = echo(() => {
    calls += 1;
    return {};
  });
  const json = "Content-Type: application/json\r\n";
  const chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  const cases: [request: string, message: RegExp][] = [
    [`${unary}hOST: b\r\nContent-Length: 2\r\n\r\n{}`, /more than one Host/],
    [`${unary}Host: a\r\n${chunked}`, /more than one Host/],
    [`GET /test.v1.Echo/BidiStream HTTP/1.1\r\nHost: a\r\nHost: a\r\n${upgrade}\r\n`, /more than one Host/],
    [`POST /test.v1.Echo/Unary HTTP/1.0\r\n${json}Connection: keep-alive\r\n${chunked}`, /Transfer-Encoding/],
  ];
  await withServer({ services: [handler] }, async (url) => {
    for (const [request, message] of cases) {
      const reply = await new RawConnection(url).send(request).closed();
      assert.match(reply, /^HTTP\/1\.1 400 .*\r\nconnection: close\r\n/is, request);
      assert.match(errorIn(reply).message, message);
    }
    assert.equal(calls, 0);
    const old = `POST /test.v1.Echo/Unary HTTP/1.0\r\n${json}Content-Length: 2\r\n\r\n{}`;
    assert.match(await new RawConnection(url).send(old).closed(), /^HTTP\/1\.1 200 /);
    assert.equal(calls, 1);
  });
});
