import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzipSync,
  inflateSync,
  zstdDecompressSync,
} from "node:zlib";
import { service } from "@clew/rpc";
import { type CompressionOptions, compression, cors, type RawHandler, type Route } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echo } from "./http-shelves.ts";
import { eachVersion } from "./http-versions.ts";

const long = JSON.stringify({ text: "compress me ".repeat(1000) });

const decoders: Record<string, (bytes: Buffer) => Buffer> = {
  zstd: zstdDecompressSync,
  br: brotliDecompressSync,
  gzip: gunzipSync,
  deflate: inflateSync,
};

const decoderStreams: Record<string, () => Duplex> = {
  zstd: createZstdDecompress,
  br: createBrotliDecompress,
  gzip: createGunzip,
  deflate: createInflate,
};

function route(path: string, handle: RawHandler): Route {
  return { verb: "GET", path, handle };
}

/** A handler that answers with these headers and this body at once. */
function reply(path: string, headers: Record<string, string>, body = long, status = 200): Route {
  return route(path, (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body);
  });
}

function options(routes: Route[], given?: CompressionOptions): () => object {
  return () => ({ routes, services: [echo()], filters: [compression(given)] });
}

test("the caller's favourite of the four encodings; the server's where it does not care", async () => {
  const cases: [accept: string, encoding: string | undefined][] = [
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip, deflate, br", "br"],
    ["gzip;q=0.9, br;q=0.8", "gzip"],
    ["deflate", "deflate"],
    ["GZIP", "gzip"],
    ["x-gzip", "gzip"],
    ["*", "zstd"],
    ["zstd;q=0, *;q=0.5", "br"],
    ["gzip;q=0.5, identity;q=0.8", undefined],
    ["identity", undefined],
    ["gzip;q=0", undefined],
    ["compress", undefined],
    ["", undefined],
  ];
  await eachVersion(options([reply("/long", {})]), async ({ ask }) => {
    for (const [accept, encoding] of cases) {
      const { headers, bytes } = await ask("/long", { headers: { "accept-encoding": accept } });
      assert.equal(headers["content-encoding"], encoding, accept);
      assert.equal(headers.vary, "Accept-Encoding");
      assert.equal((encoding === undefined ? bytes : decoders[encoding]!(bytes)).toString(), long);
      if (encoding !== undefined) assert.ok(bytes.length < long.length / 10);
    }
    assert.equal((await ask("/long")).headers["content-encoding"], undefined);
  });
});

test("calls of services are compressed, and their errors", async () => {
  await eachVersion(options([]), async ({ ask }) => {
    const headers = { "content-type": "application/json", "accept-encoding": "br" };
    const call = await ask("/test.v1.Echo/Unary", { verb: "POST", headers, body: long });
    assert.equal(call.headers["content-encoding"], "br");
    assert.equal(call.headers["content-length"], undefined);
    assert.equal((JSON.parse(brotliDecompressSync(call.bytes).toString()) as { text: string }).text.length, 12_000);
    const small = await ask("/test.v1.Echo/Unary", { verb: "POST", headers, body: '{"text":"a"}' });
    assert.deepEqual([small.headers["content-encoding"], small.headers["content-length"]], [undefined, "35"]);
  });
});

test("left as they are: what is short, encoded, a part, no text, or not to be transformed", async () => {
  const routes = [
    route("/short", (_request, response) => void response.end("short")),
    route("/untyped", (_request, response) => void response.end(long)),
    reply("/known-short", { "content-length": "5" }, "12345"),
    reply("/encoded", { "content-encoding": "gzip" }),
    reply("/part", { "content-range": "bytes 0-1/2" }, long, 206),
    reply("/image", { "content-type": "image/png" }),
    reply("/grpc-web", { "content-type": "application/grpc-web+proto" }),
    reply("/connect", { "content-type": "application/connect+json" }),
    reply("/fixed", { "cache-control": "public, no-transform" }),
  ];
  await eachVersion(options(routes), async ({ ask }) => {
    for (const { path } of routes) {
      const { headers } = await ask(path, { headers: { "accept-encoding": "br" } });
      assert.equal(headers["content-encoding"], path === "/encoded" ? "gzip" : undefined, path);
      assert.equal(headers.vary, undefined, path);
      if (path === "/untyped") assert.equal(headers["content-length"], String(long.length));
    }
    const asked = await ask("/untyped", { headers: { "accept-encoding": "br", "cache-control": "no-transform" } });
    assert.equal(asked.headers["content-encoding"], undefined);
  });
});

