// HttpServer over HTTP/2, asked by node:http2.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { promisify } from "node:util";
import { ClientSession } from "@clew/http2";
import { type Call, Metadata, ServiceError } from "@clew/rpc";
import { until } from "../../http2/test/until.ts";
import { echo, raw, shelves, withServer } from "./http-shelves.ts";
import { ask, connectHttp2, reasonOf, unary } from "./http2-peer.ts";

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
