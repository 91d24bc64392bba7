// HttpServer over HTTP/2, asked by node:http2.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { ClientSession } from "@clew/http2";
import { type Call, Metadata, ServiceError } from "@clew/rpc";
import type { Filter, RawHandler, Route } from "@clew/transport/http";
import { HttpServer } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { echo, shelves, withServer } from "./http-shelves.ts";
import { ask, connectHttp2 } from "./http2-peer.ts";

const unary = { ":path": "/test.v1.Echo/Unary", "content-type": "application/json" };

function reasonOf(text: string): string {
  return (JSON.parse(text) as { reason: string }).reason;
}

function raw(path: string, handle: RawHandler, verb = "*"): Route {
  return { verb, path, handle };
}

test("calls are answered over HTTP/2 with prior knowledge, as over HTTP/1.1", async () => {
  await withServer({ services: [shelves(), echo()] }, async (url) => {
    const session = connectHttp2(url);
    const book = await ask(session, { ":path": "/v1/shelves/s%2F1/books/b1?x=y" });
    assert.equal(book.status, 200);
    assert.deepEqual((JSON.parse(book.text) as { title: string }).title, "on s/1");
    const overHttp1 = await fetch(`${url}/v1/shelves/s%2F1/books/b1`);
    assert.equal(book.text, await overHttp1.text());
    for (const name of ["content-type", "content-length"])
      assert.equal(book.headers[name], overHttp1.headers.get(name));
    assert.match(String(book.headers.date), /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);

    const reply = await ask(session, unary, '{"text":"kratos"}');
    assert.equal(reply.text, '{"text":"kratos","count":0,"payload":""}');
    const bare = await ask(session, { ":path": "/test.v1.Echo/Unary", ":method": "POST" });
    assert.deepEqual([bare.status, bare.text], [200, '{"text":"","count":0,"payload":""}']);
    const head = await ask(session, { ":path": "/v1/books/b", ":method": "HEAD" });
    assert.deepEqual([head.status, head.text], [200, ""]);
    assert.ok(Number(head.headers["content-length"]) > 10);
    const options = await ask(session, { ":path": "/v1/books/b", ":method": "OPTIONS" });
    assert.deepEqual([options.status, options.headers.allow], [204, "GET, HEAD, OPTIONS, PUT"]);
  });
});

test("many calls at a time over one connection each get their own answer", async () => {
  await withServer({ services: [echo(async (request) => request)] }, async (url) => {
    const session = connectHttp2(url, { maxSessionMemory: 100 });
    const payload = randomBytes(200_000).toString("base64");
    const texts = await Promise.all(
      Array.from({ length: 50 }, async (_, count) => {
        const { text } = await ask(session, unary, JSON.stringify({ count, payload }));
        return JSON.parse(text) as { count: number; payload: string };
      }),
    );
    assert.deepEqual(
      texts.map((text) => text.count),
      Array.from({ length: 50 }, (_, count) => count),
    );
    assert.ok(texts.every((text) => text.payload === payload));
  });
});