test("types that are worth it, with parameters and in any case; options change them, the least length and the encodings", async () => {
  const types = [
    "TEXT/HTML; charset=utf-8",
    "application/problem+json",
    "image/svg+xml",
    "application/javascript",
    "text/event-stream",
  ];
  await eachVersion(options(types.map((type, at) => reply(`/${at}`, { "content-type": type }))), async ({ ask }) => {
    for (const at of types.keys()) {
      const { headers } = await ask(`/${at}`, { headers: { "accept-encoding": "gzip" } });
      assert.equal(headers["content-encoding"], "gzip", types[at]);
    }
  });
  const given: CompressionOptions = {
    isCompressible: (type) => type === "a/b",
    minBytes: 3,
    encodings: ["gzip"],
    levels: { gzip: 9 },
  };
  const routes = [reply("/ab", { "content-type": "A/b;c", "content-length": "3" }, "abc"), reply("/json", {})];
  await eachVersion(options(routes, given), async ({ ask }) => {
    const ab = await ask("/ab", { headers: { "accept-encoding": "br, gzip" } });
    assert.equal(gunzipSync(ab.bytes).toString(), "abc");
    assert.equal((await ask("/json", { headers: { "accept-encoding": "gzip" } })).text, long);
  });
});

test("a strong ETag becomes weak, and the 304 has the one the caller has", async () => {
  const routes = [
    route("/tagged", (request, response) => {
      const isSame = request.headers["if-none-match"]?.includes('"v1"');
      response.writeHead(isSame ? 304 : 200, { etag: '"v1"', "content-type": "text/plain", "accept-ranges": "bytes" });
      response.end(isSame ? undefined : long);
    }),
    reply("/weak", { etag: 'W/"v1"' }),
  ];
  await eachVersion(options(routes), async ({ ask }) => {
    const accept = { "accept-encoding": "gzip" };
    const compressed = await ask("/tagged", { headers: accept });
    assert.deepEqual([compressed.headers.etag, compressed.headers["accept-ranges"]], ['W/"v1"', undefined]);
    const weak = await ask("/tagged", { headers: { ...accept, "if-none-match": 'W/"v0", W/"v1"' } });
    assert.deepEqual([weak.status, weak.headers.etag, weak.headers.vary], [304, 'W/"v1"', "Accept-Encoding"]);
    const strong = await ask("/tagged", { headers: { "if-none-match": '"v1"' } });
    assert.deepEqual([strong.status, strong.headers.etag], [304, '"v1"']);
    assert.equal((await ask("/weak", { headers: accept })).headers.etag, 'W/"v1"');
  });
});

test("HEAD gets the head of the GET", async () => {
  const routes = [
    route("/head", (request, response) => {
      response.writeHead(200, { "content-type": "text/plain", "content-length": String(long.length) });
      response.end(request.method === "HEAD" ? undefined : long);
    }),
  ];
  await eachVersion(options(routes), async ({ ask }) => {
    const asked = { headers: { "accept-encoding": "gzip" } };
    const get = await ask("/head", asked);
    const head = await ask("/head", { ...asked, verb: "HEAD" });
    for (const name of ["content-encoding", "content-length", "vary"])
      assert.equal(head.headers[name], get.headers[name]);
    assert.deepEqual([head.headers["content-encoding"], head.bytes.length], ["gzip", 0]);
    assert.equal(gunzipSync(get.bytes).toString(), long);
  });
});

test("each event of a stream arrives when it is written", async () => {
  for (const encoding of ["zstd", "br", "gzip", "deflate"]) {
    let go: (event: string | undefined) => void = () => {};
    const routes = [
      route("/events", async (_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.flushHeaders();
        for (;;) {
          const event = await new Promise<string | undefined>((resolve) => (go = resolve));
          if (event === undefined) break;
          response.write(event);
        }
        response.end();
      }),
    ];
    await eachVersion(options(routes), async ({ open }) => {
      const { headers, body } = await open("/events", { headers: { "accept-encoding": encoding } });
      assert.equal(headers["content-encoding"], encoding);
      const decoded = body.pipe(decoderStreams[encoding]!());
      let text = "";
      decoded.on("data", (part: Buffer) => (text += part.toString()));
      for (const event of ["data: one\n\n", "data: two\n\n"]) {
        go(event);
        // The caller reads the event before the next one is written.
        await until(() => text.endsWith(event), `the event in ${encoding}`);
      }
      go(undefined);
      await once(decoded, "end");
      assert.equal(text, "data: one\n\ndata: two\n\n");
    });
  }
});

