import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleTraces } from "./fake-collector.ts";
import { createRandom, helloTrace, messagesTrace, orderTrace, orphanTrace } from "./sample-traces.ts";
import { eventually, summaryRows, withPage } from "./with-page.ts";

const now = Date.now();

test("without a trace the page tells how to send one, and shows the first that comes", async () => {
  await withPage([], "/", async (page, collector) => {
    const lines = await page.locator(".first-run pre").innerText();
    assert.match(lines, /^export OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/127\.0\.0\.1:4318$/m);
    assert.match(lines, /^export OTEL_EXPORTER_OTLP_PROTOCOL=http\/protobuf$/m);
    assert.match(lines, /^export OTEL_SERVICE_NAME=/m);
    collector.add(helloTrace(now, createRandom(1)));
    await page.locator(summaryRows).waitFor();
    assert.match(await page.locator(summaryRows).innerText(), /\/helloworld\//);
    await eventually(
      () =>
        page
          .locator(".kept")
          .innerText()
          .then((text) => /1 span/.test(text)),
      true,
    );
  });
});

test("the list shows the newest traces first, with services, spans, duration and errors", async () => {
  const failing = messagesTrace(now + 5000, createRandom(2), "failing");
  await withPage([...sampleTraces(10, now), failing], "/", async (page) => {
    const first = page.locator(summaryRows).first();
    await first.waitFor();
    const text = await first.innerText();
    assert.match(text, /GET\s*\/v1\/users\/404\/messages/);
    for (const service of ["user", "message", "profile"]) assert.ok(text.includes(service), service);
    assert.match(text, /\d(\.\d+)? (ms|µs|s)/);
    assert.ok(await first.evaluate((row) => row.classList.contains("is-error")));
    assert.equal(await first.locator('.summary-name [role="img"]').getAttribute("aria-label"), "3 errors");
    const kept = (): Promise<string> => page.locator(".kept").innerText();
    await eventually(async () => /kept since \d\d:\d\d|kept since \d{4}-/.test(await kept()), true);
    assert.match(await page.title(), /Traces/);
  });
});

test("older traces are loaded by request, and none twice", async () => {
  await withPage(sampleTraces(120, now), "/", async (page) => {
    await page.locator(summaryRows).first().waitFor();
    assert.equal(await page.locator(summaryRows).count(), 50);
    await page.getByRole("button", { name: "Load older" }).click();
    await eventually(() => page.locator(summaryRows).count(), 100);
    await page.getByRole("button", { name: "Load older" }).click();
    await eventually(() => page.locator(summaryRows).count(), 123);
    const ids = await page
      .locator(summaryRows)
      .evaluateAll((rows) => rows.map((row) => row.getAttribute("data-trace")));
    assert.equal(new Set(ids).size, 123);
    assert.equal(await page.getByRole("button", { name: "Load older" }).count(), 0);
  });
});

test("a live trace appears by itself, waits while the list is paused, and grows in its place", async () => {
  await withPage(sampleTraces(5, now), "/", async (page, collector) => {
    await page.locator(".live-button.is-live").waitFor();
    const random = createRandom(9);
    const one = messagesTrace(now + 10_000, random);
    collector.add({ ...one, spans: one.spans.slice(0, 2) });
    const row = page.locator(`[data-trace="${one.traceId}"]`);
    await row.waitFor();
    assert.equal(await page.locator(summaryRows).first().getAttribute("data-trace"), one.traceId);
    assert.equal(await row.locator(".number").first().innerText(), "2");

    await page.keyboard.press(".");
    await page.locator(".live-button.is-paused").waitFor();
    const two = helloTrace(now + 20_000, random);
    collector.add(two);
    await page.locator(".pill").waitFor();
    assert.match(await page.locator(".pill").innerText(), /1 new/);
    assert.equal(await page.locator(`[data-trace="${two.traceId}"]`).count(), 0);
    collector.add(one);
    await eventually(() => row.locator(".number").first().innerText(), "8");

    await page.keyboard.press(".");
    await page.locator(`[data-trace="${two.traceId}"]`).waitFor();
    assert.equal(await page.locator(summaryRows).first().getAttribute("data-trace"), two.traceId);
  });
});

test("the filter narrows the list, stays in the URL, and holds for live traces", async () => {
  const random = createRandom(4);
  const failing = messagesTrace(now - 50_000, random, "failing");
  const good = messagesTrace(now - 40_000, random);
  await withPage([failing, good, helloTrace(now - 30_000, random)], "/", async (page, collector) => {
    await eventually(() => page.locator(summaryRows).count(), 3);
    await page.getByRole("button", { name: "Errors" }).click();
    await eventually(() => page.locator(summaryRows).count(), 1);
    assert.equal(new URL(page.url()).search, "?errors=true");
    collector.add(messagesTrace(now, random));
    const another = messagesTrace(now + 1000, random, "failing");
    collector.add(another);
    await page.locator(`[data-trace="${another.traceId}"]`).waitFor();
    assert.equal(await page.locator(summaryRows).count(), 2);

    await page.getByLabel("Minimum duration").fill("soon");
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").innerText(), /"soon" is not a duration/);
    await page.getByRole("button", { name: "Clear" }).click();
    await eventually(() => page.locator(summaryRows).count(), 5);
    assert.equal(new URL(page.url()).search, "");

    await page.keyboard.press("Escape");
    await page.getByLabel("Attributes").fill("http.response.status_code:404");
    await eventually(() => page.locator(summaryRows).count(), 2);
    await page.reload();
    await eventually(() => page.locator(summaryRows).count(), 2);
    assert.equal(await page.getByLabel("Attributes").inputValue(), "http.response.status_code:404");
    await page.getByLabel("Service").fill("nobody");
    await page.getByText("No trace matches").waitFor();
  });
});

test("a time narrows the list, stays in the URL, and is left when all is wanted", async () => {
  const random = createRandom(21);
  const old = messagesTrace(now - 3 * 60 * 60_000, random);
  const recent = messagesTrace(now - 30 * 60_000, random);
  const fresh = helloTrace(now - 60_000, random);
  await withPage([old, recent, fresh], "/", async (page, collector) => {
    await eventually(() => page.locator(summaryRows).count(), 3);
    const time = page.getByLabel("Traces that started in");
    assert.equal(await time.inputValue(), "all");
    await time.selectOption("Last 15 minutes");
    await eventually(() => page.locator(summaryRows).count(), 1);
    assert.equal(new URL(page.url()).search, "?lookback=15m");
    await time.selectOption("Last hour");
    await eventually(() => page.locator(summaryRows).count(), 2);
    await page.reload();
    await eventually(() => page.locator(summaryRows).count(), 2);
    assert.equal(await time.inputValue(), "1h");
    // What comes is in it.
    collector.add(helloTrace(Date.now(), random));
    await eventually(() => page.locator(summaryRows).count(), 3);

    await page.getByLabel("Service").fill("nobody");
    await page.getByText("The time looked at: last hour.").waitFor();
    await page.getByRole("button", { name: "Look at all that is kept" }).click();
    await page.getByText("The filter looks at everything that is kept.").waitFor();
    await page.waitForURL("**/?service=nobody");
    assert.equal(await time.inputValue(), "all");
    await time.selectOption("Last 24 hours");
    await page.getByRole("button", { name: "Clear" }).click();
    await eventually(() => page.locator(summaryRows).count(), 4);
    assert.equal(new URL(page.url()).search, "");
  });
});

test("a time may be given by its two moments, of which each may be left open", async () => {
  const random = createRandom(22);
  const hourAgo = now - (now % 60_000) - 60 * 60_000;
  const traces = [0, 10, 20].map((minutes) => messagesTrace(hourAgo + minutes * 60_000 + 5000, random));
  /** As the browser, which is of this time zone, writes it. */
  const written = (ms: number): string => {
    const at = new Date(ms);
    return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  };
  await withPage(traces, "/", async (page) => {
    await eventually(() => page.locator(summaryRows).count(), 3);
    await page.getByLabel("Traces that started in").selectOption("From … to …");
    const from = page.getByLabel("From", { exact: true });
    const to = page.getByLabel("To", { exact: true });
    assert.equal(await from.inputValue(), written(hourAgo), "since the oldest trace");
    await eventually(() => page.locator(summaryRows).count(), 3);

    await from.fill(written(hourAgo + 5 * 60_000));
    await eventually(() => page.locator(summaryRows).count(), 2);
    await to.fill(written(hourAgo + 15 * 60_000));
    await eventually(() => page.locator(summaryRows).count(), 1);
    const query = `fromMs=${hourAgo + 5 * 60_000}&toMs=${hourAgo + 15 * 60_000}`;
    assert.equal(new URL(page.url()).search, `?${query}`);
    await page.reload();
    await eventually(() => page.locator(summaryRows).count(), 1);
    assert.equal(await to.inputValue(), written(hourAgo + 15 * 60_000));

    await from.fill("");
    await eventually(() => page.locator(summaryRows).count(), 2);
    await from.fill(written(hourAgo + 20 * 60_000));
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").innerText(), /The time ends before it begins/);
    assert.equal(await to.getAttribute("aria-invalid"), "true");
    assert.equal(new URL(page.url()).search, `?toMs=${hourAgo + 15 * 60_000}`, "the last that could be read");
    await to.fill("");
    await eventually(() => page.locator(summaryRows).count(), 2);
  });
});

test("that one service calls another is a filter that is seen, kept and removed", async () => {
  const random = createRandom(23);
  const traces = [messagesTrace(now - 3000, random), orphanTrace(now - 2000, random), orderTrace(now - 1000, random)];
  await withPage(traces, "/?service=message&caller=user", async (page, collector) => {
    // In the second the span of message is missing, and with it the call.
    await eventually(() => page.locator(summaryRows).count(), 1);
    const chip = page.getByRole("button", { name: "called by user remove" });
    await chip.waitFor();
    collector.add(orphanTrace(now + 1000, random));
    const another = messagesTrace(now + 2000, random);
    collector.add(another);
    await page.locator(`[data-trace="${another.traceId}"]`).waitFor();
    assert.equal(await page.locator(summaryRows).count(), 2);
    await page.reload();
    await chip.click();
    await eventually(() => page.locator(summaryRows).count(), 4);
    assert.equal(new URL(page.url()).search, "?service=message");
    assert.equal(await chip.count(), 0);
  });
});

test("where the collector had to look at very many, the page goes on looking when it is asked to", async () => {
  const found = messagesTrace(now - 5000, createRandom(24));
  await withPage([found], "/?service=nobody", async (page, collector) => {
    await page.getByText("No trace matches").waitFor();
    // As a collector answers that has looked at so many that it ends the page without one.
    await page.route("**/api/ui/summaries?**", async (route) => {
      const url = new URL(route.request().url());
      const isFirst = url.searchParams.get("before") === null;
      if (isFirst) await route.fulfill({ json: { summaries: [], next: "1_1" } });
      else await route.continue({ url: `${collector.url}/api/ui/summaries?limit=50` });
    });
    await page.getByLabel("Service").fill("user");
    await page.getByText("No trace matches so far").waitFor();
    await page.getByRole("button", { name: "Look at older ones" }).click();
    await page.locator(`[data-trace="${found.traceId}"]`).waitFor();
    // The newest page is read again, and says as little as before.
    const again = page.waitForResponse(/api\/ui\/summaries/);
    collector.add(helloTrace(now, createRandom(25)));
    await (await again).finished();
    // What the page makes of it is on screen by the frame after next.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    assert.equal(await page.locator(`[data-trace="${found.traceId}"]`).count(), 1);
  });
});

test("what leaves the time looked at leaves the list when it is read again", async () => {
  const random = createRandom(26);
  const leaving = helloTrace(now - 2000, random);
  const staying = helloTrace(now - 1000, random);
  await withPage([leaving, staying], "/?lookback=5m", async (page, collector) => {
    await eventually(() => page.locator(summaryRows).count(), 2);
    // As if five minutes had passed for it.
    collector.add({ ...leaving, startMs: now - 6 * 60_000 });
    await eventually(() => page.locator(summaryRows).count(), 1);
    await page.locator(`[data-trace="${staying.traceId}"]`).waitFor();
  });
});

test("a long list leaves out by itself what is gone from the time looked at or from the store, wherever it stands", async () => {
  const random = createRandom(27);
  const traces = Array.from({ length: 130 }, (_, index) => helloTrace(now - 1000 - index * 100, random));
  await withPage(traces, "/?lookback=5m", async (page, collector) => {
    for (const count of [100, 130]) {
      await page.getByRole("button", { name: "Load older" }).click();
      await eventually(() => page.locator(summaryRows).count(), count);
    }
    // The oldest, as the store lets go of them, and some that came early for their time.
    for (const trace of [...traces.slice(-7), traces[60]!, traces[70]!]) collector.forget(trace);
    // Scrolled down to load older ones, the list holds still.
    await page.locator(".summaries").evaluate((list) => list.scrollTo({ top: 0 }));
    await eventually(() => page.locator(summaryRows).count(), 121);
    assert.equal(await page.locator(`[data-trace="${traces[70]!.traceId}"]`).count(), 0);
  });
});

test("where a long list ends because all older ones are gone, it says so", async () => {
  const random = createRandom(28);
  const traces = Array.from({ length: 80 }, (_, index) => helloTrace(now - 1000 - index * 100, random));
  await withPage(traces, "/", async (page, collector) => {
    await page.getByRole("button", { name: "Load older" }).waitFor();
    for (const trace of traces.slice(45)) collector.forget(trace);
    await page.getByText("45 traces; that is all").waitFor();
    assert.equal(await page.locator(summaryRows).count(), 45);
  });
});

test("a lost connection is shown, and what came meanwhile is there when it is back", async () => {
  await withPage(sampleTraces(3, now), "/", async (page, collector) => {
    await page.locator(".live-button.is-live").waitFor();
    collector.cutTails(false);
    await page.getByText("Connection to the collector lost").waitFor();
    const missed = helloTrace(now + 5000, createRandom(14));
    collector.add(missed);
    assert.equal(await page.locator(`[data-trace="${missed.traceId}"]`).count(), 0);
    // It is told for a few seconds only: whoever looks later, as on a busy machine, has it from the page itself.
    await page.evaluate(() => {
      const { body } = document;
      const look = (): void => {
        if (body.innerText.includes("Connected again")) body.dataset.wasTold = "yes";
      };
      new MutationObserver(look).observe(body, { subtree: true, childList: true });
    });
    collector.cutTails(true);
    await eventually(() => page.evaluate(() => document.body.dataset.wasTold), "yes");
    await page.locator(`[data-trace="${missed.traceId}"]`).waitFor();
    await page.locator(".live-button.is-live").waitFor();
  });
});

test("the way back from a trace finds the list as it was left", async () => {
  await withPage(sampleTraces(120, now), "/", async (page, collector) => {
    await page.getByRole("button", { name: "Load older" }).click();
    await eventually(() => page.locator(summaryRows).count(), 100);
    const row = page.locator(summaryRows).nth(80);
    const traceId = await row.getAttribute("data-trace");
    await row.click();
    await page.getByRole("treegrid").waitFor();
    collector.add(helloTrace(now + 9000, createRandom(16)));
    await page.goBack();
    await page.locator(`[data-trace="${traceId}"].is-current`).waitFor();
    const isInView = async (): Promise<boolean> => {
      const box = await page.locator(`[data-trace="${traceId}"]`).boundingBox();
      return box !== null && box.y > 100 && box.y < 800;
    };
    await eventually(isInView, true);
    assert.equal(await page.locator(summaryRows).count(), 100, "nothing moves while scrolled down");
    await page.locator(".pill").click();
    await eventually(() => page.locator(summaryRows).count(), 101);
  });
});

test("the rows of the list are reached and opened by keys", async () => {
  const traces = sampleTraces(3, now);
  await withPage(traces, "/", async (page) => {
    await eventually(() => page.locator(summaryRows).count(), 3);
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    const second = page.locator(summaryRows).nth(1);
    await eventually(() => second.evaluate((row) => row.classList.contains("is-current")), true);
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/trace/${traces[1]!.traceId}`);
  });
});
