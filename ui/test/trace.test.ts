import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleTraces } from "./fake-collector.ts";
import { createRandom, hugeTrace, messagesTrace, orphanTrace, summarize } from "./sample-traces.ts";
import { eventually, spanRows, withPage } from "./with-page.ts";

const now = Date.now();

test("a click opens the trace: rows of every service, the error marked, the page named after it", async () => {
  const failing = messagesTrace(now + 5000, createRandom(5), "failing");
  await withPage([...sampleTraces(3, now), failing], "/", async (page) => {
    await page.locator(`[data-trace="${failing.traceId}"]`).click();
    await page.waitForURL(`**/trace/${failing.traceId}`);
    await eventually(() => page.locator(spanRows).count(), 8);
    const services = await page.locator(`${spanRows} .row-service`).allInnerTexts();
    assert.deepEqual(new Set(services), new Set(["user", "message", "profile"]));
    assert.match(await page.title(), /GET \/v1\/users\/404\/messages · user · Clew/);
    assert.equal(await page.locator("h1").innerText(), "GET /v1/users/404/messages");

    const errors = page.locator(`${spanRows}.is-error`);
    assert.equal(await errors.count(), 3);
    assert.ok(await errors.first().locator(".row-error").isVisible(), "marked by an icon, not by colour alone");
    assert.equal(await page.locator(`${spanRows}:not(.is-error) .row-error:visible`).count(), 0);

    const calls = page.locator(`${spanRows}[data-kind="client"] .row-peer`);
    assert.deepEqual(
      (await calls.allInnerTexts()).filter(Boolean).map((text) => text.trim()),
      ["message", "profile"],
    );

    await page.keyboard.press("u");
    await page.locator(`[data-trace="${failing.traceId}"]`).waitFor();
  });
});

test("rows fold and unfold, by click and by key, and tell so to screen readers", async () => {
  const trace = messagesTrace(now, createRandom(6));
  await withPage([trace], `/trace/${trace.traceId}`, async (page) => {
    await eventually(() => page.locator(spanRows).count(), 8);
    const grid = page.getByRole("treegrid");
    assert.equal(await grid.getAttribute("aria-rowcount"), "9");
    const root = page.locator(spanRows).first();
    assert.equal(await root.getAttribute("aria-level"), "1");
    assert.equal(await root.getAttribute("aria-expanded"), "true");
    const client = page.locator(spanRows).nth(1);
    await client.locator(".twisty").click();
    await eventually(() => page.locator(spanRows).count(), 5);
    assert.equal(await client.getAttribute("aria-expanded"), "false");
    assert.equal(await client.locator(".row-count").innerText(), "+3");
    assert.equal(await page.locator(".panel").count(), 0, "folding opens no details");

    await page.keyboard.press("j");
    await eventually(() => root.getAttribute("aria-selected"), "true");
    assert.equal(await grid.getAttribute("aria-activedescendant"), await root.getAttribute("id"));
    await page.keyboard.press("ArrowLeft");
    await eventually(() => page.locator(spanRows).count(), 1);
    await page.keyboard.press("ArrowRight");
    await eventually(() => page.locator(spanRows).count(), 5);
    await page.keyboard.press("ArrowDown");
    await eventually(() => client.getAttribute("aria-selected"), "true");
    await page.keyboard.press("ArrowRight");
    await eventually(() => page.locator(spanRows).count(), 8);
  });
});

