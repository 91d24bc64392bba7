import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { brotliCompressSync, brotliDecompressSync, gzipSync } from "node:zlib";
import { compression, type StaticFilesOptions, staticFiles } from "@clew/transport/http";
import { echo } from "./http-shelves.ts";
import { type Asker, eachVersion } from "./http-versions.ts";

const script = "console.log('a script');\n".repeat(200);
const page = "<!doctype html><title>page</title>";
const modified = new Date("2026-01-02T03:04:05.678Z");
const modifiedText = "Fri, 02 Jan 2026 03:04:05 GMT";
let folder = "";
let root = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "clew-static-"));
  root = join(folder, "root");
  await mkdir(join(root, "docs", "deep"), { recursive: true });
  await mkdir(join(root, ".git"));
  await mkdir(join(root, ".well-known"));
  await mkdir(join(root, "empty"));
  await mkdir(join(folder, "root-beside"));
  const files: Record<string, string | Buffer> = {
    "root/index.html": page,
    "root/docs/index.html": "the docs",
    "root/docs/deep/a b+c.txt": "blank",
    "root/app.js": script,
    "root/app.js.br": brotliCompressSync(script),
    "root/app.js.gz": gzipSync(script),
    "root/old.js": script,
    "root/old.js.br": brotliCompressSync("// an older version"),
    "root/digits.bin": "0123456789",
    "root/zero.txt": "",
    "root/.env": "SECRET=1",
    "root/.git/config": "TOP SECRET",
    "root/.well-known/security.txt": "mail us",
    "secret.txt": "TOP SECRET",
    "root-beside/secret.txt": "TOP SECRET",
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content);
    await utimes(join(folder, name), modified, modified);
  }
  await utimes(join(root, "old.js.br"), modified, new Date(0));
  await symlink(join(folder, "secret.txt"), join(root, "out.txt"));
  await symlink(folder, join(root, "up"));
  await symlink(join(root, "app.js"), join(root, "link.js"));
  await symlink(join(root, "loop"), join(root, "loop"));
  execFileSync("mkfifo", [join(root, "pipe")]);
});
after(() => rm(folder, { recursive: true }));

async function withFiles(given: Partial<StaticFilesOptions>, use: (asker: Asker) => Promise<void>): Promise<void> {
  await eachVersion(() => ({ services: [echo()], routes: [staticFiles({ root, ...given })] }), use);
}

function reasonOf(text: string): string {
  return (JSON.parse(text) as { reason: string }).reason;
}

test("serves files with type, length, validators and a policy for caches", async () => {
  await withFiles({ headers: { "content-security-policy": "default-src 'self'" } }, async ({ ask }) => {
    const { status, headers, text } = await ask("/app.js");
    assert.deepEqual([status, text], [200, script]);
    assert.match(String(headers.etag), /^"[0-9a-z]+-[0-9a-z]+"$/);
    assert.equal(headers["last-modified"], modifiedText);
    assert.equal(headers["content-type"], "text/javascript; charset=utf-8");
    assert.equal(headers["content-length"], String(script.length));
    assert.equal(headers["cache-control"], "no-cache");
    assert.equal(headers["accept-ranges"], "bytes");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["content-security-policy"], "default-src 'self'");
    const cases: [path: string, text: string, type: string][] = [
      ["/", page, "text/html; charset=utf-8"],
      ["/docs/", "the docs", "text/html; charset=utf-8"],
      ["/docs/deep/a%20b%2Bc.txt?query=1", "blank", "text/plain; charset=utf-8"],
      ["/digits.bin", "0123456789", "application/octet-stream"],
      ["/zero.txt", "", "text/plain; charset=utf-8"],
      ["/link.js", script, "text/javascript; charset=utf-8"],
      ["/.well-known/security.txt", "mail us", "text/plain; charset=utf-8"],
    ];
    for (const [path, want, type] of cases) {
      const reply = await ask(path);
      assert.deepEqual([reply.status, reply.text, reply.headers["content-type"]], [200, want, type], path);
    }
  });
});

test("HEAD has the head of the GET and no body", async () => {
  await withFiles({}, async ({ ask }) => {
    const get = await ask("/app.js");
    const head = await ask("/app.js", { verb: "HEAD", headers: { range: "bytes=0-1" } });
    assert.deepEqual([head.status, head.text], [200, ""]);
    for (const name of ["etag", "content-length", "content-type", "last-modified"]) {
      assert.equal(head.headers[name], get.headers[name]);
    }
  });
});

