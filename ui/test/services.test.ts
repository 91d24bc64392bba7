import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import {
  createRandom,
  fleetTrace,
  followingTrace,
  helloTrace,
  messagesTrace,
  orderTrace,
  orphanTrace,
} from "./sample-traces.ts";
import { eventually, summaryRows, withPage } from "./with-page.ts";

const now = Date.now();
const random = createRandom(3);
const boxes = ".map-box:not(.map-backing)";
const backings = ".map-backing";
const lines = ".map-line";

const rowsOf = (page: Page, caption: string): Promise<string[][]> =>
  page
    .locator("table.stats", { has: page.locator("caption", { hasText: caption }) })
    .locator("tbody tr")
    .evaluateAll((rows) =>
      rows.map((row) =>
        [...row.children].map((cell) => {
          const sign = cell.querySelector(".backing .icon")?.getAttribute("aria-label");
          return `${sign === undefined ? "" : `${sign} `}${(cell as HTMLElement).innerText.trim()}`;
        }),
      ),
    );

test("the services are reached by link and by key, drawn with their calls, and told in tables", async () => {
  const traces = [messagesTrace(now, random), messagesTrace(now, random, "failing"), helloTrace(now, random)];
  await withPage(traces, "/", async (page) => {
    await page.getByRole("navigation").getByRole("link", { name: "Services" }).click();
    await page.waitForURL("**/services");
    await eventually(() => page.locator(boxes).count(), 3);
    assert.equal(await page.locator(backings).count(), 1);
    assert.equal(await page.locator(lines).count(), 3);
    assert.equal(await page.title(), "Services · Clew");
    assert.match(
      (await page.locator(".services-facts").innerText()).replace(/\s+/g, " "),
      /^3 services 1 database 17 spans$/,
    );

    const services = await rowsOf(page, "Services");
    assert.deepEqual(
      services.map((row) => row.slice(0, 3)),
      [
        ["user", "3", "33 %"],
        ["message", "2", "0 %"],
        ["profile", "2", "50 %"],
      ],
    );
    const calls = await rowsOf(page, "Who calls whom");
    assert.deepEqual(
      calls.map((row) => row.slice(0, 4)),
      [
        ["message", "database sqlite", "4", "0 %"],
        ["user", "message", "2", "0 %"],
        ["user", "profile", "2", "50 %"],
      ],
    );
    assert.match(
      (await page.getByRole("link", { name: /^Traces of profile/ }).getAttribute("aria-label"))!,
      /^Traces of profile: 2 calls, 50 % failed, p50 .+, p95 .+/,
    );

    await page.keyboard.press("t");
    await page.locator(summaryRows).first().waitFor();
    await page.keyboard.press("s");
    await page.locator(boxes).first().waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.locator('tr.is-current[data-row="message"]').waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL("**/?service=message&lookback=1h");
  });
});

test("a box leads to the service's traces of the time, a line to those in which one calls the other, a share to what failed", async () => {
  const failing = messagesTrace(now, random, "failing");
  const traces = [messagesTrace(now, random), failing, helloTrace(now, random), orphanTrace(now, random)];
  const ofYesterday = messagesTrace(now - 24 * 60 * 60_000, random);
  await withPage([...traces, ofYesterday], "/services", async (page) => {
    await page.locator(boxes, { hasText: "message" }).click();
    await page.waitForURL("**/?service=message&lookback=1h");
    await eventually(() => page.locator(summaryRows).count(), 3);

    await page.goBack();
    await page.locator(lines).first().waitFor();
    const line = page.locator(lines, { has: page.locator("title", { hasText: "user calls profile" }) });
    // Where the line is: its middle is under its label, which takes no clicks.
    const middle = await line.locator(".map-line-stroke").evaluate((path: SVGPathElement) => {
      const { x, y } = path.getPointAtLength(path.getTotalLength() * 0.2);
      const { a, d, e, f } = path.getScreenCTM()!;
      return { x: a * x + e, y: d * y + f };
    });
    await page.mouse.click(middle.x, middle.y);
    await page.waitForURL("**/?service=profile&caller=user&lookback=1h");
    await page.getByRole("button", { name: "called by user remove" }).waitFor();
    await eventually(() => page.locator(summaryRows).count(), 3);

    await page.goBack();
    await page.locator("tr[data-row=profile] a.error-mark").click();
    await page.waitForURL("**/?service=profile&tag=error%3Atrue&lookback=1h");
    assert.equal(await page.getByLabel("Attributes").inputValue(), "error:true");

    await page.goBack();
    await page.getByLabel("Traces that started in").selectOption("All that is kept");
    await page.locator('tr[data-row="user message"]').getByRole("link", { name: "message" }).click();
    await page.waitForURL("**/?service=message&caller=user");
    await eventually(() => page.locator(summaryRows).count(), 3);
  });
});

