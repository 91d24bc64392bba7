// Streams of replies as server-sent events, to readers that are not ours.

import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { test } from "node:test";
import { createGunzip } from "node:zlib";
import { type Call, type Middleware, ServiceError, watchReply } from "@clew/rpc";
import { compression, EventFeed, eventsOf } from "@clew/transport";
import { HttpServer } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { hearCalls } from "./hear-calls.ts";
import { RawConnection, withServer } from "./http-shelves.ts";
import { noTopicEvent, topics } from "./topics.ts";

function get(url: string, target: string, headers = ""): RawConnection {
  return new RawConnection(url).send(`GET ${target} HTTP/1.1\r\nhost: x\r\n${headers}\r\n`);
}

/** The body of a reply in chunks, without them. */
function bodyOf(reply: string): string {
  let rest = reply.slice(reply.indexOf("\r\n\r\n") + 4);
  let body = "";
  for (let match = /^([\da-f]+)\r\n/i.exec(rest); match !== null; match = /^([\da-f]+)\r\n/i.exec(rest)) {
    const length = Number.parseInt(match[1]!, 16);
    if (length === 0) break;
    body += rest.slice(match[0].length, match[0].length + length);
    rest = rest.slice(match[0].length + length + 2);
  }
  return body;
}

test("writes the bytes of Kratos 3, and an end that its readers pass over", async () => {
  await withServer({ services: [topics()] }, async (url) => {
    const reply = await get(url, "/v1/topics/t/notes?count=2&text=a%0Ab").until(/\r\n0\r\n/);
    const [head = ""] = reply.split("\r\n\r\n", 1);
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    for (const line of ["content-type: text/event-stream", "cache-control: no-cache", "x-accel-buffering: no"]) {
      assert.ok(head.includes(`\r\n${line}`), line);
    }
    assert.match(head, /\r\nconnection: keep-alive/i);
    assert.equal(
      bodyOf(reply),
      'event: message\ndata: {"text":"a\\nb","number":"0","topic":"t"}\n\n' +
        'event: message\ndata: {"text":"a\\nb","number":"1","topic":"t"}\n\n' +
        "event: end\ndata: \n\n",
    );
  });
});

test("takes a body on the rule's verb, and speaks protojson by name", async () => {
  await withServer({ services: [topics()] }, async (url) => {
    const body = '{"count":1}';
    const headers = `content-type: application/protojson\r\naccept: text/event-stream, application/protojson\r\n`;
    const raw = new RawConnection(url).send(
      `POST /v1/topics/t:find HTTP/1.1\r\nhost: x\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`,
    );
    assert.match(bodyOf(await raw.until(/\r\n0\r\n/)), /^event: message\ndata: \{.*"topic":"t"\}\n\n/);
    assert.match(await get(url, "/v1/topics/t:find").until(/\}\}$/), /^HTTP\/1.1 405 /);
  });
});

test("an error before the first event is a plain error, one after it an event", async () => {
  const refuse: Middleware = (next) => (call) => {
    if (call.metadata.has("x-refuse")) throw new ServiceError(401, "UNAUTHORIZED", "who are you?");
    return next(call);
  };
  await withServer({ services: [topics()], middleware: [refuse] }, async (url) => {
    const first = await get(url, "/v1/topics/t/notes?text=fail").until(/\}\}$/);
    assert.match(first, /^HTTP\/1.1 404 .*content-type: application\/json.*"reason":"NO_TOPIC"/s);
    const refused = await get(url, "/v1/topics/t/notes?count=1", "x-refuse: 1\r\n").until(/\}\}$/);
    assert.match(refused, /^HTTP\/1.1 401 .*"reason":"UNAUTHORIZED"/s);
    const bad = await get(url, "/v1/topics/t/notes?count=many").until(/\}\}$/);
    assert.match(bad, /^HTTP\/1.1 400 .*"reason":"CODEC"/s);
    const later = bodyOf(await get(url, "/v1/topics/t/notes?text=fail&count=1").until(/\r\n0\r\n/));
    assert.ok(later.endsWith(`"topic":"t"}\n\n${noTopicEvent}`), later);
  });
});