test("a service's path is the service's; what is no file is a 404 in the shape of all errors; nothing is listed", async () => {
  await withFiles({}, async ({ ask }) => {
    const headers = { "content-type": "application/json" };
    assert.equal((await ask("/test.v1.Echo/Unary", { verb: "POST", headers, body: "{}" })).status, 200);
    for (const path of [
      "/nothing",
      "/nothing/",
      "/empty/",
      "/empty",
      "/app.js/",
      "/app.js/x",
      "/docs//index.html",
      "/loop",
      "/pipe",
    ]) {
      const { status, text } = await ask(path);
      assert.deepEqual([status, reasonOf(text)], [404, "NOT_FOUND"], path);
    }
    assert.equal((await ask("/app.js", { verb: "DELETE" })).status, 405);
  });
});

test("a folder without its slash is redirected to itself, never to another host", async () => {
  await withFiles({ path: "/files" }, async ({ ask, url }) => {
    const reply = await ask("/files/docs?a=b?c");
    assert.deepEqual([reply.status, reply.headers.location], [301, "./docs/?a=b?c"]);
    const all = await ask("/files");
    assert.deepEqual([all.status, all.headers.location], [301, "./files/"]);
    assert.equal((await ask("/files/")).text, page);
    assert.equal(await (await fetch(`${url}/files/docs`)).text(), "the docs");
  });
  await withFiles({}, async ({ ask }) => {
    for (const path of ["//evil.example/..", "//docs", "/%2F%2Fevil.example/docs"]) {
      const { headers } = await ask(path);
      assert.doesNotMatch(String(headers.location ?? "./"), /^\/|^\\|:/, path);
    }
  });
});

test("no path leads out of the folder, to a dotfile, or to what a system may read otherwise", async () => {
  const ways = [
    "/../secret.txt",
    "/docs/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/docs/..%2f..%2fsecret.txt",
    "/docs%2findex.html",
    "/..%5csecret.txt",
    "/docs%5cindex.html",
    "/..%252fsecret.txt",
    "/../root-beside/secret.txt",
    "/out.txt",
    "/up/secret.txt",
    "/up/root/app.js/../../../secret.txt",
    "/app.js%00.txt",
    "/%00",
    "/app.js%0a",
    "/.env",
    "/.git/config",
    "/docs/.well-known/x",
    "/app.js::$DATA",
    `/${"a".repeat(3000)}`,
    "/%ff",
  ];
  await withFiles({ fallback: "index.html" }, async ({ ask }) => {
    for (const path of ways) {
      const { status, text } = await ask(path);
      assert.ok(status === 404 || status === 400, `${path}: ${status}`);
      assert.doesNotMatch(text, /SECRET|console|the docs/, path);
    }
  });
  await withFiles({ dotfiles: true }, async ({ ask }) => {
    assert.equal((await ask("/.env")).text, "SECRET=1");
    assert.equal((await ask("/../secret.txt")).status, 400);
  });
});

test("conditions in the order of RFC 9110", async () => {
  await withFiles({}, async ({ ask }) => {
    const etag = String((await ask("/digits.bin")).headers.etag);
    const later = "Sat, 03 Jan 2026 00:00:00 GMT";
    const earlier = "Thu, 01 Jan 2026 00:00:00 GMT";
    const cases: [headers: Record<string, string>, status: number][] = [
      [{ "if-none-match": etag }, 304],
      [{ "if-none-match": `"other", W/${etag}` }, 304],
      [{ "if-none-match": "*" }, 304],
      [{ "if-none-match": '"other"' }, 200],
      [{ "if-none-match": '"other"', "if-modified-since": later }, 200],
      [{ "if-modified-since": modifiedText }, 304],
      [{ "if-modified-since": earlier }, 200],
      [{ "if-modified-since": "yesterday" }, 200],
      [{ "if-match": etag }, 200],
      [{ "if-match": "*" }, 200],
      [{ "if-match": `W/${etag}` }, 412],
      [{ "if-match": '"other"' }, 412],
      [{ "if-match": etag, "if-unmodified-since": earlier }, 200],
      [{ "if-unmodified-since": earlier }, 412],
      [{ "if-unmodified-since": modifiedText }, 200],
      [{ "if-match": etag, "if-none-match": etag }, 304],
      [{ "if-none-match": etag, range: "bytes=0-1" }, 304],
    ];
    for (const [headers, status] of cases) {
      const reply = await ask("/digits.bin", { headers });
      assert.equal(reply.status, status, JSON.stringify(headers));
      if (status === 304)
        assert.deepEqual([reply.text, reply.headers.etag, reply.headers["cache-control"]], ["", etag, "no-cache"]);
      if (status === 412) assert.equal(reasonOf(reply.text), "PRECONDITION_FAILED");
    }
  });
});