test("a call that only its caller calls a failure is one of the line, and in the list behind it", async () => {
  const missing = messagesTrace(now, random, "missing");
  const traces = [missing, messagesTrace(now, random), messagesTrace(now, random)];
  await withPage(traces, "/services", async (page) => {
    await eventually(
      async () => (await rowsOf(page, "Who calls whom")).map((row) => row.slice(0, 4)),
      [
        ["message", "database sqlite", "6", "0 %"],
        ["user", "message", "3", "0 %"],
        ["user", "profile", "3", "33 %"],
      ],
    );
    assert.deepEqual(
      (await rowsOf(page, "Services")).map((row) => row[2]),
      ["0 %", "0 %", "0 %"],
      "it is no failure of a service",
    );
    assert.match(
      await page.locator(lines).locator("title", { hasText: "user calls profile" }).innerHTML(),
      /3 calls, 33 % failed/,
    );
    await page.locator('tr[data-row="user profile"] a.error-mark').click();
    await page.waitForURL("**/?service=profile&caller=user&tag=error%3Atrue&lookback=1h");
    await page.locator(`[data-trace="${missing.traceId}"]`).waitFor();
    assert.equal(await page.locator(summaryRows).count(), 1);
  });
});

test("databases, queues and links are told from services without colour, and lead to the traces of their calls", async () => {
  const order = orderTrace(now, random);
  const greeting = helloTrace(now, random);
  const following = followingTrace(now, random, "warehouse", order);
  const linked = followingTrace(now, random, "report", greeting);
  await withPage([order, greeting, following, linked], "/services", async (page) => {
    await eventually(() => page.locator(backings).count(), 3);
    assert.match(await page.locator(".services-facts").innerText(), /2 databases, 1 queue/);
    assert.match(
      await page.locator("figcaption").innerText(),
      /A drum is a database, a pipe is a queue, a dashed line/,
    );
    const labels = await page
      .locator(backings)
      .evaluateAll((found) => found.map((box) => box.getAttribute("aria-label")!.replace(/p50.*/, "")));
    assert.deepEqual(labels, [
      "Traces of database stock, postgresql: 34 calls, none failed, ",
      "Traces of database redis: 1 call, none failed, ",
      "Traces of queue order.failed, kafka: 1 call, none failed, ",
    ]);
    assert.deepEqual(
      (await rowsOf(page, "Databases and queues")).map((row) => row.slice(0, 3)),
      [
        ["database stock postgresql", "34", "0 %"],
        ["database redis", "1", "0 %"],
        ["queue order.failed kafka", "1", "0 %"],
      ],
    );
    const calls = (await rowsOf(page, "Who calls whom")).map(([from, to]) => `${from} > ${to}`);
    for (const call of [
      "orders > queue order.failed kafka",
      "queue order.failed kafka > mailer",
      "queue order.failed kafka > warehouse",
      "inventory > database stock postgresql",
      "user > report by link",
    ]) {
      assert.ok(calls.includes(call), call);
    }
    assert.ok(!calls.includes("orders > mailer"), "by way of the queue alone");
    const link = page.locator(`${lines}.is-link`);
    assert.equal(
      await link
        .locator("title")
        .innerHTML()
        .then((title) => title.replace(/:.*/, "")),
      "a link leads from user to report",
    );
    assert.notEqual(
      await link.locator(".map-line-stroke").evaluate((path) => getComputedStyle(path).strokeDasharray),
      "none",
    );

    await page.locator(backings, { hasText: "stock" }).click();
    await page.waitForURL("**/?tag=db.system.name%3Apostgresql&tag=db.namespace%3Astock&lookback=1h");
    assert.equal(await page.getByLabel("Attributes").inputValue(), "db.system.name:postgresql db.namespace:stock");
    await eventually(() => page.locator(summaryRows).count(), 1);
    await page.goBack();
    await page.getByTitle("Traces in which warehouse takes from the queue order.failed, kafka").click();
    await page.locator(`[data-trace="${following.traceId}"]`).waitFor();
    const { searchParams } = new URL(page.url());
    assert.deepEqual(
      [searchParams.get("service"), ...searchParams.getAll("tag")],
      ["warehouse", "messaging.system:kafka", "messaging.destination.name:order.failed", "span.kind:consumer"],
    );
    assert.equal(await page.locator(summaryRows).count(), 1);
    await page.goBack();
    await page.getByTitle("Traces in which a link leads from user to report").click();
    await page.waitForURL("**/?service=report&lookback=1h");
  });
});

