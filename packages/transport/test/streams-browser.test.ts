// A browser's own EventSource and WebSocket, on a page of the same server and of another.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventsOf, HttpServer } from "@clew/transport";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../../../ui/test/chromium.ts";
import { topics } from "./topics.ts";

const starts: (string | undefined)[] = [];
const services = [
  topics({
    // Each connection brings two notes; a reader that comes back has the rest.
    async *watch({ topic, count }, call) {
      const events = eventsOf(call);
      starts.push(events.lastId);
      const first = Number(events.lastId ?? 0) + 1;
      for (let number = first; number <= count; number++) {
        events.setId(number);
        yield { topic, text: `note ${number}` };
        if (number === first + 1 && number < count) call.cancel();
      }
    },
  }),
];
const page = {
  verb: "GET",
  path: "/",
  handle: (_request: unknown, response: { setHeader(name: string, value: string): void; end(text: string): void }) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>streams</title>");
  },
};
const server = new HttpServer({ address: "127.0.0.1:0", services, routes: [page], events: { retryMs: 10 } });
const other = new HttpServer({ address: "127.0.0.1:0", routes: [page] });
let browser: Browser;

before(async () => {
  await Promise.all([server.start(), other.start()]);
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await Promise.all([server.stop(AbortSignal.abort()), other.stop(AbortSignal.abort())]);
});

async function open(where: HttpServer): Promise<Page> {
  const opened = await browser.newPage();
  await opened.goto(where.endpoint().href);
  return opened;
}

test("EventSource connects again by itself, goes on after its last event, and ends at the end", async () => {
  const got = await (await open(server)).evaluate(`new Promise((resolve) => {
    const got = [];
    const source = new EventSource("/v1/topics/t/notes?count=5");
    source.onmessage = (event) => got.push([event.lastEventId, JSON.parse(event.data).text]);
    source.addEventListener("error", (event) => event.data && got.push(JSON.parse(event.data).reason));
    source.addEventListener("end", () => {
      source.close();
      resolve(got);
    });
  })`);
  assert.deepEqual(got, [
    ["1", "note 1"],
    ["2", "note 2"],
    "CLIENT_CLOSED",
    ["3", "note 3"],
    ["4", "note 4"],
    "CLIENT_CLOSED",
    ["5", "note 5"],
  ]);
  assert.deepEqual(starts, [undefined, "2", "4"]);
});

const chat = (url: string): string => `new Promise((resolve) => {
  const got = [];
  const socket = new WebSocket("${url}v1/topics/t/chat");
  socket.onopen = () => {
    socket.send('{"note":{"text":"ü"}}');
    socket.send('{"note":{"text":"fail"}}');
  };
  socket.onmessage = ({ data }) => got.push(data);
  socket.onclose = ({ code }) => resolve([...got, code]);
})`;

test("WebSocket brings replies and the error whole", async () => {
  const url = server.endpoint().href.replace("http", "ws");
  const got = (await (await open(server)).evaluate(chat(url))) as [string, string, string, number];
  assert.equal(got[0], '{"text":"ü","number":"0","topic":"t"}');
  assert.ok(got[1].startsWith("\x1eerror:"));
  assert.equal((JSON.parse(got[2].slice("\x1estatus:".length)) as { reason: string }).reason, "NO_TOPIC");
  assert.equal(got[3], 1011);
  // The page of another site gets nothing.
  assert.deepEqual(await (await open(other)).evaluate(chat(url)), [1006]);
});
