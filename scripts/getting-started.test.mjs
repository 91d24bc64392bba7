// Makes the project of docs/guides/getting-started.md from its blocks, each of which names its file, and does what the page says.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";

const root = resolve(import.meta.dirname, "..");
const page = readFileSync(join(root, "docs/guides/getting-started.md"), "utf8");

// Below the root, so that the tools find what they import; git ignores the name.
const folder = mkdtempSync(join(root, ".readme-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
for (const [, path, content] of page.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}
// By itself: with this variable of the test runner's its reports are for a parent.
const { NODE_TEST_CONTEXT: _, ...env } = process.env;
const run = (command, ...args) => execFileSync(command, args, { cwd: folder, env, encoding: "utf8", stdio: "pipe" });

test("the project of the page is generated, fits the types and passes its test", () => {
  run("buf", "generate");
  run("tsc");
  assert.match(run(process.execPath, "--test", "--test-reporter=tap", "src/greeter.test.ts"), /^# pass 2$/m);
});

test("its service answers as the page says, and ends by a signal", { timeout: 60_000 }, async () => {
  const child = spawn(process.execPath, ["src/main.ts"], {
    cwd: folder,
    env: { ...env, ADDRESS: "127.0.0.1:0", OTEL_TRACES_EXPORTER: "none", LOG_LEVEL: "info" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const end = once(child, "close");
  try {
    const lines = createInterface({ input: child.stdout });
    let endpoint;
    for await (const line of lines) {
      ({ endpoint } = JSON.parse(line));
      if (endpoint !== undefined) break;
    }
    const curl = async (path) => (await fetch(new URL(path, endpoint))).text();
    for (const [, path, reply] of page.matchAll(/^curl http:\/\/127\.0\.0\.1:8000(\S+) +# (?:\d+ )?(.*)$/gm)) {
      assert.equal(await curl(path), reply);
    }
    child.kill("SIGTERM");
    assert.deepEqual(await end, [0, null]);
  } finally {
    child.kill("SIGKILL");
  }
});
