// The page that openApiRoutes serves, in a real browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { HttpServer } from "@clew/transport/http";
import { openApiRoutes } from "@clew/transport/openapi";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../../../ui/test/chromium.ts";
import { ShopErrorSchema } from "./gen/test/v1/shop_pb.ts";
import { shop } from "./shop.ts";

const seen: (string | undefined)[] = [];
const services = [shop()];
const server = new HttpServer({
  address: "127.0.0.1:0",
  services,
  prefix: "/api",
  middleware: [
    (next) => (call) => {
      seen.push(call.metadata.get("authorization"));
      return next(call);
    },
  ],
  routes: openApiRoutes({
    services,
    prefix: "/api",
    errors: [ShopErrorSchema],
    info: { title: "Shop", version: "1.2.3" },
    securitySchemes: { token: { type: "http", scheme: "bearer" } },
    middleware: false,
  }),
});
let browser: Browser;
let page: Page;
const problems: string[] = [];

before(async () => {
  await server.start();
  browser = await launchChromium();
  page = await browser.newPage();
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
});

after(async () => {
  await browser?.close();
  await server.stop(AbortSignal.abort());
});

async function open(operation = ""): Promise<void> {
  // A new document each time: with another hash alone the page stays.
  await page.goto("about:blank");
  await page.goto(new URL(`/api/openapi/${operation && `#${operation}`}`, server.endpoint()).href);
  await page.waitForSelector("nav a");
}

async function send(): Promise<{ status: string; reply: string }> {
  await page.click("button.main");
  await page.waitForSelector("#reply");
  return { status: await textOf("#status"), reply: await textOf("#reply") };
}

async function textOf(selector: string): Promise<string> {
  return (await page.textContent(selector)) ?? "";
}

test("lists the operations of each service, and finds them", async () => {
  await open();
  assert.equal(await page.title(), "Shop");
  assert.equal(await page.locator("nav a").count(), 10);
  await page.keyboard.press("/");
  await page.keyboard.type("cancel");
  assert.deepEqual(await page.locator("nav a").allTextContents(), ["POST/api/v1/orders/{name}:cancel"]);
  await page.keyboard.press("Enter");
  await page.waitForSelector("form");
  assert.match(await textOf("main h2"), /:cancel/);
  assert.match(await textOf("main"), /deprecated/);
});

test("sends what the schema suggests, and what is typed", async () => {
  await open("Shop_Place");
  await page.fill("#p-parent", "nord");
  const body = JSON.parse(await page.inputValue("textarea.body"));
  assert.equal(body.email, "ann@example.com");
  assert.equal(body.name, undefined, "what only the server sets is not asked for");
  await page.fill("textarea.body", JSON.stringify({ email: "bob@example.com", lines: [{ product: "tea", count: 3 }] }));
  await page.fill("header input", "secret");
  const { status, reply } = await send();
  assert.match(status, /^200/);
  const order = JSON.parse(reply);
  assert.equal(order.name, "shops/nord/orders/1");
  assert.equal(order.lines[0].count, 3);
  assert.equal(seen.at(-1), "Bearer secret");
  const curl = await textOf("#curl");
  assert.match(curl, /curl -X POST 'http:\/\/127.0.0.1:\d+\/api\/v1\/shops\/nord\/orders'/);
  assert.match(curl, /-H 'authorization: Bearer secret'/);
  assert.match(curl, /bob@example.com/);
});

test("what the schema suggests is taken as it is", async () => {
  await open("Shop_Place_2");
  const { status, reply } = await send();
  assert.match(status, /^200/, reply);
});

test("puts lists, maps and nested fields into the query", async () => {
  await open("Shop_List");
  await page.fill("#p-pageSize", "5");
  await page.selectOption("#p-states", ["SENT"]);
  await page.fill("#p-labels", "colour=red\nsize=a b");
  await page.fill("[id='p-filter.email']", "eve@example.com");
  const { reply } = await send();
  const [order] = JSON.parse(reply).orders;
  assert.equal(order.name, "page of 5");
  assert.equal(order.state, "SENT");
  assert.deepEqual(order.labels, { colour: "red", size: "a b" });
  assert.equal(order.note, "eve@example.com");
});

test("shows an error with its status and headers", async () => {
  await open("Shop_Get");
  await page.fill("#p-shopsId", "nord");
  await page.fill("#p-ordersId", "nothing");
  const { status, reply } = await send();
  assert.match(status, /^404/);
  assert.equal(JSON.parse(reply).reason, "ORDER_NOT_FOUND");
  assert.match(await textOf("#headers"), /content-type: application\/json/);
  assert.match(await textOf("main"), /404 application\/json/);
});

test("uploads files as a form, below a path with slashes", async () => {
  await open("Shop_Attach");
  await page.selectOption("select[aria-label='Content type']", "multipart/form-data");
  await page.fill("#p-path", "a/b c");
  await page.fill("#p-title", "plan");
  await page.setInputFiles("#p-content", {
    name: "x.bin",
    mimeType: "application/octet-stream",
    buffer: Buffer.alloc(3),
  });
  await page.setInputFiles("#p-pages", [
    { name: "1", mimeType: "text/plain", buffer: Buffer.alloc(4) },
    { name: "2", mimeType: "text/plain", buffer: Buffer.alloc(5) },
  ]);
  const { reply } = await send();
  assert.equal(reply, "a/b c plan 3 4,5");
});

test("shows the events of a stream as they come", async () => {
  await open("Shop_Watch");
  await page.fill("#p-name", "7");
  await page.click("button.main");
  // Not by waitForFunction: the page's policy has no eval, and lets it have one only at its first look.
  await page.locator("#events .reply").nth(2).waitFor();
  const events = await page.locator("#events .reply").allTextContents();
  assert.match(events[0]!, /^message[\s\S]*SENT/);
  assert.match(events[1]!, /^message[\s\S]*DELIVERED/);
  assert.match(events[2]!, /^end/);
});

test("describes a WebSocket", async () => {
  await open("Shop_Talk");
  assert.match(await textOf("main"), /each text frame is one message as JSON.*A stream of test\.v1\.Order/s);
  // Its path has a variable.
  assert.match(await textOf("main .field"), /name.*in the path/);
});

test("nothing went against the page's own policy", () => {
  // A status from 400 on is told in the console, too.
  assert.deepEqual(
    problems.filter((problem) => !problem.includes("status of 404")),
    [],
  );
});