test("a range, the last bytes, and from somewhere on", async () => {
  await withFiles({}, async ({ ask }) => {
    const cases: [range: string, text: string, contentRange: string][] = [
      ["bytes=0-0", "0", "bytes 0-0/10"],
      ["bytes=2-4", "234", "bytes 2-4/10"],
      ["bytes=7-", "789", "bytes 7-9/10"],
      ["bytes=7-100", "789", "bytes 7-9/10"],
      ["bytes=-3", "789", "bytes 7-9/10"],
      ["bytes=-100", "0123456789", "bytes 0-9/10"],
      ["bytes=0-3,2-5", "012345", "bytes 0-5/10"],
      ["bytes=0-3, 50-60", "0123", "bytes 0-3/10"],
    ];
    for (const [range, text, contentRange] of cases) {
      const reply = await ask("/digits.bin", { headers: { range } });
      assert.deepEqual([reply.status, reply.text, reply.headers["content-range"]], [206, text, contentRange], range);
      assert.equal(reply.headers["content-length"], String(text.length));
    }
    for (const range of ["bytes=10-", "bytes=-0", `bytes=${Array.from({ length: 17 }, () => "0-0").join()}`]) {
      const reply = await ask("/digits.bin", { headers: { range } });
      assert.deepEqual([reply.status, reply.headers["content-range"]], [416, "bytes */10"], range);
      assert.equal(reasonOf(reply.text), "RANGE_NOT_SATISFIABLE");
      assert.equal(reply.headers.etag, undefined);
    }
    for (const range of ["lines=1-2", "bytes=4-2", "bytes=a-b", "bytes=-", "bytes", "bytes=1-2;3"]) {
      assert.equal((await ask("/digits.bin", { headers: { range } })).status, 200, range);
    }
    assert.equal((await ask("/zero.txt", { headers: { range: "bytes=0-" } })).status, 416);
  });
});

test("several ranges come as parts, each with its own", async () => {
  await withFiles({}, async ({ ask }) => {
    const { status, headers, text } = await ask("/digits.bin", { headers: { range: "bytes=8-9,0-1" } });
    const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(String(headers["content-type"]))![1]!;
    assert.equal(status, 206);
    assert.equal(headers["content-length"], String(text.length));
    assert.equal(headers["content-range"], undefined);
    const type = "content-type: application/octet-stream\r\ncontent-range: bytes";
    assert.equal(
      text,
      `\r\n--${boundary}\r\n${type} 8-9/10\r\n\r\n89\r\n--${boundary}\r\n${type} 0-1/10\r\n\r\n01\r\n--${boundary}--\r\n`,
    );
  });
});

test("If-Range sends the whole file when it is another one", async () => {
  await withFiles({}, async ({ ask }) => {
    const etag = String((await ask("/digits.bin")).headers.etag);
    for (const [ifRange, status] of [
      [etag, 206],
      [modifiedText, 206],
      ['"other"', 200],
      [`W/${etag}`, 200],
      ["Thu, 01 Jan 2026 00:00:00 GMT", 200],
    ] as const) {
      const reply = await ask("/digits.bin", { headers: { range: "bytes=0-1", "if-range": ifRange } });
      assert.equal(reply.status, status, ifRange);
    }
  });
});

test("precompressed files go to those who take them, with validators of their own; outdated ones to nobody", async () => {
  await withFiles({}, async ({ ask }) => {
    const plain = await ask("/app.js");
    assert.deepEqual([plain.headers["content-encoding"], plain.headers.vary], [undefined, "Accept-Encoding"]);
    for (const [accept, encoding] of [
      ["br, gzip", "br"],
      ["gzip", "gzip"],
      ["br;q=0, gzip", "gzip"],
      ["br;q=0.5, gzip", "gzip"],
      ["identity, br;q=0.5", undefined],
      ["zstd", undefined],
    ] as const) {
      const reply = await ask("/app.js", { headers: { "accept-encoding": accept } });
      assert.equal(reply.headers["content-encoding"], encoding, accept);
      assert.equal(reply.headers["content-type"], "text/javascript; charset=utf-8");
      assert.equal(reply.headers["content-length"], String(reply.bytes.length));
      if (encoding === "br") assert.equal(brotliDecompressSync(reply.bytes).toString(), script);
      if (encoding !== undefined) assert.notEqual(reply.headers.etag, plain.headers.etag);
    }
    const old = await ask("/old.js", { headers: { "accept-encoding": "br" } });
    assert.deepEqual([old.headers["content-encoding"], old.text], [undefined, script]);
  });
  await withFiles({ precompressed: false }, async ({ ask }) => {
    const { headers } = await ask("/app.js", { headers: { "accept-encoding": "br" } });
    assert.deepEqual([headers["content-encoding"], headers.vary], [undefined, undefined]);
  });
});

