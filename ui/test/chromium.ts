import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const paths = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome-stable",
  "/usr/bin/google-chrome",
];

/**
 * Where Chromium is. Without one it is installed from Debian when this user may; otherwise this throws, saying what to do:
 * a test without its browser has failed, not passed.
 */
export function findChromium(): string {
  const given = process.env.CLEW_CHROMIUM;
  if (given !== undefined) return given;
  const found = paths.find((path) => existsSync(path));
  if (found !== undefined) return found;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && existsSync("/usr/bin/apt-get")) {
    for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium"]]) {
      // Two test files may look for it at once: apt-get fails when another runs.
      const { status, stderr } = spawnSync("flock", [join(tmpdir(), "clew-apt-get.lock"), "apt-get", "-q", ...args], {
        encoding: "utf8",
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      });
      if (status !== 0) throw new Error(`apt-get ${args.join(" ")} failed:\n${stderr}`);
    }
    if (existsSync(paths[0]!)) return paths[0]!;
  }
  throw new Error("no Chromium: install Debian's package chromium, or set CLEW_CHROMIUM to the path of one");
}

/** Starts a Chromium that talks to nobody but the pages it is given. Close it when done. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    timeout: 120_000,
    executablePath: findChromium(),
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
