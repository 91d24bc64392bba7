import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { createJsonCodec, jsonCodec, protoCodec, service } from "@clew/rpc";
import { createClient, GrpcServer, Server } from "@clew/transport";
import { HttpServer, redirect, setStatus } from "@clew/transport/http";
import { Files } from "./gen/test/v1/files_pb.ts";
import { Echo, Shelves } from "./gen/test/v1/test_pb.ts";
import { echo, shelves, withServer } from "./http-shelves.ts";
import { patientMs } from "./patient-ms.ts";

const files = service(Files, {
  convert: ({ contentType, data }) => ({ contentType: `${contentType}+seen`, data: Buffer.from(data).reverse() }),
  upload: (file) => file,
});

async function ask(url: string, init: RequestInit = {}): Promise<{ response: Response; text: string }> {
  const response = await fetch(url, { redirect: "manual", ...init });
  return { response, text: await response.text() };
}

function reasonOf(text: string): unknown {
  return (JSON.parse(text) as { reason: unknown }).reason;
}

test("google.api.HttpBody is the bytes themselves, with their content type", async () => {
  await withServer({ services: [files] }, async (url) => {
    const { response, text } = await ask(`${url}/v1/convert`, {
      method: "POST",
      body: "abc",
      headers: { "content-type": "text/x-own; charset=latin1", accept: "application/json" },
    });
    assert.deepEqual(
      [response.status, response.headers.get("content-type"), response.headers.get("content-length"), text],
      [200, "text/x-own; charset=latin1+seen", "3", "cba"],
    );
    // No content type is no content type, and JSON is bytes like others.
    const bare = await ask(`${url}/v1/convert`, { method: "POST", body: new Uint8Array([0, 255, 1]) });
    assert.equal(bare.response.headers.get("content-type"), "+seen");
    assert.equal((await ask(`${url}/v1/convert`, { method: "POST" })).response.status, 200);
  });
});

test("a field that is a google.api.HttpBody may be the body, beside the path's variables", async () => {
  await withServer({ services: [files] }, async (url) => {
    const put = (body: string | undefined, headers: Record<string, string>) =>
      ask(`${url}/v1/uploads/a.png`, { method: "PUT", headers, ...(body === undefined ? {} : { body }) });
    const { response, text } = await put('{"not":"parsed', { "content-type": "application/json" });
    assert.deepEqual([response.headers.get("content-type"), text], ["application/json", '{"not":"parsed']);
    const none = await put(undefined, {});
    assert.deepEqual([none.response.headers.get("content-type"), none.text], ["application/octet-stream", ""]);
    const packed = await ask(`${url}/v1/uploads/a.png`, {
      method: "PUT",
      body: gzipSync("unpacked"),
      headers: { "content-type": "image/png", "content-encoding": "gzip" },
    });
    assert.equal(packed.text, "unpacked");
  });
});

test("reads bodies in every content coding that is known, and several", async () => {
  const json = JSON.stringify({ text: "packed ".repeat(50) });
  const bodies: [coding: string, body: Buffer][] = [
    ["gzip", gzipSync(json)],
    ["x-gzip", gzipSync(json)],
    ["deflate", deflateSync(json)],
    ["deflate", deflateRawSync(json)],
    ["BR", brotliCompressSync(json)],
    ["zstd", zstdCompressSync(json)],
    ["gzip, br", brotliCompressSync(gzipSync(json))],
    ["identity", Buffer.from(json)],
  ];
  await withServer({ services: [echo()] }, async (url) => {
    for (const [coding, body] of bodies) {
      const headers = { "content-type": "application/json", "content-encoding": coding };
      const { response, text } = await ask(`${url}/test.v1.Echo/Unary`, { method: "POST", body, headers });
      assert.equal(response.status, 200, `${coding}: ${text}`);
      assert.equal((JSON.parse(text) as { text: string }).text.length, 350, coding);
    }
  });
});