test("gives ids and retry where the handler does, and hands it the last id", async () => {
  const watch = topics({
    async *watch(_request, call) {
      const events = eventsOf(call);
      events.setRetry(250);
      for (let number = Number(events.lastId ?? 0) + 1; number < 4; number++) {
        if (number !== 2) events.setId(number);
        yield { text: String(number) };
      }
      assert.throws(() => events.setId("a\nb"), { code: "CLEW_TRANSPORT_EVENT_ID" });
    },
  });
  await withServer({ services: [watch], events: { retryMs: 100 } }, async (url) => {
    const lines = (reply: string): string[] => bodyOf(reply).match(/^(id|retry): .*$/gm) ?? [];
    assert.deepEqual(lines(await get(url, "/v1/topics/t/notes").until(/\r\n0\r\n/)), [
      "retry: 100",
      "id: 1",
      "retry: 250",
      "id: 3",
    ]);
    const resumed = await get(url, "/v1/topics/t/notes", "last-event-id: 2\r\n").until(/\r\n0\r\n/);
    assert.deepEqual(lines(resumed), ["retry: 100", "id: 3", "retry: 250"]);
  });
});

test("begins without a message, and shows that it is alive", async () => {
  let release = (): void => {};
  const watch = topics({
    async *watch() {
      await new Promise<void>((resolve) => (release = resolve));
      yield { text: "late" };
    },
  });
  await withServer({ services: [watch], events: { heartbeatMs: 20 } }, async (url) => {
    const raw = get(url, "/v1/topics/t/notes");
    assert.match(await raw.until(/(:\n\n[\s\S]*){3}/), /^HTTP\/1.1 200 [\s\S]*(:\n\n[\s\S]*){3}/);
    release();
    assert.match(bodyOf(await raw.until(/\r\n0\r\n/)), /^(:\n\n)+event: message\ndata: .*late/);
  });
});

test("a reader that leaves cancels the call, over HTTP/1.1 and 2", async () => {
  const calls: Call[] = [];
  let released = 0;
  const watch = topics({
    async *watch(_request, call) {
      calls.push(call);
      try {
        yield { text: "first" };
        await call.orCancelled(new Promise(() => {}));
      } finally {
        released++;
      }
    },
  });
  await withServer({ services: [watch] }, async (url) => {
    const raw = get(url, "/v1/topics/t/notes");
    await raw.until(/first/);
    raw.socket.destroy();
    await until(() => calls[0]?.cancelled !== undefined && released === 1, "the first is cancelled");
    assert.equal(calls[0]!.cancelled!.code, 499);
    const session = connectHttp2(url);
    const stream = session.request({ ":path": "/v1/topics/t/notes" });
    const [chunk] = await new Promise<Buffer[]>((resolve) => stream.once("data", (data: Buffer) => resolve([data])));
    assert.match(chunk!.toString(), /^event: message\n/);
    stream.close(8);
    await until(() => calls[1]?.cancelled !== undefined && released === 2, "the second is cancelled");
    session.destroy();
  });
});

test("events come through a compressing filter one by one", async () => {
  let release = (): void => {};
  const watch = topics({
    async *watch() {
      yield { text: "first" };
      await new Promise<void>((resolve) => (release = resolve));
      yield { text: "second" };
    },
  });
  await withServer({ services: [watch], filters: [compression()] }, async (url) => {
    const { get: request } = await import("node:http");
    let text = "";
    await new Promise<void>((resolve, reject) => {
      request(`${url}/v1/topics/t/notes`, { headers: { "accept-encoding": "gzip" } }, (response) => {
        if (response.headers["content-encoding"] !== "gzip") reject(new Error("not compressed"));
        const plain = response.pipe(createGunzip());
        plain.on("data", (chunk: Buffer) => {
          text += chunk.toString();
          if (text.includes("first")) release();
        });
        plain.on("end", resolve);
      }).on("error", reject);
    });
    assert.match(text, /first[\s\S]*second[\s\S]*event: end/);
  });
});