test("the time that is looked at is in the URL; there may be nothing in it", async () => {
  const old = messagesTrace(now - 3 * 60 * 60_000, random);
  await withPage([old], "/services", async (page) => {
    await page.getByText("No service was called").waitFor();
    await page.getByRole("button", { name: "Look at all that is kept" }).click();
    await page.waitForURL("**/services?lookback=all");
    await eventually(() => page.locator(boxes).count(), 3);
    await page.getByLabel("Traces that started in").selectOption("Last 5 minutes");
    await page.waitForURL("**/services?lookback=5m");
    await page.getByText("No service was called").waitFor();
    await page.getByLabel("Traces that started in").selectOption("Last 6 hours");
    await page.reload();
    await eventually(() => page.locator(boxes).count(), 3);
    await page.keyboard.press("t");
    await page.locator(summaryRows).first().waitFor();
    await page.keyboard.press("s");
    await page.waitForURL("**/services?lookback=6h");

    await page.getByLabel("Traces that started in").selectOption("From … to …");
    await eventually(() => page.locator(boxes).count(), 3);
    await page.getByLabel("From", { exact: true }).fill("2036-01-01T00:00");
    await page.getByRole("alert").waitFor();
    await page.getByLabel("From", { exact: true }).fill("");
    await eventually(() => page.locator(boxes).count(), 3);
    assert.match(new URL(page.url()).search, /^\?lookback=all&toMs=\d+$/);
  });
});

test("the tables are sorted by the column whose head is clicked", async () => {
  const traces = [messagesTrace(now, random), messagesTrace(now, random, "failing"), helloTrace(now, random)];
  await withPage(traces, "/services", async (page) => {
    await page.locator(boxes).first().waitFor();
    const table = page.locator("table.stats").first();
    const names = async (): Promise<(string | undefined)[]> => (await rowsOf(page, "Services")).map(([name]) => name);
    await table.getByRole("button", { name: "Service" }).click();
    assert.deepEqual(await names(), ["message", "profile", "user"]);
    assert.equal(await table.locator("th").first().getAttribute("aria-sort"), "ascending");
    await table.getByRole("button", { name: "Service" }).click();
    assert.deepEqual(await names(), ["user", "profile", "message"]);
    await table.getByRole("button", { name: "Failed" }).click();
    assert.deepEqual(await names(), ["profile", "user", "message"]);
    assert.equal(await table.locator("th").nth(2).getAttribute("aria-sort"), "descending");
  });
});

test("a service that is called for the first time appears by itself", async () => {
  await withPage([], "/services", async (page, collector) => {
    await page.locator(".first-run pre").waitFor();
    collector.add(helloTrace(now, random));
    await eventually(() => page.locator(boxes).count(), 1);
    collector.add(messagesTrace(now, random));
    await eventually(() => page.locator(boxes).count(), 3);
  });
});

test("thirty services and ten databases have all their boxes, and the one under the pointer stands out with its neighbours", async () => {
  const traces = Array.from({ length: 300 }, () => fleetTrace(now, random, 30));
  await withPage(traces, "/services", async (page) => {
    await eventually(() => page.locator(boxes).count(), 30);
    assert.equal(await page.locator(backings).count(), 10);
    assert.ok((await page.locator(lines).count()) > 30);
    const box = page.locator(boxes).first();
    assert.equal(await page.locator(".map-label").count(), 0, "too many for labels");
    await box.hover();
    await page.locator(".service-map.has-chosen").waitFor();
    assert.ok((await page.locator(`${lines}.is-near`).count()) > 0);
    assert.ok((await page.locator(`${boxes}.is-near`).count()) > 1);
    const opacityOf = (selector: string): Promise<string> =>
      page
        .locator(selector)
        .first()
        .evaluate((element) => getComputedStyle(element).opacity);
    assert.equal(await opacityOf(`${boxes}.is-near`), "1");
    assert.equal(await opacityOf(`${boxes}:not(.is-near)`), "0.3");
  });
});