test("the details of a span: attributes, exception with its stack, resource; and a link that leads back to it", async () => {
  const trace = messagesTrace(now, createRandom(7), "failing");
  const span = trace.spans.find(({ service, kind }) => service === "profile" && kind === 2)!;
  await withPage([trace], `/trace/${trace.traceId}`, async (page) => {
    await page.locator(`[data-span="${span.spanId}"] .row-operation`).click();
    const panel = page.locator(".panel");
    await panel.locator(".exception").waitFor();
    const text = await panel.innerText();
    assert.match(text, /ServiceError/);
    assert.match(text, /no user 404 \(USER_NOT_FOUND\)/);
    assert.match(text, /at findProfile \(file:\/\/\/app\/profile/);
    assert.match(text, /http\.response\.status_code\s+404/);
    assert.match(text, /service\.name\s+profile/);
    await eventually(async () => new URL(page.url()).hash, `#${span.spanId}`);
    await page.keyboard.press("Escape");
    await eventually(() => panel.count(), 0);

    await page.reload();
    await panel.locator(".exception").waitFor();
    assert.equal(await page.locator(`[data-span="${span.spanId}"]`).getAttribute("aria-selected"), "true");
    await panel.getByRole("link", { name: "Traces that have this too" }).first().focus();
    await page.keyboard.press("Enter");
    await page.waitForURL("**/?tag=*");
    await page.locator(`[data-trace="${trace.traceId}"]`).waitFor();
  });
});

test("spans can be found inside a trace, and errors stepped through", async () => {
  const trace = messagesTrace(now, createRandom(8), "failing");
  await withPage([trace], `/trace/${trace.traceId}`, async (page) => {
    await eventually(() => page.locator(spanRows).count(), 8);
    await page.keyboard.press("/");
    await page.keyboard.type("select");
    await eventually(() => page.locator(`${spanRows}.is-match`).count(), 2);
    await page.keyboard.press("Enter");
    await eventually(() => page.locator(".find-count").innerText(), "1/2");
    await page.getByRole("button", { name: "Only matches" }).click();
    await eventually(() => page.locator(spanRows).count(), 5);
    await page.getByLabel("Find spans").focus();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await eventually(() => page.locator(spanRows).count(), 8);
    // In the order on screen, whatever the last match was, and round the end.
    const errors = await page.locator(`${spanRows}.is-error`).evaluateAll((rows) => rows.map((row) => row.id));
    assert.equal(errors.length, 3);
    const selected = (): Promise<string> => page.locator(`${spanRows}[aria-selected="true"]`).evaluate((row) => row.id);
    await page.keyboard.press("Home");
    for (const id of [...errors.slice(1), ...errors]) {
      await page.keyboard.press("e");
      await eventually(selected, id);
    }
    await page.keyboard.press("E");
    await eventually(selected, errors[1]!);
  });
});

test("spans whose parent is missing stand under a ghost, until it comes", async () => {
  const whole = messagesTrace(now, createRandom(10));
  const part = orphanTrace(now, createRandom(10));
  assert.equal(part.traceId, whole.traceId);
  await withPage([part], `/trace/${part.traceId}`, async (page, collector) => {
    await eventually(() => page.locator(spanRows).count(), 8);
    const ghost = page.locator(`${spanRows}.is-ghost`);
    assert.match(await ghost.innerText(), /Parent not received/);
    assert.equal(await ghost.getAttribute("aria-level"), "1");
    await page.getByText("waiting for spans").waitFor();
    const client = page.locator(spanRows).nth(2);
    const folded = await client.getAttribute("data-span");
    await client.locator(".twisty").click();
    await eventually(() => page.locator(spanRows).count(), 6);

    collector.add(whole);
    await eventually(() => ghost.count(), 0);
    assert.equal(
      await page.locator(`[data-span="${folded}"]`).getAttribute("aria-expanded"),
      "false",
      "what was folded stays",
    );
    await eventually(() => page.locator(spanRows).count(), 6);
    assert.equal(await page.getByText("waiting for spans").count(), 0);
  });
});

test("100,000 spans: few row elements, and each place can be scrolled and jumped to", async () => {
  const trace = hugeTrace(now, createRandom(11), 100_000);
  await withPage([trace], `/trace/${trace.traceId}`, async (page) => {
    await page.locator(spanRows).first().waitFor();
    assert.equal(await page.getByRole("treegrid").getAttribute("aria-rowcount"), "100001");
    const rows = (): Promise<number> => page.locator(".row").count();
    assert.ok((await rows()) < 200, `${await rows()} rows`);

    const scroller = page.locator(".waterfall-rows");
    for (const share of [0.25, 0.5, 0.999]) {
      await scroller.evaluate((box, to) => {
        box.scrollTop = box.scrollHeight * to;
      }, share);
      const wanted = await scroller.evaluate((box) => Math.floor(box.scrollTop / 26) + 10);
      const row = page.locator(`${spanRows}[aria-rowindex="${wanted + 2}"]`);
      await row.waitFor();
      assert.ok(await row.locator(".row-service").innerText());
      const box = (await row.boundingBox())!;
      assert.ok(box.y > 200 && box.y < 800, `row ${wanted} is at ${box.y}`);
    }
    assert.ok((await rows()) < 200, `${await rows()} rows after scrolling`);

    await page.keyboard.press("End");
    await page.locator(`${spanRows}[aria-rowindex="100001"][aria-selected="true"]`).waitFor();
    await page.keyboard.press("e");
    const selected = page.locator(`${spanRows}[aria-selected="true"]`);
    await selected.and(page.locator(".is-error")).waitFor();

    const painted = await page.locator(".minimap canvas").evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const pixels = (canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height).data;
      let count = 0;
      for (let i = 3; i < pixels.length; i += 4) if (pixels[i] !== 0) count++;
      return count;
    });
    assert.ok(painted > 1000, `${painted} pixels of the minimap are painted`);
  });
});