test("HEAD tells what GET would, and streams nothing", async () => {
  let read = 0;
  const watch = topics({
    async *watch() {
      for (; ; read++) yield { text: "x" };
    },
  });
  // As middleware sees it, the stream is over.
  const ended: unknown[] = [];
  const middleware: Middleware = (next) => async (call) => watchReply(await next(call), (error) => ended.push(error));
  await withServer({ services: [watch], middleware: [middleware] }, async (url) => {
    const raw = new RawConnection(url).send("HEAD /v1/topics/t/notes HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert.match(await raw.closed(), /^HTTP\/1.1 200 [\s\S]*text\/event-stream[\s\S]*\r\n\r\n$/);
    assert.equal(read, 0);
    assert.deepEqual(ended, [undefined]);
  });
});

test("runs the chain once, shows each message and announces begin and end", async () => {
  const seen: string[] = [];
  const middleware: Middleware = (next) => (call) => {
    seen.push("chain");
    call.onMessage((direction) => seen.push(direction));
    return next(call);
  };
  await hearCalls(
    ["server"],
    ({ stage, error }) => seen.push(error === undefined ? stage : `${stage} ${error.reason}`),
    () =>
      withServer({ services: [topics()], middleware: [middleware] }, (url) =>
        get(url, "/v1/topics/t/notes?count=2&text=fail").until(/\r\n0\r\n/),
      ),
  );
  assert.deepEqual(seen, ["begin", "chain", "received", "sent", "sent", "end NO_TOPIC"]);
});

test("that stops gives streams some time, then tells their readers to go elsewhere", async () => {
  const endless = topics({
    async *watch(_request, call) {
      yield { text: "first" };
      await call.orCancelled(new Promise(() => {}));
    },
  });
  for (const isCutOff of [false, true]) {
    const streamDrainMs = isCutOff ? 60_000 : 20;
    const server = new HttpServer({ address: "127.0.0.1:0", services: [endless], streamDrainMs });
    await server.start();
    const raw = get(server.endpoint().href, "/v1/topics/t/notes");
    await raw.until(/first/);
    const cut = new AbortController();
    const stopped = server.stop(cut.signal);
    if (isCutOff) cut.abort();
    await stopped;
    assert.match(bodyOf(await raw.closed()), /event: error\ndata: \{"code":503,"reason":"SERVER_STOPPED",.*\}\n\n$/);
  }
});

test("a wrong option is an error at once", () => {
  for (const events of [{ heartbeatMs: -1 }, { retryMs: 0.5 }]) {
    assert.throws(() => new HttpServer({ events }), { code: "CLEW_TRANSPORT_OPTION" });
  }
  assert.throws(() => new HttpServer({ streamDrainMs: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => new EventFeed({ keep: 0 }), {
    code: "CLEW_TRANSPORT_OPTION",
    message: "option keep is 0; it must be a whole number from 1",
  });
  assert.throws(() => new EventFeed({ keeps: 5 } as object), {
    code: "CLEW_TRANSPORT_OPTION",
    message: "EventFeed has no option keeps; its options are keep; did you mean keep?",
  });
});

test("goes on where a reader was, and does not pretend where it cannot", async () => {
  const feed = new EventFeed<{ text: string }>({ keep: 3 });
  const services = [topics({ watch: (_request, call) => feed.follow(call) })];
  await withServer({ services }, async (url) => {
    const raw = get(url, "/v1/topics/t/notes");
    // It follows once it waits; what comes before is not its business.
    await until(() => {
      feed.publish({ text: "0" });
      return raw.received.includes('"text":"0"');
    }, "the reader follows");
    for (const text of ["1", "2"]) feed.publish({ text });
    const ids = bodyOf(await raw.until(/"text":"2"/)).match(/(?<=id: ).*/g)!;
    raw.socket.destroy();
    feed.publish({ text: "3" });
    const back = get(url, "/v1/topics/t/notes", `last-event-id: ${ids.at(-2)}\r\n`);
    const resumed = bodyOf(await back.until(/"text":"3"/));
    assert.deepEqual(resumed.match(/(?<="text":")\w+/g), ["2", "3"]);
    back.socket.destroy();
    for (const text of ["4", "5", "6"]) feed.publish({ text });
    for (const id of [ids.at(-1), "of-another-process", "7"]) {
      const lost = await get(url, "/v1/topics/t/notes", `last-event-id: ${id}\r\n`).until(/\}\}$/);
      assert.match(lost, /^HTTP\/1.1 410 .*"reason":"EVENTS_LOST"/s);
    }
    const last = get(url, "/v1/topics/t/notes");
    await until(() => {
      feed.publish({ text: "7" });
      return last.received.includes('"text":"7"');
    }, "another reader follows");
    feed.close();
    feed.publish({ text: "8" });
    assert.match(bodyOf(await last.until(/\r\n0\r\n/)), /"7","number":"0","topic":""\}\n\nevent: end\n/);
  });
});