test("metadata, verb, path, peer and host of a call are those of the request", async () => {
  let call: Call | undefined;
  const handler = echo((request, given) => {
    call = given;
    given.replyMetadata.set("x-one", " 1 ");
    given.replyMetadata.set("x-two", ["a", "b"]);
    given.replyMetadata.set("connection", "close");
    return request;
  });
  await withServer({ services: [handler] }, async (url) => {
    const session = connectHttp2(url);
    const headers = { ...unary, "x-list": ["a", "b"], cookie: ["c=1", "d=2"] };
    const reply = await ask(session, headers, "{}");
    assert.equal(reply.headers["x-one"], "1");
    assert.equal(reply.headers["x-two"], "a, b");
    assert.equal(reply.headers.connection, undefined);
    assert.ok(call);
    assert.deepEqual(
      [call.http?.verb, call.http?.path, call.http?.route, call.http?.scheme],
      ["POST", "/test.v1.Echo/Unary", "/test.v1.Echo/Unary", "http"],
    );
    assert.equal(call.metadata.get("x-list"), "a, b");
    assert.equal(call.metadata.get("cookie"), "c=1; d=2");
    assert.equal(call.metadata.get("host"), new URL(url).host);
    assert.match(call.peer.address, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(
      call.metadata.keys().filter((name) => name.startsWith(":")),
      [],
    );
  });
});

test("what is wrong is told as over HTTP/1.1, and costs its stream only", async () => {
  const hang = echo(() => new Promise(() => {}));
  const services = [shelves(), hang];
  await withServer({ services: [hang], timeoutMs: 50 }, async (url) => {
    const answer = await ask(connectHttp2(url), unary, "{}");
    assert.deepEqual([answer.status, reasonOf(answer.text)], [504, "GATEWAY_TIMEOUT"]);
    assert.equal(answer.headers["content-type"], "application/json");
  });
  await withServer({ services, bodyLimitBytes: 1000, headerLimitBytes: 4000 }, async (url) => {
    const session = connectHttp2(url);
    const cases: [headers: Record<string, string>, body: string | undefined, status: number, reason: string][] = [
      [unary, "{", 400, "CODEC"],
      [{ ...unary, "content-type": "text/xml" }, "<a/>", 400, "CODEC"],
      [{ ...unary, "content-encoding": "compress" }, "{}", 415, "CODEC"],
      [{ ...unary, "content-type": "application/grpc" }, "", 400, "CODEC"],
      [{ ...unary, "content-length": "1001" }, " ".repeat(1001), 413, "BODY_TOO_LARGE"],
      [unary, " ".repeat(100_000), 413, "BODY_TOO_LARGE"],
      [{ ":path": "/nowhere" }, undefined, 404, "NOT_FOUND"],
      [{ ":path": "/v1/books/b" }, "x".repeat(100_000), 405, "METHOD_NOT_ALLOWED"],
      [{ ":path": "/v1/files/.." }, undefined, 400, "CODEC"],
      [{ ":path": "/", "x-long": "x".repeat(5000) }, undefined, 431, "HEADERS_TOO_LARGE"],
    ];
    for (const [headers, body, status, reason] of cases) {
      const answer = await ask(session, headers, body);
      assert.deepEqual([answer.status, reasonOf(answer.text)], [status, reason], JSON.stringify(headers).slice(0, 100));
      assert.equal(answer.headers["content-type"], "application/json");
    }
    // Not a byte of the body is sent, nor its end: the reply cannot have waited for any.
    const silent = session.request({ ...unary, ":method": "POST", "content-length": "5000" });
    const [headers] = (await once(silent, "response")) as [Record<string, unknown>];
    assert.equal(headers[":status"], 413);
    silent.close();
    assert.equal((await ask(session, { ":path": "/v1/books/b" })).status, 200);
  });
});

test("metadata that no header can hold is never sent; the reply becomes an error", async () => {
  const bad = [
    { "x-a": "1\r\nset-cookie: evil=1" },
    { "x a": "1" },
    { "": "1" },
    { ":path": "/" },
    { "x-a": "\u{1F600}" },
  ];
  for (const metadata of bad) {
    for (const fails of [false, true]) {
      const handler = echo((_request, call) => {
        call.replyMetadata = new Metadata(metadata as Record<string, string>);
        if (fails) throw new ServiceError(409, "BUSY", "later");
        return {};
      });
      await withServer({ services: [handler] }, async (url) => {
        const answer = await ask(connectHttp2(url), unary, "{}");
        assert.equal(answer.status, fails ? 409 : 500, JSON.stringify(metadata));
      });
    }
  }
});

test("a caller that resets its stream cancels its call, in the body as in the handler", async () => {
  const calls: Call[] = [];
  const failures: unknown[] = [];
  const handler = echo((_request, call) => {
    calls.push(call);
    return new Promise(() => {});
  });
  const note = (next: (call: Call) => Promise<never>) => async (call: Call) => {
    if (call.metadata.has("x-half")) calls.push(call);
    return next(call).catch((error: unknown) => {
      failures.push(error);
      throw error;
    });
  };
  await withServer({ services: [handler], timeoutMs: 0, middleware: [note as never] }, async (url) => {
    const session = connectHttp2(url);
    const whole = session.request({ ...unary, ":method": "POST" });
    whole.on("error", () => {});
    whole.end("{}");
    await until(() => calls.length === 1, "the call arrives");
    whole.close(constants.NGHTTP2_CANCEL);
    await until(() => calls[0]!.signal.aborted, "it is cancelled");
    const half = session.request({ ...unary, ":method": "POST", "x-half": "1" });
    half.on("error", () => {});
    half.write("{");
    await until(() => calls.length === 2, "the second call arrives");
    half.destroy();
    await until(() => failures.length === 2, "both have failed");
    assert.deepEqual(
      failures.map((error) => (error as ServiceError).code),
      [499, 499],
    );
    // So does one that drops the connection.
    const third = session.request({ ...unary, ":method": "POST" });
    third.on("error", () => {});
    third.end("{}");
    await until(() => calls.length === 3, "the third call arrives");
    session.destroy();
    await until(() => calls[2]!.cancelled?.code === 499, "it is cancelled");
  });
});

test("raw handlers get what they use of node:http's request and response", async () => {
  const seen: Record<string, unknown> = {};
  const look: RawHandler = (request, response, variables) => {
    const { method, url, headers, httpVersion, socket } = request;
    Object.assign(seen, { method, url, host: headers.host, httpVersion, variables, address: socket.remoteAddress });
    response.statusCode = 201;
    response.setHeader("X-Case", "1").setHeader("set-cookie", ["a=1", "b=2"]);
    response.setHeader("connection", "keep-alive");
    response.setHeader("gone", "1");
    response.removeHeader("Gone");
    response.appendHeader("x-case", "2");
    assert.deepEqual(response.getHeader("x-case"), ["1", "2"]);
    assert.deepEqual(response.getHeaderNames(), ["x-case", "set-cookie", "connection"]);
    assert.equal(response.hasHeader("X-CASE"), true);
    assert.throws(() => response.setHeader("bad name", "1"), { code: "ERR_INVALID_HTTP_TOKEN" });
    assert.throws(() => response.setHeader("x", "a\nb"), { code: "ERR_INVALID_CHAR" });
    assert.equal(response.headersSent, false);
    response.end("made");
    assert.throws(() => response.setHeader("late", "1"), { code: "ERR_HTTP_HEADERS_SENT" });
  };
  const routes = [
    raw("/look/{id}", look),
    raw("/flat", (_request, response) => void response.writeHead(200, ["x-a", "1", "x-a", "2"] as never).end()),
    raw("/nothing", (_request, response) => void response.writeHead(204).end()),
    raw("/bad", (_request, response) => void response.writeHead(20)),
    raw("/trailers", (_request, response) => {
      response.writeHead(200, "Fine", { trailer: "x-sum" });
      response.write("body");
      response.addTrailers({ "X-Sum": "4" });
      response.end();
    }),
    raw("/hints", (_request, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      response.end("after");
    }),
  ];
  await withServer({ routes }, async (url) => {
    const session = connectHttp2(url);
    const made = await ask(session, { ":path": "/look/7?q=1", ":method": "DELETE" });
    assert.deepEqual([made.status, made.text, made.headers["content-length"]], [201, "made", "4"]);
    assert.deepEqual([made.headers["x-case"], made.headers["set-cookie"]], ["1, 2", ["a=1", "b=2"]]);
    const { host } = new URL(url);
    const want = { method: "DELETE", url: "/look/7?q=1", host, httpVersion: "2.0", variables: { id: "7" } };
    assert.deepEqual(seen, { ...want, address: "127.0.0.1" });
    const flat = await ask(session, { ":path": "/flat" });
    assert.deepEqual([flat.headers["x-a"], flat.headers["content-length"]], ["1, 2", undefined]);
    assert.equal((await ask(session, { ":path": "/nothing" })).status, 204);
    assert.equal((await ask(session, { ":path": "/bad" })).status, 500);
    const trailers = await ask(session, { ":path": "/trailers" });
    assert.deepEqual([trailers.text, trailers.trailers["x-sum"]], ["body", "4"]);
    const hints = await ask(session, { ":path": "/hints" });
    assert.deepEqual([hints.hints, hints.text], [[103], "after"]);
    const head = await ask(session, { ":path": "/look/7", ":method": "HEAD" });
    assert.deepEqual([head.status, head.text, head.headers["content-length"]], [201, "", "4"]);
  });
});

test("raw handlers pipe large bodies both ways, and are held back by a slow reader", async () => {
  const body = randomBytes(8_000_000);
  let mostBuffered = 0;
  let isStopped = false;
  const routes = [
    raw("/pipe", (request, response) => pipeline(request, response)),
    raw("/whole", async (request, response) => void response.end(String((await buffer(request)).length))),
    raw("/endless", async (_request, response) => {
      response.on("close", () => (isStopped = true));
      const chunk = Buffer.alloc(64 * 1024);
      let written = 0;
      while (!response.destroyed && written < 100_000_000) {
        written += chunk.length;
        mostBuffered = written;
        if (!response.write(chunk)) await Promise.race([once(response, "drain"), once(response, "close")]);
      }
    }),
  ];
  await withServer({ routes }, async (url) => {
    const session = connectHttp2(url);
    const stream = session.request({ ":path": "/pipe", ":method": "POST" });
    const back = buffer(stream);
    stream.end(body);
    assert.ok((await back).equals(body));
    assert.equal((await ask(session, { ":path": "/whole" }, body)).text, String(body.length));
    const slow = session.request({ ":path": "/endless" });
    slow.on("error", () => {});
    await once(slow, "response");
    let before = -1;
    await until(() => {
      const isSame = before === mostBuffered && before > 0;
      before = mostBuffered;
      return isSame;
    }, "the writer waits");
    assert.ok(mostBuffered < 10_000_000, `${mostBuffered} bytes were written to a reader that took none`);
    slow.close(constants.NGHTTP2_CANCEL);
    await until(() => isStopped, "the response closes");
  });
});

test("a raw handler hears that its caller left, and what it throws later resets the stream", async () => {
  const heard: string[] = [];
  const routes = [
    raw("/live", (request, response) => {
      request.on("aborted", () => heard.push("aborted"));
      request.on("close", () => heard.push("request close"));
      response.on("close", () => heard.push(`response close ${response.writableEnded}`));
      response.write("data: 1\n\n");
    }),
    raw("/half", (_request, response) => {
      response.write("half");
      throw new Error("gone");
    }),
    raw("/early", (_request, response) => void response.writeHead(403).end("no")),
    raw("/fail", () => Promise.reject(new ServiceError(409, "BUSY", "try later"))),
  ];
  await withServer({ routes }, async (url) => {
    const session = connectHttp2(url);
    const live = session.request({ ":path": "/live", ":method": "POST" });
    live.on("error", () => {});
    await once(live, "data");
    live.destroy();
    await until(() => heard.length === 3, "the handler hears of it");
    assert.deepEqual(heard.sort(), ["aborted", "request close", "response close false"]);
    await assert.rejects(ask(session, { ":path": "/half" }));
    const early = await ask(session, { ":path": "/early" }, "x".repeat(1_000_000));
    assert.deepEqual([early.status, early.text], [403, "no"]);
    const fail = await ask(session, { ":path": "/fail" });
    assert.deepEqual([fail.status, reasonOf(fail.text)], [409, "BUSY"]);
  });
});

test("a handler may destroy its request or its response, also with an error", async () => {
  const heard: string[] = [];
  const routes = [
    raw("/request", (request, response) => {
      request.on("close", () => heard.push("request"));
      response.on("close", () => heard.push("response"));
      request.destroy(new Error("enough"));
    }),
    raw("/response", (request, response) => {
      request.on("close", () => heard.push("request"));
      response.on("close", () => heard.push("response"));
      response.write("half");
      response.destroy(new Error("enough"));
    }),
    raw("/break", async (request, response) => {
      for await (const chunk of request) if (chunk !== undefined) break;
      response.on("close", () => heard.push("response"));
    }),
  ];
  await withServer({ routes }, async (url) => {
    const session = connectHttp2(url);
    for (const path of ["/request", "/response"]) {
      const stream = session.request({ ":path": path, ":method": "POST" });
      await assert.rejects(text(stream), Error, path);
      await until(() => heard.length === 2, "both close");
      assert.deepEqual(heard.splice(0).sort(), ["request", "response"]);
    }
    const stream = session.request({ ":path": "/break", ":method": "POST" });
    stream.write("x");
    await once(stream, "close");
    assert.equal((await ask(session, { ":path": "/nowhere" })).status, 404);
  });
});

test("a body may come in single bytes", async () => {
  await withServer({ services: [echo()], timeoutMs: 60_000 }, async (url) => {
    const body = Buffer.from(JSON.stringify({ text: Array.from({ length: 5000 }, (_, index) => index).join() }));
    const session = new ClientSession(connectTcp(Number(new URL(url).port), "127.0.0.1"));
    const parts: Buffer[] = [];
    let isOver = false;
    const fields = [":method", "POST", ":scheme", "http", ":path", unary[":path"], "content-type", "application/json"];
    const stream = session.openStream(fields, undefined, {
      onHeaders: ([, status]) => assert.equal(status, "200"),
      onData: (bytes) => void parts.push(bytes),
      onEnd() {
        isOver = true;
      },
      onReset() {
        isOver = true;
      },
      onDrain() {},
    });
    for (let at = 0; at < body.length; at++) stream.sendData(body.subarray(at, at + 1), at === body.length - 1);
    await until(() => isOver, "the reply comes");
    const { text: got } = JSON.parse(Buffer.concat(parts).toString()) as { text: string };
    assert.equal(got, (JSON.parse(body.toString()) as { text: string }).text);
    session.destroy();
  });
});

test("filters go around every request over HTTP/2 as well, and calls are answered inside of them", async () => {
  const order: string[] = [];
  const filter: Filter = (next) => (request, response, variables) => {
    order.push(`${request.method} ${request.url}`);
    response.setHeader("x-filter", "1");
    if (request.url === "/blocked") throw new ServiceError(403, "BLOCKED", "not you");
    return next(request, response, variables);
  };
  let waiting: Call | undefined;
  const handler = echo((request, call) => {
    if (request.text !== "wait") return request;
    waiting = call;
    return new Promise(() => {});
  });
  const routes = [raw("/raw", (_request, response) => void response.end("raw"))];
  await withServer({ services: [handler], routes, filters: [filter], timeoutMs: 0 }, async (url) => {
    const session = connectHttp2(url);
    const reply = await ask(session, unary, '{"text":"a"}');
    assert.deepEqual([reply.status, reply.headers["x-filter"]], [200, "1"]);
    assert.match(reply.text, /"text":"a"/);
    const bare = await ask(session, { ":path": "/test.v1.Echo/Unary", ":method": "POST" });
    assert.equal(bare.status, 200);
    assert.equal((await ask(session, { ":path": "/raw" })).text, "raw");
    assert.equal((await ask(session, { ":path": "/nowhere" })).headers["x-filter"], "1");
    const blocked = await ask(session, { ":path": "/blocked" });
    assert.deepEqual([blocked.status, reasonOf(blocked.text)], [403, "BLOCKED"]);
    assert.deepEqual(order, [
      "POST /test.v1.Echo/Unary",
      "POST /test.v1.Echo/Unary",
      "GET /raw",
      "GET /nowhere",
      "GET /blocked",
    ]);
    const stream = session.request({ ...unary, ":method": "POST" });
    stream.on("error", () => {});
    stream.end('{"text":"wait"}');
    await until(() => waiting !== undefined, "the call runs");
    assert.equal(order.length, 6);
    stream.close(constants.NGHTTP2_CANCEL);
    await until(() => waiting?.cancelled?.code === 499, "it is cancelled");
  });
});

test("a caller that waits for a 100 gets it when its body is wanted, and not before", async () => {
  const routes = [raw("/raw", async (request, response) => void response.end(await buffer(request)))];
  await withServer({ services: [echo()], routes, bodyLimitBytes: 100 }, async (url) => {
    const session = connectHttp2(url);
    for (const path of ["/test.v1.Echo/Unary", "/raw"]) {
      const stream = session.request({ ...unary, ":path": path, ":method": "POST", expect: "100-continue" });
      await once(stream, "continue");
      const reply = buffer(stream);
      stream.end("{}");
      assert.ok((await reply).length > 0);
    }
    const headers = { ...unary, ":method": "POST", expect: "100-continue", "content-length": "101" };
    const refused = session.request(headers);
    refused.on("continue", () => assert.fail("nobody wants this body"));
    const [answer] = (await once(refused, "response")) as [Record<string, unknown>];
    assert.equal(answer[":status"], 413);
    refused.close();
  });
});

test("a body that never ends is given up after requestTimeoutMs", async () => {
  let failure: unknown;
  const routes = [
    raw("/raw", async (request, response) => {
      failure = await buffer(request).catch((error: unknown) => error);
      response.end();
    }),
  ];
  await withServer({ services: [echo()], routes, timeoutMs: 0, requestTimeoutMs: 50 }, async (url) => {
    const session = connectHttp2(url);
    for (const path of ["/test.v1.Echo/Unary", "/raw"]) {
      const stream = session.request({ ...unary, ":path": path, ":method": "POST" });
      stream.on("error", () => {});
      stream.write("{");
      const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
      assert.equal(answer[":status"], 408, path);
      stream.close();
    }
    await until(() => failure instanceof Error, "the handler hears of it");
    assert.equal((await ask(session, { ":path": "/nowhere" })).status, 404);
  });
});

test("stop tells HTTP/2 connections to go, lets open calls end and cuts off the rest when its signal aborts", async () => {
  for (const aborts of [false, true]) {
    let release: (() => void) | undefined;
    let call: Call | undefined;
    const handler = echo((request, given) => {
      call = given;
      return new Promise((resolve) => (release = () => resolve(request)));
    });
    const server = new HttpServer({ address: "127.0.0.1:0", services: [handler], timeoutMs: 0 });
    await server.start();
    const idle = connectHttp2(server.endpoint());
    const busy = connectHttp2(server.endpoint());
    await once(idle, "connect");
    const reply = ask(busy, unary, '{"text":"late"}').then(
      (answer) => answer.text,
      () => "cut off",
    );
    await until(() => release !== undefined, "the call arrives");
    const cut = new AbortController();
    const idleClosed = once(idle, "close");
    const stopped = server.stop(cut.signal);
    await idleClosed;
    if (aborts) cut.abort();
    else release!();
    assert.match(await reply, aborts ? /cut off/ : /late/);
    await stopped;
    assert.equal(call!.cancelled?.code, aborts ? 499 : undefined);
  }
});

test("an HTTP/2 connection without a request is closed after maxConnectionIdleMs, a busy one is not", async () => {
  let release: (() => void) | undefined;
  const handler = echo((request) => new Promise((resolve) => (release = () => resolve(request))));
  await withServer({ services: [handler], timeoutMs: 0, maxConnectionIdleMs: 30 }, async (url) => {
    // One that is closed before its call has arrived was idle: then there is another.
    let busy = connectHttp2(url);
    let closed = once(busy, "close");
    let reply = ask(busy, unary, '{"text":"long"}');
    for (;;) {
      reply.catch(() => {});
      await Promise.race([closed, until(() => release !== undefined, "the call arrives")]);
      if (release !== undefined) break;
      busy = connectHttp2(url);
      closed = once(busy, "close");
      reply = ask(busy, unary, '{"text":"long"}');
    }
    for (let round = 0; round < 3; round++) await once(connectHttp2(url), "close");
    assert.equal(busy.closed, false);
    release!();
    assert.match((await reply).text, /long/);
    await closed;
  });
});

test("curl agrees", async () => {
  await withServer({ services: [shelves(), echo()] }, async (url) => {
    const curl = async (...parameters: string[]): Promise<string> =>
      (await promisify(execFile)("curl", ["-sS", "-w", " %{http_version} %{http_code}", ...parameters])).stdout;
    assert.match(await curl("--http2-prior-knowledge", `${url}/v1/books/b?shelf=s`), /"title":"on s".* 2 200$/);
    const post = ["-H", "content-type: application/json", "-d", '{"text":"c"}', `${url}/test.v1.Echo/Unary`];
    assert.match(await curl("--http2-prior-knowledge", ...post), /"text":"c".* 2 200$/);
    // The upgrade of HTTP/1.1 is gone from the protocol: it is answered as it came.
    assert.match(await curl("--http2", ...post), /"text":"c".* 1\.1 200$/);
  });
});

test("HttpServer looks after its HTTP/2 connections: it pings them, ends old ones, and those that ping without end", async () => {
  const services = [echo()];
  await withServer({ services, keepaliveTimeMs: 20, keepaliveTimeoutMs: 5000 }, async (url) => {
    const session = connectHttp2(url);
    let pings = 0;
    session.on("ping", () => pings++);
    await until(() => pings >= 2, "pings come");
    assert.equal((await ask(session, unary, '{"text":"a"}')).status, 200);
  });
  await withServer({ services, maxConnectionAgeMs: 20 }, async (url) => {
    await once(connectHttp2(url), "close");
  });
  await withServer({ services, minPingIntervalMs: 60_000 }, async (url) => {
    const session = connectHttp2(url);
    const goodbyes: (string | undefined)[] = [];
    session.on("goaway", (_code, _last, debug) => goodbyes.push(debug?.toString()));
    const closed = new Promise((resolve) => session.once("close", resolve));
    session.once("connect", () => {
      for (let count = 0; count < 10; count++) session.ping(() => {});
    });
    await closed;
    assert.deepEqual(goodbyes, ["too_many_pings"]);
  });
  assert.throws(() => new HttpServer({ maxConcurrentCalls: 0 }), { code: "CLEW_TRANSPORT_OPTION" });
});