test("under the compression filter: what is precompressed stays, the rest is compressed, and its conditions hold", async () => {
  await eachVersion(
    () => ({ routes: [staticFiles({ root })], filters: [compression()] }),
    async ({ ask }) => {
      const accept = { "accept-encoding": "br" };
      assert.equal(brotliDecompressSync((await ask("/app.js", { headers: accept })).bytes).toString(), script);
      const { headers, bytes } = await ask("/old.js", { headers: accept });
      assert.equal(brotliDecompressSync(bytes).toString(), script);
      assert.match(String(headers.etag), /^W\//);
      const again = await ask("/old.js", { headers: { ...accept, "if-none-match": String(headers.etag) } });
      assert.deepEqual([again.status, again.headers.etag], [304, headers.etag]);
      const range = await ask("/old.js", { headers: { ...accept, range: "bytes=0-6" } });
      assert.deepEqual([range.status, range.text], [206, "console"]);
    },
  );
});

test("a single-page app's page answers navigations that no file does, and nothing else", async () => {
  await withFiles({ fallback: "index.html", index: false }, async ({ ask }) => {
    const headers = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
    for (const path of ["/", "/users/7", "/docs"]) {
      const reply = await ask(path, { headers });
      assert.deepEqual(
        [reply.status, reply.text, reply.headers["content-type"]],
        [200, page, "text/html; charset=utf-8"],
        path,
      );
    }
    assert.equal((await ask("/missing.js", { headers })).status, 404);
    assert.equal((await ask("/users/7", { headers: { accept: "application/json" } })).status, 404);
    assert.equal((await ask("/users/7")).status, 404);
  });
});

test("Cache-Control by option and by file", async () => {
  const cacheControl = (path: string): string => (path.startsWith("docs/") ? "public, max-age=60" : "no-store");
  await withFiles({ cacheControl, path: "/x/" }, async ({ ask }) => {
    assert.equal((await ask("/x/docs/")).headers["cache-control"], "public, max-age=60");
    assert.equal((await ask("/x/app.js")).headers["cache-control"], "no-store");
  });
});

/** Whether this process has a file open. */
function isOpen(path: string): boolean {
  return readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      // Closed since the folder was read.
      return false;
    }
  });
}

test("a caller that leaves midway leaves no open file", async () => {
  const big = join(root, "big.bin");
  await writeFile(big, Buffer.alloc(32 * 1024 * 1024));
  await withFiles({}, async ({ open }) => {
    const { body, leave } = await open("/big.bin");
    await once(body, "readable");
    assert.ok(isOpen(big));
    leave();
    const limit = performance.now() + 60_000;
    while (isOpen(big)) {
      assert.ok(performance.now() < limit, "the file is still open");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
});

test("a file that changed meanwhile is the new one at once", async () => {
  await withFiles({}, async ({ ask }) => {
    const path = join(root, "changing.txt");
    await writeFile(path, "one");
    const first = await ask("/changing.txt");
    await writeFile(path, "two");
    await utimes(path, modified, modified);
    const second = await ask("/changing.txt", { headers: { "if-none-match": String(first.headers.etag) } });
    assert.deepEqual([first.text, second.status, second.text], ["one", 200, "two"]);
  });
});

test("the root may be a URL; one that is no folder is an error at once", async () => {
  const asUrl = pathToFileURL(`${root}/`);
  await withFiles({ root: asUrl }, async ({ ask }) => assert.equal((await ask("/")).text, page));
  for (const wrong of [{ root: join(root, "nothing") }, { root: join(root, "app.js") }, { root, path: "x" }]) {
    assert.throws(() => staticFiles(wrong), { code: "CLEW_TRANSPORT_OPTION" });
  }
});
