// WebSockets, tried on the page that openApiRoutes serves, in a real browser.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { type Call, ServiceError } from "@clew/rpc";
import { HttpServer } from "@clew/transport/http";
import { openApiRoutes } from "@clew/transport/openapi";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../../../ui/test/chromium.ts";
import { topics } from "./topics.ts";

const calls: Call[] = [];
const services = [topics()];
/** Another server that the page may choose, which lets pages of the first one in. */
const other = new HttpServer({ address: "127.0.0.1:0", services, webSocket: { origins: ["*"] } });
let server: HttpServer;
let browser: Browser;
let page: Page;
let problems: string[] = [];

before(async () => {
  await other.start();
  server = new HttpServer({
    address: "127.0.0.1:0",
    services,
    middleware: [
      (next) => (call) => {
        calls.push(call);
        if (call.http?.path.includes("/closed/")) throw new ServiceError(401, "NOT_YOU", "not you");
        return next(call);
      },
    ],
    routes: openApiRoutes({
      services,
      servers: [{ url: "/" }, { url: other.endpoint().href }],
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      middleware: false,
    }),
  });
  await server.start();
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await Promise.all([server?.stop(AbortSignal.abort()), other.stop(AbortSignal.abort())]);
});

beforeEach(async () => {
  await page?.close();
  problems = [];
  page = await browser.newPage();
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
});

async function open(operation: string, topic: string): Promise<void> {
  await page.goto(new URL(`/openapi/#${operation}`, server.endpoint()).href);
  await page.fill("#p-topic", topic);
}

const button = (name: string) => page.getByRole("button", { name, exact: true });

/** What is said of the connection, once it says so. */
async function status(words: string): Promise<void> {
  await page.getByText(words, { exact: true }).and(page.locator("#status")).waitFor();
}

/** What was sent and came, without the times; waits until there are so many. */
async function events(count: number): Promise<string[]> {
  await page
    .locator("#events .reply")
    .nth(count - 1)
    .waitFor();
  const texts = await page.locator("#events .reply").allTextContents();
  return texts.map((text) =>
    text
      .replace(/ · \d+ ms/, " ")
      .replace(/\s+/g, " ")
      .trim(),
  );
}

const say = (text: string): Promise<void> => page.fill("textarea.body", JSON.stringify({ note: { text } }));

test("messages are sent one by one, and what comes back is shown", async () => {
  await open("Topics_Chat", "tea & milk");
  assert.match(
    await page.inputValue("textarea.body"),
    /"note": \{\n {4}"text": "text"/,
    "it is filled from the schema",
  );
  assert.ok(await button("Send").isDisabled());
  await button("Connect").click();
  await status("Open");
  assert.ok(await page.locator("#p-topic").isDisabled(), "what is in the address cannot change any more");
  await say("one");
  await button("Send").click();
  assert.deepEqual(await events(3), [
    "open",
    'sent { "note": { "text": "one" } }',
    'received { "text": "one", "number": "0", "topic": "tea & milk" }',
  ]);
  await say("two");
  await page.keyboard.press("Control+Enter");
  assert.match((await events(5))[4]!, /"text": "two"/);
  await button("End").click();
  await status("Closed 1000");
  assert.deepEqual((await events(7)).slice(5), ["end of the messages", "closed"]);
  assert.ok(await button("Send").isDisabled());

  await button("Connect").click();
  await status("Open");
  assert.deepEqual(await events(1), ["open"], "it begins anew");
  assert.deepEqual(problems, []);
});

test("a stream of requests has one reply, after its end", async () => {
  await open("Topics_Upload", "t");
  assert.match((await page.textContent("main")) ?? "", /One reply comes after the end/);
  await page.fill("#p-author", "ann");
  await page.keyboard.press("Control+Enter");
  await status("Open");
  for (const text of ["a", "b"]) {
    await page.fill("textarea.body", JSON.stringify({ text }));
    await button("Send").click();
  }
  await button("End").click();
  await status("Closed 1000");
  const shown = await events(6);
  assert.equal(shown[4], 'received { "notes": [ "t/ann: a", "t/ann: b" ] }');
});

test("an error is shown with all that it says, once", async () => {
  await open("Topics_Chat", "t");
  await button("Connect").click();
  await status("Open");
  await say("fail");
  await button("Send").click();
  await status("Closed 1011");
  const shown = await events(4);
  assert.match(shown[2]!, /^error \{ "code": 404, "reason": "NO_TOPIC", .*"metadata": \{ "topic": "a b" \}/);
  assert.deepEqual(shown.slice(3), ["closed"]);
});

test("who is not let in is told so, and that a page cannot know why", async () => {
  await open("Topics_Chat", "closed");
  assert.match((await page.textContent("main")) ?? "", /No page can send headers with a WebSocket: token is not sent/);
  await button("Connect").click();
  await status("Not connected");
  assert.match((await page.textContent("#events")) ?? "", /did not let this page in/);
  assert.ok(await button("Connect").isEnabled());
  assert.ok(await page.locator("#p-topic").isEnabled());
});

test("closing it ends the call, and so does leaving for another operation", async () => {
  for (const leave of ["Close", "Watch"]) {
    await open("Topics_Chat", "t");
    await button("Connect").click();
    await status("Open");
    const call = calls.at(-1)!;
    const ended = new Promise((resolve) => call.onCancel(resolve));
    if (leave === "Close") {
      await button("Close").click();
      await status("Closed 1000");
    } else {
      await page.click("nav a:has-text('/notes')");
      await page.fill("#p-topic", "after");
      await button("Send").click();
      await page.waitForSelector("#status:has-text('200')");
    }
    assert.ok(await ended);
    await page.goto("about:blank");
  }
  assert.deepEqual(problems, []);
});

test("another server of the document is connected to, and the page's policy allows it", async () => {
  await open("Topics_Chat", "far");
  await page.selectOption("#server", other.endpoint().href);
  await page.fill("#p-topic", "far");
  await page.locator("summary", { hasText: "In JavaScript" }).click();
  const { host } = other.endpoint();
  assert.ok((await page.textContent("#script"))!.includes(`new WebSocket("ws://${host}/v1/topics/far/chat")`));
  const before = calls.length;
  await button("Connect").click();
  await status("Open");
  await say("hello");
  await button("Send").click();
  assert.match((await events(3))[2]!, /"topic": "far"/);
  assert.equal(calls.length, before, "it is not the page's own server");
  assert.deepEqual(problems, []);
});

test("what is shown in JavaScript works as it is", async () => {
  await open("Topics_Chat", "code");
  await say("from a script");
  const script = (await page.locator("#script").textContent())!;
  const got = await page.evaluate(`new Promise((resolve) => {
    const console = { log: resolve };
    ${script}
  })`);
  assert.deepEqual(JSON.parse(String(got)), { text: "from a script", number: "0", topic: "code" });
});
