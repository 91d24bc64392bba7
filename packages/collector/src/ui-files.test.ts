import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { HttpServer } from "@clew/transport/http";
import { uiFileRoutes } from "./ui-files.ts";

async function withUi(build: (folder: string) => Promise<void>, use: (origin: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clew-ui-"));
  try {
    await build(folder);
    const server = new HttpServer({
      address: "127.0.0.1:0",
      routes: uiFileRoutes(pathToFileURL(`${join(folder, "ui")}/`)),
    });
    await server.start();
    try {
      await use(server.endpoint().origin);
    } finally {
      await server.stop(AbortSignal.abort());
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("serves the page for every deep link, under a policy that runs nothing inline", () =>
  withUi(
    async (folder) => {
      await mkdir(join(folder, "ui", "assets"), { recursive: true });
      await writeFile(join(folder, "ui", "index.html"), "<!doctype html>page");
      await writeFile(join(folder, "ui", "assets", "index-abc.js"), "script()");
      await writeFile(join(folder, "secret.txt"), "secret");
    },
    async (origin) => {
      for (const path of ["/", "/services", `/trace/${"ab".repeat(16)}`]) {
        const page = await fetch(origin + path);
        assert.equal(await page.text(), "<!doctype html>page");
        assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
        assert.equal(page.headers.get("cache-control"), "no-cache");
        assert.match(
          page.headers.get("content-security-policy")!,
          /^default-src 'none'; script-src 'self'; style-src 'self';/,
        );
        assert.equal(page.headers.get("x-content-type-options"), "nosniff");
      }
      const script = await fetch(`${origin}/assets/index-abc.js`);
      assert.equal(await script.text(), "script()");
      assert.equal(script.headers.get("content-type"), "text/javascript; charset=utf-8");
      assert.equal(script.headers.get("cache-control"), "public, max-age=31536000, immutable");
      const head = await fetch(`${origin}/assets/index-abc.js`, { method: "HEAD" });
      assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "8", ""]);
      for (const path of [
        "/assets/nothing.js",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/..%2findex.html",
        "/secret.txt",
      ]) {
        const { status } = await fetch(origin + path);
        assert.ok(status === 404 || status === 400, `${path}: ${status}`);
      }
    },
  ));

test("without a build the page says what is missing", () =>
  withUi(
    async () => {},
    async (origin) => {
      const page = await fetch(origin);
      assert.equal(page.status, 404);
      assert.match(await page.text(), /npm run build/);
    },
  ));
