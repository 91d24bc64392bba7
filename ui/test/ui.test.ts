import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launchChromium } from "./chromium.ts";
import { contentSecurityPolicy, type FakeCollector, sampleTraces, startFakeCollector } from "./fake-collector.ts";
import {
  createRandom,
  helloTrace,
  hugeTrace,
  messagesTrace,
  orphanTrace,
  type SampleTrace,
  summarize,
} from "./sample-traces.ts";

const now = Date.now();
let browser: Browser;

before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/**
 * Opens a page on a collector that holds these traces, and holds the page to two things at its end: nothing was written to
 * its console, and the security policy was on.
 */
async function withPage(
  traces: SampleTrace[],
  path: string,
  run: (page: Page, collector: FakeCollector, context: BrowserContext) => Promise<void>,
): Promise<void> {
  const collector = await startFakeCollector(traces);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  try {
    const response = await page.goto(collector.url + path);
    assert.equal(response?.headers()["content-security-policy"], contentSecurityPolicy);
    await run(page, collector, context);
    // A broken connection is told by the browser itself; the tests that break it expect that.
    assert.deepEqual(
      complaints.filter((text) => !/ERR_|status of (404|503)/.test(text)),
      [],
    );
  } finally {
    await context.close();
    await collector.stop();
  }
}

const summaryRows = ".summary[data-trace]";
const spanRows = ".waterfall .row:not([hidden])";

/** Waits until `read` gives what is wanted; says what it gave last when that never comes. */
async function eventually<T>(read: () => Promise<T>, wanted: T): Promise<void> {
  const deadline = Date.now() + 120_000;
  let last = await read();
  while (JSON.stringify(last) !== JSON.stringify(wanted)) {
    if (Date.now() > deadline) assert.deepEqual(last, wanted);
    await new Promise((resolve) => setTimeout(resolve, 25));
    last = await read();
  }
}

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

test("text and service colours keep their contrast in both themes", async () => {
  await withPage([], "/", async (page) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const ratios = await page.evaluate(() => {
        const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true })!;
        const probe = document.body.appendChild(document.createElement("span"));
        const luminance = (className: string, value: string): number => {
          probe.className = className;
          probe.style.color = value;
          context.fillStyle = getComputedStyle(probe).color;
          context.fillRect(0, 0, 1, 1);
          // WCAG 2.2, relative luminance.
          const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((byte) =>
            byte <= 10 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
          );
          return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
        };
        const ground = luminance("", "var(--ground)");
        const contrast = (className: string, value: string): number => {
          const one = luminance(className, value);
          return (Math.max(one, ground) + 0.05) / (Math.min(one, ground) + 0.05);
        };
        return {
          text: ["--text", "--dim", "--error", "--accent", "--warn", "--good"].map((name) =>
            contrast("", `var(${name})`),
          ),
          services: Array.from({ length: 12 }, (_, colour) => contrast(`service-${colour}`, "var(--service)")),
        };
      });
      for (const ratio of ratios.text) assert.ok(ratio >= 4.5, `${colorScheme}: text ${ratios.text}`);
      for (const ratio of ratios.services) assert.ok(ratio >= 3, `${colorScheme}: services ${ratios.services}`);
    }
  });
});

test("the theme follows the system, until the toggle says otherwise", async () => {
  await withPage(sampleTraces(1, now), "/", async (page) => {
    const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await ground();
    await page.emulateMedia({ colorScheme: "light" });
    const light = await ground();
    assert.notEqual(dark, light);
    await page.getByRole("button", { name: "Switch to dark" }).click();
    assert.equal(await ground(), dark);
    await page.reload();
    assert.equal(await ground(), dark);
    await page.getByRole("button", { name: "Switch to light" }).click();
    assert.equal(await ground(), light);
    await page.emulateMedia({ colorScheme: "dark" });
    assert.equal(await ground(), dark, "back to the system's choice");
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

test("the keyboard help opens and closes", async () => {
  await withPage(sampleTraces(1, now), "/", async (page) => {
    await page.locator(summaryRows).first().waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  });
});