test("a body that breaks off is refused in every content coding", async () => {
  const json = JSON.stringify({ text: Array.from({ length: 100 }, (_, index) => index * index).join() });
  await withServer({ services: [echo()] }, async (url) => {
    for (const [coding, body] of [
      ["gzip", gzipSync(json)],
      ["deflate", deflateSync(json)],
      ["br", brotliCompressSync(json)],
      ["zstd", zstdCompressSync(json)],
    ] as const) {
      const headers = { "content-type": "application/json", "content-encoding": coding };
      const part = body.subarray(0, -20);
      const { response, text } = await ask(`${url}/test.v1.Echo/Unary`, { method: "POST", body: part, headers });
      assert.deepEqual([response.status, reasonOf(text)], [400, "CODEC"], coding);
      assert.match(text, new RegExp(`the body is not ${coding}`));
    }
  });
});

test("the limit of a body is that of what it inflates to", async () => {
  const json = JSON.stringify({ text: "x".repeat(100_000) });
  await withServer({ services: [echo()], bodyLimitBytes: 10_000 }, async (url) => {
    const post = (coding: string, body: Buffer) =>
      ask(`${url}/test.v1.Echo/Unary`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", "content-encoding": coding },
      });
    for (const [coding, bomb] of [
      ["gzip", gzipSync(json)],
      ["br", brotliCompressSync(json)],
      ["zstd", zstdCompressSync(json)],
      ["deflate", deflateSync(json)],
      ["gzip, gzip", gzipSync(gzipSync(json))],
    ] as const) {
      const { response, text } = await post(coding, bomb);
      assert.deepEqual([response.status, reasonOf(text)], [413, "BODY_TOO_LARGE"], coding);
    }
    const broken = await post("gzip", Buffer.from("no gzip at all"));
    assert.deepEqual([broken.response.status, reasonOf(broken.text)], [400, "CODEC"]);
    assert.match(broken.text, /the body is not gzip/);
    for (const coding of ["lzw", "gzip, lzw", "gzip, gzip, gzip", "__proto__"]) {
      const unknown = await post(coding, gzipSync("{}"));
      assert.equal(unknown.response.status, 415, coding);
      assert.equal(unknown.response.headers.get("accept-encoding"), "gzip, deflate, br, zstd");
    }
  });
});

test("a charset that is not UTF-8 is 415; a suffix tells the codec of a content type of one's own", async () => {
  await withServer({ services: [echo()] }, async (url) => {
    const post = async (contentType: string): Promise<number> => {
      const init = { method: "POST", body: '{"text":"a"}', headers: { "content-type": contentType } };
      return (await ask(`${url}/test.v1.Echo/Unary`, init)).response.status;
    };
    for (const good of ["", "; charset=utf-8", '; charset="UTF-8"', ";charset=us-ascii", "; version=2"]) {
      assert.equal(await post(`application/json${good}`), 200, good);
    }
    assert.equal(await post("Application/JSON"), 200);
    assert.equal(await post("application/vnd.shop.v1+json"), 200);
    assert.equal(await post("application/json; charset=iso-8859-1"), 415);
    assert.equal(await post("application/vnd.shop.v1+cbor"), 400);
  });
});

