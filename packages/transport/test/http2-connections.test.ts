// When HTTP/2 connections end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { Call } from "@clew/rpc";
import { HttpServer } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { echo, withServer } from "./http-shelves.ts";
import { ask, connectHttp2, unary } from "./http2-peer.ts";

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
