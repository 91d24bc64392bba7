// What raw handlers and filters have of node:http over HTTP/2.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { constants } from "node:http2";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { type Call, ServiceError } from "@clew/rpc";
import type { Filter, RawHandler } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { echo, raw, withServer } from "./http-shelves.ts";
import { ask, connectHttp2, reasonOf, unary } from "./http2-peer.ts";

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
