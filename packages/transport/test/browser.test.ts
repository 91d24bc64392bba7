// The clients that pages use, in a real browser, on a page of another origin.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema, service } from "@clew/rpc";
import { cors, Server, type ServerOptions } from "@clew/transport";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { build } from "vite";
import { launchChromium } from "../../../ui/test/chromium.ts";
import { testCertificates } from "../../http2/test/certificates.ts";
import { Catalog } from "./gen/test/v1/catalog_pb.ts";
import { echo } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

const verbs: string[] = [];
const catalog = service(Catalog, {
  find: ({ title }) => ({ title, count: 7 }),
  order: ({ title }) => ({ title }),
  async *watch() {},
});
let script = "";
let browser: Browser;
let context: BrowserContext;
const site = createServer((_request, response) => {
  response.setHeader("content-type", "text/html; charset=utf-8").end("<title>another origin</title>");
});

before(async () => {
  script = await bundle();
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  browser = await launchChromium();
  context = await browser.newContext({ ignoreHTTPSErrors: true });
});

after(async () => {
  await browser?.close();
  site.close();
});

async function bundle(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      lib: { entry: join(import.meta.dirname, "browser/page.ts"), formats: ["iife"], name: "page" },
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  assert.ok(output !== undefined && "output" in output);
  return output.output[0].code;
}

function origin(): string {
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}

async function withPage(options: ServerOptions, use: (page: Page, endpoint: string) => Promise<void>): Promise<void> {
  const server = new Server({ address: "127.0.0.1:0", services: [echo, catalog], timeoutMs: patientMs, ...options });
  await server.start();
  const page = await context.newPage();
  try {
    await page.goto(origin());
    await page.addScriptTag({ content: script });
    await use(page, server.endpoint().origin);
  } finally {
    await page.close();
    await server.stop(AbortSignal.abort());
  }
}

function callAll(page: Page, endpoint: string, protocol: string, binary: boolean): Promise<Record<string, unknown>[]> {
  return page.evaluate(
    ([one, two, three]) =>
      (globalThis as unknown as { callAll(...given: unknown[]): Promise<Record<string, unknown>[]> }).callAll(
        one,
        two,
        three,
      ),
    [endpoint, protocol, binary] as const,
  );
}

const pageCors = (): ServerOptions => ({
  filters: [
    cors({ origins: origin(), headers: ["x-echo-a", "x-trail-a"], exposedHeaders: ["x-echo-a", "trailer-x-trail-a"] }),
    (next) => (request, response, variables) => {
      verbs.push(`${request.method} HTTP/${request.httpVersion}`);
      return next(request, response, variables);
    },
  ],
});

for (const [httpName, tls] of [
  ["HTTP/1.1", false],
  ["HTTP/2", true],
] as const) {
  for (const protocol of ["connect", "grpc-web"] as const) {
    for (const binary of [true, false]) {
      test(`a page calls over ${protocol}, ${binary ? "binary" : "JSON"}, ${httpName}`, async () => {
        verbs.length = 0;
        const secure = tls ? { tls: testCertificates().server } : {};
        await withPage({ ...pageCors(), ...secure }, async (page, endpoint) => {
          const [unary, failed, late, stream, broken, refused, found] = await callAll(page, endpoint, protocol, binary);
          assert.deepEqual(unary, { text: "é\u{1F600}", count: -1 });
          assert.equal(late, "DeadlineExceeded");
          assert.deepEqual(stream, [0, 1, 2]);
          assert.deepEqual(found, { title: "Dune & Söhne?", count: 7 });
          for (const error of [failed, broken, refused]) {
            assert.ok(error !== undefined);
            assert.equal(error.code, "NotFound");
            assert.equal(error.message, "no book “ü” at 100%");
            assert.equal(error.trailer, "c");
            const [detail] = error.details as { type: string; value: number[] }[];
            assert.equal(detail!.type, ErrorInfoSchema.typeName);
            const info = fromBinary(ErrorInfoSchema, new Uint8Array(detail!.value));
            assert.equal(info.reason, "BOOK_NOT_FOUND");
            assert.deepEqual(info.metadata, { shelf: "höher" });
          }
        });
        const version = tls ? "HTTP/2.0" : "HTTP/1.1";
        assert.ok(
          verbs.every((verb) => verb.endsWith(version)),
          verbs.join(),
        );
        assert.equal(verbs.includes(`GET ${version}`), protocol === "connect");
      });
    }
  }
}

test("a page of an origin that is not allowed sees no reply", async () => {
  await withPage({ filters: [cors({ origins: "https://app.example" })] }, async (page, endpoint) => {
    for (const protocol of ["connect", "grpc-web"]) {
      const [unary] = await callAll(page, endpoint, protocol, true);
      assert.match(String(unary!.message), /Failed to fetch/);
    }
  });
});