test("dragging over the overview zooms the time axis, and Escape shows the whole again", async () => {
  const trace = messagesTrace(now, createRandom(12));
  await withPage([trace], `/trace/${trace.traceId}`, async (page) => {
    await eventually(() => page.locator(spanRows).count(), 8);
    const rootBar = page.locator(`${spanRows} .bar`).first();
    const before = (await rootBar.boundingBox())!;
    const map = (await page.locator(".minimap").boundingBox())!;
    await page.mouse.move(map.x + map.width * 0.25, map.y + 20);
    await page.mouse.down();
    await page.mouse.move(map.x + map.width * 0.5, map.y + 20, { steps: 4 });
    await page.mouse.up();
    await page.getByRole("button", { name: "Zoom out" }).waitFor();
    const reachesOverBothEnds = (): Promise<boolean> =>
      rootBar.evaluate((bar) => {
        const { left, width } = (bar as HTMLElement).style;
        return Number.parseFloat(left) < 0 && Number.parseFloat(left) + Number.parseFloat(width) > 100;
      });
    await eventually(reachesOverBothEnds, true);
    await page.keyboard.press("Escape");
    await eventually(() => rootBar.boundingBox().then((box) => Math.round(box!.width)), Math.round(before.width));
  });
});

test("a trace that is not there is said to be missing, and appears when it comes", async () => {
  const trace = messagesTrace(now, createRandom(13));
  await withPage([], `/trace/${trace.traceId}`, async (page, collector) => {
    await page.getByText("This trace is not here").waitFor();
    collector.add(trace);
    await eventually(() => page.locator(spanRows).count(), 8);
  });
});

test("attribute text is shown as it is, never as markup", async () => {
  const random = createRandom(15);
  const trace = messagesTrace(now, random);
  const nasty = "<img src=x onerror=\"document.title='owned'\">";
  trace.spans[0]!.operation = nasty;
  trace.spans[0]!.attributes = [{ key: nasty, value: nasty }];
  await withPage([trace], `/trace/${trace.traceId}#${trace.spans[0]!.spanId}`, async (page) => {
    await page.locator(".panel .attributes").first().waitFor();
    assert.match(await page.locator(".panel .attributes").first().innerText(), /<img src=x/);
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(summarize(trace).rootOperation, nasty);
  });
});
