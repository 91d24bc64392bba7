import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleTraces } from "./fake-collector.ts";
import { summaryRows, withPage } from "./with-page.ts";

const now = Date.now();

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

test("the keyboard help opens and closes", async () => {
  await withPage(sampleTraces(1, now), "/", async (page) => {
    await page.locator(summaryRows).first().waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  });
});