test("a stream of replies is compressed event by event as well", async () => {
  let go: () => void = () => {};
  const streaming = service(Echo, {
    unary: (request) => request,
    async *serverStream(request) {
      yield request;
      await new Promise<void>((resolve) => (go = resolve));
      yield request;
    },
    clientStream: async () => ({}),
    bidiStream: async function* () {},
  });
  await eachVersion(
    () => ({ services: [streaming], filters: [compression()] }),
    async ({ open }) => {
      const headers = { "content-type": "application/json", "accept-encoding": "gzip" };
      const question = { verb: "POST", headers, body: '{"text":"an event"}' };
      const reply = await open("/test.v1.Echo/ServerStream", question);
      assert.deepEqual(
        [reply.headers["content-encoding"], reply.headers["content-type"]?.split(";")[0]],
        ["gzip", "text/event-stream"],
      );
      let text = "";
      const events = (): number => text.split("an event").length - 1;
      reply.body.pipe(createGunzip()).on("data", (part: Buffer) => (text += part.toString()));
      await until(() => events() === 1, "the first event");
      go();
      await until(() => events() === 2, "the second event");
    },
  );
});

test("what is piped is held back by a slow caller and arrives whole", async () => {
  const file = new URL(import.meta.url);
  let written = 0;
  let isDone = false;
  const chunk = Buffer.from(Array.from({ length: 64 * 1024 }, (_, at) => (at * 7919 * (at % 251)) & 0xff));
  const total = 40 * 1024 * 1024;
  const routes = [
    route("/piped", async (_request, response) => {
      response.setHeader("content-type", "text/plain");
      await pipeline(createReadStream(file), response);
    }),
    route("/much", async (_request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      written = 0;
      isDone = false;
      const closed = once(response, "close");
      while (written < total && !response.destroyed) {
        written += chunk.length;
        // Different bytes each time, so that the compressed stream is long as well.
        const bytes = Buffer.from(chunk.map((byte) => byte ^ (Math.random() * 256)));
        if (!response.write(bytes)) {
          await Promise.race([once(response, "drain"), closed]);
        }
      }
      isDone = true;
      response.end();
    }),
  ];
  await eachVersion(options(routes), async ({ ask, open }) => {
    const asked = { headers: { "accept-encoding": "gzip" } };
    const piped = await ask("/piped", asked);
    assert.match(gunzipSync(piped.bytes).toString(), /arrives whole/);

    const { body, leave } = await open("/much", asked);
    await once(body, "readable");
    let before = -1;
    // It comes to a stop long before the end.
    await until(() => {
      const isStill = before === written;
      before = written;
      return isStill;
    }, "a stop");
    assert.ok(written < total / 2, `${written} bytes were written though nobody reads`);
    assert.equal(isDone, false);
    leave();
    await until(() => isDone, "the end");
    assert.ok(written < total / 2);
  });
});

test("two of them compress once; with CORS in any order Vary has both", async () => {
  for (const filters of [
    [compression(), compression(), cors({ origins: "https://a.example" })],
    [cors({ origins: "https://a.example" }), compression({ encodings: ["gzip"] }), compression()],
  ]) {
    await eachVersion(
      () => ({ routes: [reply("/long", { vary: "Accept" })], filters }),
      async ({ ask }) => {
        const { headers, bytes } = await ask("/long", { headers: { "accept-encoding": "br" } });
        assert.equal(brotliDecompressSync(bytes).toString(), long);
        const vary = String(headers.vary).split(", ").sort();
        assert.deepEqual(vary, ["Accept", "Accept-Encoding", "Origin"]);
      },
    );
  }
});

test("callbacks of write and end are called, and finish comes after the last byte", async () => {
  const calls: string[] = [];
  const routes = [
    route("/calls", (_request, response) => {
      response.setHeader("content-type", "text/plain");
      response.on("finish", () => calls.push("finish"));
      response.write("a".repeat(2000), () => calls.push("write"));
      response.end("b", "utf8", () => calls.push("end"));
      response.end();
    }),
  ];
  await eachVersion(options(routes), async ({ ask }) => {
    calls.length = 0;
    const { bytes } = await ask("/calls", { headers: { "accept-encoding": "gzip" } });
    assert.equal(gunzipSync(bytes).toString(), `${"a".repeat(2000)}b`);
    await until(() => calls.length === 3, "three calls");
    assert.deepEqual(calls.sort(), ["end", "finish", "write"]);
  });
});

test("a handler that fails after it began ends the reply short, and the caller can tell", async () => {
  const routes = [
    route("/breaks", async (_request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      response.write(long);
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error("broken");
    }),
  ];
  await eachVersion(options(routes), async ({ ask }) => {
    await assert.rejects(ask("/breaks", { headers: { "accept-encoding": "gzip" } }));
  });
});

test("options that cannot work are errors at once", () => {
  const wrong: CompressionOptions[] = [{ encodings: ["lzw" as "br"] }, { minBytes: -1 }, { levels: { br: 99 } }];
  for (const given of wrong) assert.throws(() => compression(given), { code: "CLEW_TRANSPORT_OPTION" });
});
