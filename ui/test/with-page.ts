// Of a test file that imports this: one browser.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launchChromium } from "./chromium.ts";
import { contentSecurityPolicy, type FakeCollector, startFakeCollector } from "./fake-collector.ts";
import type { SampleTrace } from "./sample-traces.ts";

let browser: Browser;

before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/**
 * Opens a page on a collector that holds these traces, and holds the page to two things at its end: nothing was written to
 * its console, and the security policy was on.
 */
export async function withPage(
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

/** Waits until `read` gives what is wanted; says what it gave last when that never comes. */
export async function eventually<T>(read: () => Promise<T>, wanted: T): Promise<void> {
  const deadline = Date.now() + 120_000;
  let last = await read();
  while (JSON.stringify(last) !== JSON.stringify(wanted)) {
    if (Date.now() > deadline) assert.deepEqual(last, wanted);
    await new Promise((resolve) => setTimeout(resolve, 25));
    last = await read();
  }
}

export const summaryRows = ".summary[data-trace]";
export const spanRows = ".waterfall .row:not([hidden])";
