// What an HttpClient sends and takes: content types, compressions, replies of others; and whom it finds.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { byLabels, byVersion, createInstance, MemoryRegistry } from "@clew/registry";
import { service } from "@clew/rpc";
import { type ClientOptions, createClient, createReadyClient } from "@clew/transport";
import { failureOf } from "./failure-of.ts";
import { Files } from "./gen/test/v1/files_pb.ts";
import { Echo, EchoMessageSchema } from "./gen/test/v1/test_pb.ts";
import { echo, withServer } from "./http-shelves.ts";
import { openClient } from "./open-client.ts";
import { patientMs } from "./patient-ms.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A bare server of another make. */
async function listen(t: TestContext, answer: Answer): Promise<string> {
  const server = createServer((request, response) => {
    void buffer(request).then((body) => answer(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("says who calls and what it takes, and calls the server what it is told to", async (t) => {
  const seen: (readonly unknown[])[] = [];
  const endpoint = await listen(t, ({ headers }, response) => {
    seen.push([headers["user-agent"], headers["accept-encoding"], headers.host]);
    response.end("{}");
  });
  await openClient(t, Echo, { endpoint }).unary({});
  const http = { userAgent: "shop/1.2", acceptEncoding: "identity", authority: "greeter" };
  await openClient(t, Echo, { endpoint, http }).unary(
    {},
    { metadata: { "user-agent": "evil", "accept-encoding": "x" } },
  );
  assert.deepEqual(seen, [
    ["clew", "gzip, deflate, br, zstd", new URL(endpoint).host],
    ["shop/1.2", "identity", "greeter"],
  ]);
});

test("takes compressed replies, errors too; none over the limit and none that is not what it says", async (t) => {
  const json = Buffer.from(`{"text":"${"x".repeat(500)}"}`);
  let encoding = "";
  let bytes: Uint8Array = json;
  let status = 200;
  const endpoint = await listen(t, (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", "content-encoding": encoding }).end(bytes);
  });
  const client = openClient(t, Echo, { endpoint, http: { bodyLimitBytes: 2000 } });
  for (const [name, compressed] of [
    ["gzip", gzipSync(json)],
    ["x-gzip", gzipSync(json)],
    ["br", brotliCompressSync(json)],
    ["zstd", zstdCompressSync(json)],
    ["deflate", deflateSync(json)],
    ["deflate", deflateRawSync(json)],
    ["gzip, br", brotliCompressSync(gzipSync(json))],
    ["identity", json],
  ] as const) {
    [encoding, bytes] = [name, compressed];
    let told: unknown = "";
    const onHeaders = (headers: { has(name: string): boolean }): unknown => (told = headers.has("content-encoding"));
    assert.equal((await client.unary({}, { onHeaders })).text.length, 500, name);
    assert.equal(told, false);
  }
  for (const [name, given, reason] of [
    ["gzip", gzipSync(Buffer.alloc(100_000)), "BODY_TOO_LARGE"],
    ["zstd", json, "CODEC"],
    ["gzip", gzipSync(json).subarray(0, 30), "CODEC"],
    ["sdch", json, "CODEC"],
  ] as const) {
    [encoding, bytes] = [name, given];
    const error = await failureOf(client.unary({}));
    assert.deepEqual([error.code, error.reason], [502, reason], name);
  }
  [encoding, status] = ["gzip", 404];
  bytes = gzipSync('{"reason":"GONE","message":"m"}');
  assert.deepEqual((await failureOf(client.unary({}))).toJSON(), {
    code: 404,
    reason: "GONE",
    message: "m",
    metadata: {},
  });
});

test("compresses larger requests when it is told to, which servers of ours take", async (t) => {
  const inflate = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
  const seen: unknown[] = [];
  const endpoint = await listen(t, ({ headers }, response, body) => {
    const encoding = headers["content-encoding"] as keyof typeof inflate | undefined;
    const plain = encoding === undefined ? body : inflate[encoding](body);
    seen.push([encoding, Number(headers["content-length"]) === body.length]);
    response.end(plain);
  });
  const text = "x".repeat(5000);
  for (const compression of ["gzip", "br", "zstd"] as const) {
    const client = openClient(t, Echo, { endpoint, http: { compression } });
    assert.equal((await client.unary({ text })).text, text);
    assert.equal((await client.unary({ text: "short" })).text, "short");
    await withServer({ services: [echo()] }, async (ours) => {
      for (const http2 of [false, true]) {
        const toOurs = openClient(t, Echo, { endpoint: ours, http: { compression, http2 } });
        assert.equal((await toOurs.unary({ text })).text, text);
      }
    });
  }
  assert.deepEqual(
    seen,
    ["gzip", "br", "zstd"].flatMap((name) => [
      [name, true],
      [undefined, true],
    ]),
  );
  assert.throws(() => createClient(Echo, { endpoint, http: { compression: "deflate" as "gzip" } }), {
    code: "CLEW_TRANSPORT_OPTION",
  });
});

test("a call may choose its content types; one that nobody writes is 400 and names those that work", async (t) => {
  const seen: unknown[] = [];
  const endpoint = await listen(t, ({ headers }, response, body) => {
    seen.push([headers["content-type"], headers.accept]);
    const isProto = headers.accept === "application/proto";
    response.setHeader("content-type", isProto ? "application/proto" : "application/vnd.shop+json; charset=utf-8");
    const text = headers["content-type"] === "application/proto" ? fromBinary(EchoMessageSchema, body).text : "";
    const reply = { $typeName: "test.v1.EchoMessage" as const, text, count: 0, payload: new Uint8Array() };
    response.end(isProto ? toBinary(EchoMessageSchema, reply) : JSON.stringify({ text }));
  });
  const client = openClient(t, Echo, { endpoint });
  const proto = "application/proto";
  assert.equal((await client.unary({ text: "a" }, { contentType: proto, accept: proto })).text, "a");
  assert.equal((await client.unary({ text: "b" }, { contentType: proto })).text, "b");
  assert.equal((await client.unary({ text: "c" }, { contentType: "application/x-www-form-urlencoded" })).text, "");
  assert.deepEqual(seen, [
    [proto, proto],
    [proto, "application/json"],
    ["application/x-www-form-urlencoded", "application/json"],
  ]);
  const error = await failureOf(client.unary({}, { contentType: "text/csv" }));
  assert.deepEqual([error.code, error.reason], [400, "CODEC"]);
  assert.match(error.message, /no codec writes text\/csv; application\/json, .*would work/);
  assert.equal(seen.length, 3);
});

test("a reply that is no message is one clear error that says what came", async (t) => {
  let type: string | undefined;
  let body = "";
  const endpoint = await listen(t, (_request, response) => {
    if (type !== undefined) response.setHeader("content-type", type);
    response.end(body);
  });
  const client = openClient(t, Echo, { endpoint });
  for (const [given, text, problem] of [
    [
      "text/html; charset=utf-8",
      "<html>Welcome to nginx</html>",
      /the reply is text\/html.*not application\/json: <html>Wel/,
    ],
    ["image/png", "\u0089PNG", /the reply is image\/png/],
    ["text/html", "", /the reply is text\/html/],
    ["application/json", "<html>", /the reply is not application\/json: /],
    [undefined, "{", /the reply is not application\/json: /],
  ] as const) {
    [type, body] = [given, text];
    const error = await failureOf(client.unary({}));
    assert.deepEqual([error.code, error.reason], [502, "CODEC"]);
    assert.match(error.message, problem);
  }
  for (const loose of [undefined, "text/plain", "text/json", "application/problem+json"]) {
    [type, body] = [loose, '{"text":"fine"}'];
    assert.equal((await client.unary({})).text, "fine", loose);
  }
});

test("a google.api.HttpBody goes out and comes back as the bytes it is", async (t) => {
  const files = service(Files, {
    convert: (body) => ({ ...body, contentType: `${body.contentType}+seen` }),
    upload: (file) => file,
  });
  await withServer({ services: [files] }, async (endpoint) => {
    for (const http2 of [false, true]) {
      const client = openClient(t, Files, { endpoint, http: { http2 } });
      const data = new Uint8Array([0, 255, 1]);
      const converted = await client.convert({ contentType: "image/png", data });
      assert.deepEqual([converted.contentType, [...converted.data]], ["image/png+seen", [...data]]);
      const { content } = await client.upload({ name: "a.png", content: { contentType: "image/png", data } });
      assert.deepEqual([content?.contentType, [...(content?.data ?? [])]], ["image/png", [...data]]);
    }
  });
});

test("redirects are told and not followed", async (t) => {
  let asked = 0;
  const endpoint = await listen(t, (_request, response) => {
    asked++;
    response.writeHead(307, { location: "/elsewhere" }).end();
  });
  const error = await failureOf(openClient(t, Echo, { endpoint }).unary({}));
  assert.deepEqual([error.code, error.reason, asked], [307, "", 1]);
  assert.match(error.message, /redirects are not followed \(location: \/elsewhere\)/);
});

test("an error that cannot be read keeps the status, an empty reason, and what was wrong with it as the cause", async (t) => {
  const bodies = ["<html>bad gateway</html>", "", "[1]"];
  const endpoint = await listen(t, (_request, response) => response.writeHead(502).end(bodies.shift()));
  const client = openClient(t, Echo, { endpoint });
  for (const message of ["<html>bad gateway</html>", "HTTP status 502", "[1]"]) {
    const error = await failureOf(client.unary({}));
    assert.deepEqual([error.code, error.reason, error.message], [502, "", message]);
    assert.ok(error.cause instanceof Error);
  }
});

test("finds its nodes over HTTP with base paths, filters and a subset, and waits for the first when it is told to", async (t) => {
  const registry = new MemoryRegistry();
  const base = { discovery: registry, endpoint: "discovery:///echo?scheme=http" } as const;
  await assert.rejects(createReadyClient(Echo, base, AbortSignal.timeout(20)), {
    code: 503,
    reason: "NODE_NOT_FOUND",
    message: "no node for discovery:///echo?scheme=http: it has no instances",
  });
  await assert.rejects(createReadyClient(Echo, { ...base, timeoutMs: -1 }, AbortSignal.timeout(20)));
  const waiting = createReadyClient(Echo, base, AbortSignal.timeout(30_000));
  const paths: (string | undefined)[] = [];
  for (const id of ["a", "b", "c", "d"]) {
    const endpoint = await listen(t, ({ url }, response) => {
      paths.push(url);
      response.end(`{"text":"${id}"}`);
    });
    const version = id < "c" ? "v1" : "v2";
    const metadata = { color: id === "c" ? "blue" : "green" };
    await registry.register(createInstance({ id, name: "echo", version, metadata, endpoints: [`${endpoint}/${id}`] }));
  }
  const first = await waiting;
  t.after(() => first[Symbol.asyncDispose]());
  const namesOf = async (options: Partial<ClientOptions>): Promise<string> => {
    const client = await createReadyClient(Echo, { ...base, timeoutMs: patientMs, ...options });
    t.after(() => client[Symbol.asyncDispose]());
    const names = new Set<string>();
    for (let count = 0; count < 8; count++) names.add((await client.unary({})).text);
    return [...names].sort().join("");
  };
  assert.equal(await namesOf({}), "abcd");
  assert.ok(paths.includes("/a/test.v1.Echo/Unary"), String(paths));
  assert.equal(await namesOf({ filters: [byVersion("v2")] }), "cd");
  assert.equal(await namesOf({ filters: [byVersion("v2"), byLabels({ color: "blue" })] }), "c");
  assert.equal((await namesOf({ subset: 2, clientId: "me" })).length, 2);
  const direct = await createReadyClient(Echo, { endpoint: "http://127.0.0.1:1" });
  await direct[Symbol.asyncDispose]();
});