test("options of a method go before those of its service, and those before the server's", async () => {
  const hang = () => new Promise<never>(() => {});
  const book = { id: "1", pages: 7n, title: "" };
  const services = [
    shelves({ getBook: () => book, updateBook: () => book, searchBooks: hang, getFile: hang }),
    echo(async ({ text }) => ({ text, count: 0 })),
  ];
  const methods = {
    "/test.v1.Shelves/*": { json: { int64AsNumber: true }, timeoutMs: 60 },
    // What it says nothing of it has from its service.
    "/test.v1.Shelves/GetBook": { timeoutMs: 0 },
    "/test.v1.Shelves/UpdateBook": {
      json: { emitZeroValues: false, useProtoFieldNames: true },
      bodyLimitBytes: 20,
      timeoutMs: 0,
    },
    "/test.v1.Echo/*": { codecs: [protoCodec] },
  };
  await withServer({ services, methods, timeoutMs: 30_000 }, async (url) => {
    assert.match((await ask(`${url}/v1/books/1`)).text, /"pages":7,/);
    const put = (body: string) =>
      ask(`${url}/v1/books/1`, { method: "PUT", body, headers: { "content-type": "application/json" } });
    assert.equal((await put("{}")).text, '{"id":"1","pages":"7"}');
    assert.equal((await put(JSON.stringify({ title: "longer than the limit" }))).response.status, 413);
    const slow = await ask(`${url}/v1/books:search`);
    assert.deepEqual([slow.response.status, reasonOf(slow.text)], [504, "GATEWAY_TIMEOUT"]);
    const proto = await ask(`${url}/test.v1.Echo/Unary`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    assert.equal(proto.response.status, 400);
  });
});

test("a method's timeout is the same over every protocol", async () => {
  const hang = () => new Promise<never>(() => {});
  const services = [shelves({ getBook: hang, getFile: hang })];
  const methods = { "/test.v1.Shelves/*": { timeoutMs: 50 }, "/test.v1.Shelves/GetFile": { timeoutMs: 40 } };
  const server = new Server({ address: "127.0.0.1:0", services, methods, timeoutMs: 0 });
  await server.start();
  for (const { href: endpoint } of server.endpoints()) {
    const client = createClient(Shelves, { endpoint, timeoutMs: 60_000 });
    await assert.rejects(client.getBook({ shelf: "s", book: { id: "b" } }), { code: 504 });
    await client[Symbol.asyncDispose]();
  }
  await server.stop(AbortSignal.abort());
  assert.throws(() => new GrpcServer({ services, methods: { "/nope/*": {} } }), {
    code: "CLEW_TRANSPORT_METHOD_OPTION",
  });
  assert.throws(() => new GrpcServer({ services, methods: { "/test.v1.Shelves/*": { timeoutMs: -1 } } }), {
    code: "CLEW_TRANSPORT_OPTION",
  });
});

test("a server may write its JSON as it likes", async () => {
  const services = [shelves({ getBook: () => ({ id: "1", pages: 7n }), searchBooks: () => ({}) })];
  await withServer({ services, json: { int64AsNumber: true, emitZeroValues: false } }, async (url) => {
    assert.equal((await ask(`${url}/v1/books/1`)).text, '{"id":"1","pages":7}');
    // A field that is the body is there, whatever the policy.
    assert.equal((await ask(`${url}/v1/books:search`)).text, "[]");
  });
  await withServer({ services, json: { useProtoFieldNames: true }, codecs: [jsonCodec] }, async (url) => {
    assert.match((await ask(`${url}/v1/books/1`)).text, /"pages":"7"/);
  });
});

test("an option for what is not there, or that cannot work, is an error that names it", () => {
  const services = [shelves()];
  const make = (options: ConstructorParameters<typeof HttpServer>[0]) => () => new HttpServer({ services, ...options });
  for (const key of [
    "/test.v1.Shelves/GetBok",
    "/test.v1.Shelf/*",
    "test.v1.Shelves/GetBook",
    "/test.v1.Shelves/Get*",
  ]) {
    assert.throws(make({ methods: { [key]: {} } }), (error: Error & { code: string }) => {
      assert.equal(error.code, "CLEW_TRANSPORT_METHOD_OPTION");
      assert.ok(error.message.includes(`"${key}"`));
      return /services have: .*\/test\.v1\.Shelves\/GetBook/.test(error.message);
    });
  }
  const key = "/test.v1.Shelves/*";
  const bad: [options: ConstructorParameters<typeof HttpServer>[0], message: RegExp][] = [
    [{ methods: { [key]: { timeoutMs: -1 } } }, /methods\["\/test\.v1\.Shelves\/\*"\]\.timeoutMs/],
    [{ methods: { [key]: { timeoutMs: NaN } } }, /timeoutMs is NaN/],
    [{ methods: { [key]: { bodyLimitBytes: -1 } } }, /bodyLimitBytes/],
    [{ methods: { [key]: { codecs: [] } } }, /codecs/],
    [{ codecs: [protoCodec], json: {} }, /option json/],
    [{ bodyLimitBytes: Infinity }, /bodyLimitBytes/],
  ];
  for (const [options, message] of bad) assert.throws(make(options), { code: "CLEW_TRANSPORT_OPTION", message });
});

test("methods without a rule have a path of their own, unless the server does without", async () => {
  await withServer({ services: [echo(), shelves()], defaultRoutes: false }, async (url, server) => {
    assert.equal((await ask(`${url}/test.v1.Echo/Unary`, { method: "POST" })).response.status, 404);
    assert.equal((await ask(`${url}/v1/books/1`)).response.status, 200);
    assert.ok(server.routes().every(({ operation }) => operation.startsWith("/test.v1.Shelves/")));
  });
});

test("a method chooses the status of its reply, and may send its caller elsewhere", async () => {
  const services = [
    shelves({
      createBook: (request, call) => {
        setStatus(call, 201);
        call.replyMetadata.set("location", "/v1/books/9");
        return request.book!;
      },
      deleteBook: (_request, call) => {
        setStatus(call, 204);
        return {};
      },
      getBook: (_request, call) => redirect(call, "/v1/shelves/new/books/1", 308),
    }),
  ];
  await withServer({ services }, async (url) => {
    const created = await ask(`${url}/v1/shelves/s/books`, {
      method: "POST",
      body: '{"id":"9"}',
      headers: { "content-type": "application/json" },
    });
    assert.deepEqual([created.response.status, created.response.headers.get("location")], [201, "/v1/books/9"]);
    assert.equal((JSON.parse(created.text) as { id: string }).id, "9");
    const deleted = await ask(`${url}/v1/shelves/s/books/1`, { method: "DELETE" });
    assert.deepEqual([deleted.response.status, deleted.text], [204, ""]);
    assert.equal(deleted.response.headers.get("content-length"), null);
    assert.equal(deleted.response.headers.get("content-type"), null);
    const moved = await ask(`${url}/v1/books/1`);
    assert.deepEqual(
      [moved.response.status, moved.response.headers.get("location"), moved.text],
      [308, "/v1/shelves/new/books/1", ""],
    );
  });
  // Over gRPC there is no such thing: the caller is told.
  const server = new Server({ address: "127.0.0.1:0", services, timeoutMs: patientMs });
  await server.start();
  const client = createClient(Shelves, { endpoint: server.endpoints()[1]!.href, timeoutMs: patientMs });
  await assert.rejects(client.getBook({}), { reason: "REDIRECT", metadata: { location: "/v1/shelves/new/books/1" } });
  assert.equal((await client.createBook({ book: { id: "9" } })).id, "9");
  await client[Symbol.asyncDispose]();
  await server.stop(AbortSignal.abort());
});

test("a status that is no reply's is an error of the call", async () => {
  const thrown: unknown[] = [];
  const services = [
    echo((request, call) => {
      for (const status of [199, 400, 204.5]) {
        try {
          setStatus(call, status);
        } catch (error) {
          thrown.push((error as { code: string }).code);
        }
      }
      return request;
    }),
  ];
  await withServer({ services }, async (url) => {
    const client = createClient(Echo, { endpoint: url, timeoutMs: patientMs });
    await client.unary({});
    await client[Symbol.asyncDispose]();
  });
  assert.deepEqual(thrown, new Array(3).fill("CLEW_TRANSPORT_STATUS"));
});

test("a codec of the user's serves beside those there are", async () => {
  const shout = { ...createJsonCodec({ useProtoFieldNames: true }), name: "shout", contentType: "application/shout" };
  await withServer({ services: [echo()], codecs: [jsonCodec, shout] }, async (url) => {
    const init = {
      method: "POST",
      body: '{"text":"a"}',
      headers: { "content-type": "application/shout", accept: "application/shout;q=0.9, text/*" },
    };
    const { response } = await ask(`${url}/test.v1.Echo/Unary`, init);
    assert.equal(response.headers.get("content-type"), "application/shout");
  });
});
