// Connect as it is on the wire (https://connectrpc.com/docs/protocol/), from clients that are not ours: fetch and node:http2.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectSocket } from "node:net";
import { test } from "node:test";
import { brotliCompressSync, gunzipSync, gzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema, ErrorStatusSchema, type Middleware, ServiceError, service } from "@clew/rpc";
import { createClient, type RawHandler, Server, type ServerOptions } from "@clew/transport";
import { Catalog } from "./gen/test/v1/catalog_pb.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echo, echoImplementation } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

const catalog = service(Catalog, {
  find: ({ title }) => {
    if (title === "nothing") throw new ServiceError(422, "NO_TITLE", "that is none", { metadata: { a: "b" } });
    return { title, count: 7 };
  },
  order: ({ title }) => ({ title: `ordered ${title}` }),
  async *watch({ title }) {
    yield { title };
  },
});

async function withServer(options: ServerOptions, use: (endpoint: URL) => Promise<void>): Promise<void> {
  const server = new Server({ address: "127.0.0.1:0", services: [echo, catalog], timeoutMs: patientMs, ...options });
  await server.start();
  try {
    await use(server.endpoint());
  } finally {
    await server.stop(AbortSignal.abort());
  }
}

const json = { "content-type": "application/json", "connect-protocol-version": "1" };
const stream = { "content-type": "application/connect+json" };

function post(
  endpoint: URL,
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = json,
): Promise<Response> {
  return fetch(new URL(path, endpoint), { method: "POST", headers, body });
}

function frame(text: string | Uint8Array, flags = 0): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([head, Buffer.from(text as string)]);
}

/** The frames of a body: flags and text of each. */
function frames(body: ArrayBuffer): [number, string][] {
  const found: [number, string][] = [];
  let rest = Buffer.from(body);
  while (rest.length > 0) {
    const end = 5 + rest.readUInt32BE(1);
    found.push([rest[0]!, rest.toString("utf8", 5, end)]);
    rest = rest.subarray(end);
  }
  return found;
}

interface WireError {
  code: string;
  message: string;
  details?: { type: string; value: string }[];
}

test("a unary call is a plain POST, and trailers are headers of the reply", async () => {
  await withServer({}, async (endpoint) => {
    const headers = { ...json, "x-echo-a": "b", "x-trail-c": "d" };
    const reply = await post(endpoint, "/test.v1.Echo/Unary", '{"text":"hi"}', headers);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get("content-type"), "application/json");
    assert.equal(reply.headers.get("x-echo-a"), "b");
    assert.equal(reply.headers.get("trailer-x-trail-c"), "d");
    assert.deepEqual(await reply.json(), { text: "hi", count: 0, payload: "" });
  });
});

test("an error has Connect's status and code, with reason, metadata and the exact code in its details", async () => {
  await withServer({}, async (endpoint) => {
    const missing = await post(endpoint, "/test.v1.Echo/Unary", '{"text":"fail"}');
    assert.equal(missing.status, 404);
    const { code, message, details } = (await missing.json()) as WireError;
    assert.deepEqual([code, message, details?.length], ["not_found", "no book “ü” at 100%", 1]);
    assert.match(details![0]!.value, /^[A-Za-z0-9+/]+$/);

    // 422 is none of gRPC's codes.
    const odd = await post(endpoint, "/test.v1.Catalog/Find", '{"title":"nothing"}');
    const error = (await odd.json()) as WireError;
    assert.deepEqual([odd.status, error.code], [500, "unknown"]);
    const [info, status] = error.details!;
    assert.deepEqual([info!.type, status!.type], ["google.rpc.ErrorInfo", ErrorStatusSchema.typeName]);
    assert.equal(fromBinary(ErrorInfoSchema, Buffer.from(info!.value, "base64")).reason, "NO_TITLE");
    assert.equal(fromBinary(ErrorStatusSchema, Buffer.from(status!.value, "base64")).code, 422);
  });
});

test("what a handler throws that is no ServiceError is not told", async () => {
  await withServer({}, async (endpoint) => {
    const reply = await post(endpoint, "/test.v1.Echo/Unary", '{"text":"crash"}');
    assert.equal(reply.status, 500);
    assert.doesNotMatch(await reply.text(), /secret/);
  });
});

test("refuses what is no request of its own, and says what would work", async () => {
  await withServer({}, async (endpoint) => {
    const ask = async (path: string, headers: Record<string, string>, init: RequestInit = {}): Promise<unknown[]> => {
      const reply = await fetch(new URL(path, endpoint), { method: "POST", headers, body: "{}", ...init });
      const text = await reply.text();
      const isText = reply.headers.get("content-type") === "text/plain; charset=utf-8";
      return [reply.status, isText ? text : (JSON.parse(text) as WireError).code];
    };
    const unary = "/test.v1.Echo/Unary";
    assert.deepEqual(await ask("/test.v1.Echo/Nothing", json), [404, "unimplemented"]);
    for (const [path, type, works] of [
      [unary, "image/png", "application/proto, application/json"],
      [unary, "application/connect+json", "application/proto, application/json"],
      ["/test.v1.Echo/ServerStream", "application/json", "application/connect+proto, application/connect+json"],
    ] as const) {
      const text = `the content type is "${type}"; ${works} would work`;
      assert.deepEqual(await ask(path, { ...json, "content-type": type }), [415, text]);
    }
    assert.deepEqual(await ask(unary, json, { method: "PUT" }), [405, "PUT is not allowed here; POST would work"]);
    assert.deepEqual(await ask(unary, { ...json, "connect-protocol-version": "2" }), [400, "invalid_argument"]);
    assert.deepEqual(await ask(unary, { ...json, "connect-timeout-ms": "1s" }), [400, "invalid_argument"]);
    assert.deepEqual(await ask(unary, { ...json, "content-encoding": "lzma" }), [501, "unimplemented"]);
    assert.deepEqual(await ask(unary, json, { body: '{"text":' }), [400, "invalid_argument"]);
    assert.deepEqual(await ask(unary, { ...json, "content-encoding": "gzip" }, { body: "no gzip" }), [
      400,
      "invalid_argument",
    ]);
    const refused = await post(endpoint, unary, "", { ...json, "content-type": "image/png" });
    assert.equal(refused.headers.get("accept-post"), "application/proto, application/json");
  });
});

test("a caller that still sends gets to read why it was refused", async () => {
  await withServer({}, async (endpoint) => {
    const socket = connectSocket(Number(endpoint.port), "127.0.0.1");
    socket.write(`POST /test.v1.Catalog/Order HTTP/1.1\r\nhost: a\r\ncontent-type: image/png\r\n`);
    socket.write("connect-protocol-version: 1\r\ntransfer-encoding: chunked\r\n\r\n");
    const [head] = (await once(socket, "data")) as [Buffer];
    assert.match(String(head), /^HTTP\/1.1 415 .*connection: close/is);
    // On a connection that was cut off one of these would fail.
    for (let count = 0; count < 50; count++) {
      await new Promise<void>((resolve, reject) =>
        socket.write("1\r\na\r\n", (error) => (error ? reject(error) : resolve())),
      );
    }
    socket.write("0\r\n\r\n");
    await once(socket, "end");
    socket.destroy();
  });
});

test("a request without the version header is HTTP/JSON's where that has a route, and Connect's where not", async () => {
  await withServer({}, async (endpoint) => {
    const plain = { "content-type": "application/json" };
    const asJson = await post(endpoint, "/test.v1.Echo/Unary", '{"text":"fail"}', plain);
    assert.equal(((await asJson.json()) as { reason: string }).reason, "BOOK_NOT_FOUND");
    const ordered = await post(endpoint, "/test.v1.Catalog/Order", '{"title":"a"}', plain);
    assert.equal(((await ordered.json()) as { title: string }).title, "ordered a");
    const odd = await post(endpoint, "/test.v1.Catalog/Order", '{"title":7}', plain);
    assert.equal(((await odd.json()) as WireError).code, "invalid_argument");
    const routed = await post(endpoint, "/v1/orders", '{"title":"a"}', plain);
    assert.equal(((await routed.json()) as { title: string }).title, "ordered a");
  });
});

test("a method without side effects is asked with GET, any other is not", async () => {
  await withServer({}, async (endpoint) => {
    const get = (path: string, query: string): Promise<Response> => fetch(new URL(`${path}?${query}`, endpoint));
    const message = `message=${encodeURIComponent('{"title":"é"}')}`;
    for (const query of [
      `connect=v1&encoding=json&${message}`,
      `encoding=json&${message}`,
      `connect=v1&encoding=json&base64=1&message=${Buffer.from('{"title":"é"}').toString("base64url")}`,
      `connect=v1&encoding=json&base64=1&compression=gzip&message=${gzipSync('{"title":"é"}').toString("base64url")}`,
    ]) {
      const reply = await get("/test.v1.Catalog/Find", query);
      assert.equal(reply.status, 200, query);
      assert.deepEqual(await reply.json(), { title: "é", count: 7 });
    }
    const proto = await get("/test.v1.Catalog/Find", "connect=v1&encoding=proto&base64=1&message=CgFh");
    assert.deepEqual([...Buffer.from(await proto.arrayBuffer())], [0x0a, 1, 0x61, 0x10, 7]);
    for (const [path, query, status] of [
      ["/test.v1.Catalog/Order", `connect=v1&encoding=json&${message}`, 405],
      ["/test.v1.Catalog/Find", `connect=v2&encoding=json&${message}`, 400],
      ["/test.v1.Catalog/Find", "connect=v1&encoding=json", 400],
      ["/test.v1.Catalog/Find", `connect=v1&encoding=xml&${message}`, 415],
      ["/test.v1.Catalog/Find", `connect=v1&encoding=json&compression=lzma&${message}`, 501],
      ["/test.v1.Catalog/Find", "connect=v1&encoding=json&message=%7B", 400],
      ["/test.v1.Catalog/Find", "title=a", 405],
    ] as const) {
      assert.equal((await get(path, query)).status, status, `${path}?${query}`);
    }
  });
});

test("bodies are compressed both ways, when both sides want it", async () => {
  await withServer({ compression: "gzip" }, async (endpoint) => {
    const text = "x".repeat(5000);
    const body = JSON.stringify({ text });
    for (const [encoding, bytes] of [
      ["gzip", gzipSync(body)],
      ["br", brotliCompressSync(body)],
    ] as const) {
      const headers = { ...json, "content-encoding": encoding, "accept-encoding": "br, gzip" };
      const reply = await post(endpoint, "/test.v1.Echo/Unary", bytes, headers);
      assert.equal(reply.headers.get("content-encoding"), "gzip");
      assert.equal(((await reply.json()) as { text: string }).text, text);
    }
    const plain = await post(endpoint, "/test.v1.Echo/Unary", body, { ...json, "accept-encoding": "identity" });
    assert.equal(plain.headers.get("content-encoding"), null);

    const headers = { ...stream, "connect-content-encoding": "gzip", "connect-accept-encoding": "gzip" };
    const request = frame(gzipSync(JSON.stringify({ text, count: 1 })), 1);
    const reply = await post(endpoint, "/test.v1.Echo/ServerStream", request, headers);
    assert.equal(reply.headers.get("connect-content-encoding"), "gzip");
    const bytes = Buffer.from(await reply.arrayBuffer());
    assert.equal(bytes[0], 1);
    const message = gunzipSync(bytes.subarray(5, 5 + bytes.readUInt32BE(1)));
    assert.equal((JSON.parse(String(message)) as { text: string }).text, text);
  });
});

test("a stream ends with a frame of its own, with the error and the trailers", async () => {
  await withServer({}, async (endpoint) => {
    const path = "/test.v1.Echo/ServerStream";
    const well = await post(endpoint, path, frame('{"text":"a","count":2}'), { ...stream, "x-trail-a": "b" });
    assert.equal(well.headers.get("content-type"), "application/connect+json");
    assert.deepEqual(frames(await well.arrayBuffer()), [
      [0, '{"text":"a","count":0,"payload":""}'],
      [0, '{"text":"a","count":1,"payload":""}'],
      [2, '{"metadata":{"x-trail-a":["b"]}}'],
    ]);
    for (const text of ["fail", "fail first"]) {
      const reply = await post(endpoint, path, frame(JSON.stringify({ text })), stream);
      assert.equal(reply.status, 200);
      const [flags, end] = frames(await reply.arrayBuffer()).at(-1)!;
      const { error } = JSON.parse(end) as { error: WireError };
      assert.deepEqual([flags, error.code, error.details?.length], [2, "not_found", 1]);
    }
    const quiet = await post(endpoint, path, frame('{"text":"a"}'), stream);
    assert.deepEqual(frames(await quiet.arrayBuffer()), [[2, "{}"]]);
  });
});

test("a stream that is no stream of messages fails in its last frame", async () => {
  await withServer({ maxMessageBytes: 100 }, async (endpoint) => {
    const ask = async (body: Buffer, headers: Record<string, string> = stream): Promise<string> => {
      const reply = await post(endpoint, "/test.v1.Echo/ServerStream", body, headers);
      const [, end] = frames(await reply.arrayBuffer()).at(-1)!;
      return (JSON.parse(end) as { error: WireError }).error.code;
    };
    assert.equal(await ask(frame('{"text":7}')), "invalid_argument");
    assert.equal(await ask(frame("{}").subarray(0, 6)), "invalid_argument");
    assert.equal(await ask(frame("{}", 9)), "invalid_argument");
    assert.equal(await ask(Buffer.alloc(0)), "unimplemented");
    assert.equal(await ask(Buffer.concat([frame("{}"), frame("{}")])), "unimplemented");
    assert.equal(await ask(frame("{}", 1)), "internal");
    assert.equal(await ask(frame("{}"), { ...stream, "connect-content-encoding": "lzma" }), "unimplemented");
    assert.equal(await ask(frame("{}"), { ...stream, "connect-timeout-ms": "soon" }), "invalid_argument");
    assert.equal(await ask(frame(JSON.stringify({ text: "x".repeat(200) }))), "resource_exhausted");
  });
});

test("a message over the limit is refused, whether its length was said or not, and a bomb as well", async () => {
  await withServer({ maxMessageBytes: 1000 }, async (endpoint) => {
    const body = JSON.stringify({ text: "x".repeat(2000) });
    const drip = new ReadableStream({
      start(controller) {
        for (const part of body.match(/.{1,100}/g)!) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
    const said = await post(endpoint, "/test.v1.Echo/Unary", body);
    const init = { method: "POST", headers: json, body: drip, duplex: "half" } as RequestInit;
    const unsaid = await fetch(new URL("/test.v1.Echo/Unary", endpoint), init);
    const bomb = await post(endpoint, "/test.v1.Echo/Unary", gzipSync(body), { ...json, "content-encoding": "gzip" });
    for (const reply of [said, unsaid, bomb]) {
      assert.equal(reply.status, 429);
      assert.equal(((await reply.json()) as WireError).code, "resource_exhausted");
    }
  });
});

test("a deadline of the caller's ends the call", async () => {
  let remaining = Number.POSITIVE_INFINITY;
  const methods = {
    ...echoImplementation,
    unary: (_request: object, call: { readonly deadline: number | undefined }) => {
      remaining = call.deadline! - performance.now();
      return new Promise<never>(() => {});
    },
  };
  await withServer({ services: [service(Echo, methods)], timeoutMs: 60_000 }, async (endpoint) => {
    const reply = await post(endpoint, "/test.v1.Echo/Unary", "{}", { ...json, "connect-timeout-ms": "200" });
    assert.equal(reply.status, 504);
    assert.deepEqual(await reply.json(), {
      code: "deadline_exceeded",
      message: "/test.v1.Echo/Unary: deadline exceeded",
    });
    assert.ok(remaining <= 200, `${remaining} ms`);
  });
});

test("a deadline of the server's ends the call, and says so", async () => {
  await withServer({ timeoutMs: 50 }, async (endpoint) => {
    const reply = await post(endpoint, "/test.v1.Echo/Unary", '{"text":"wait"}', {
      ...json,
      "connect-timeout-ms": "60000",
    });
    assert.equal(reply.status, 504);
    const { code, details } = (await reply.json()) as WireError;
    assert.equal(code, "deadline_exceeded");
    assert.equal(fromBinary(ErrorInfoSchema, Buffer.from(details![0]!.value, "base64")).reason, "GATEWAY_TIMEOUT");
  });
});

test("a caller that leaves cancels its call", async () => {
  const left = Promise.withResolvers<unknown>();
  const began = Promise.withResolvers<void>();
  const methods = {
    ...echoImplementation,
    unary: (_request: object, call: { onCancel(listener: (reason: unknown) => void): unknown }) => {
      call.onCancel(left.resolve);
      began.resolve();
      return new Promise<never>(() => {});
    },
  };
  await withServer({ services: [service(Echo, methods)], timeoutMs: 0 }, async (endpoint) => {
    const controller = new AbortController();
    const init = { method: "POST", headers: json, body: "{}", signal: controller.signal };
    const call = fetch(new URL("/test.v1.Echo/Unary", endpoint), init).catch(() => {});
    await began.promise;
    controller.abort();
    assert.equal(((await left.promise) as ServiceError).code, 499);
    await call;
  });
});

test("filters see the requests, and middleware the calls, of each protocol", async () => {
  const seen: string[] = [];
  const middleware: Middleware = (next) => (call) => {
    seen.push(`${call.transport} ${call.operation}`);
    return next(call);
  };
  const filter =
    (next: RawHandler): RawHandler =>
    (request, response, variables) => {
      seen.push(`${request.method} ${request.url}`);
      if (request.headers["x-closed"] === undefined) return next(request, response, variables);
      response.writeHead(403).end();
      return undefined;
    };
  await withServer({ filters: [filter], middleware: [middleware] }, async (endpoint) => {
    const path = "/test.v1.Echo/Unary";
    assert.equal((await post(endpoint, path, "{}")).status, 200);
    assert.equal(
      (await post(endpoint, path, frame("{}"), { "content-type": "application/grpc-web+json" })).status,
      200,
    );
    assert.equal((await post(endpoint, path, "{}", { ...json, "x-closed": "1" })).status, 403);
    assert.deepEqual(seen, [`POST ${path}`, `connect ${path}`, `POST ${path}`, `grpc-web ${path}`, `POST ${path}`]);
  });
});

test("HTTP/2 is the same, with filters and without", async () => {
  for (const filters of [[], [(next: RawHandler) => next]]) {
    await withServer({ filters }, async (endpoint) => {
      const session = connectHttp2(endpoint);
      const ask = async (path: string, headers: object, body: Buffer | string): Promise<[unknown, unknown, Buffer]> => {
        const request = session.request({ ":method": "POST", ":path": path, ...headers });
        request.end(body);
        const head = await new Promise<Record<string, unknown>>((resolve) => request.once("response", resolve));
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        return [head[":status"], head["trailer-x-trail-a"], Buffer.concat(chunks)];
      };
      const unary = await ask("/test.v1.Echo/Unary", { ...json, "x-trail-a": "b" }, '{"text":"hi"}');
      assert.deepEqual(unary.slice(0, 2), [200, "b"]);
      assert.equal(String(unary[2]), '{"text":"hi","count":0,"payload":""}');
      const failed = await ask("/test.v1.Echo/Unary", json, '{"text":"fail"}');
      assert.equal(failed[0], 404);
      const [status, , body] = await ask("/test.v1.Echo/ServerStream", stream, frame('{"count":1}'));
      assert.equal(status, 200);
      assert.deepEqual(
        frames(new Uint8Array(body).buffer).map(([flags]) => flags),
        [0, 2],
      );
      session.close();
    });
  }
});

test("a server speaks only the protocols it is given", async () => {
  await withServer({ protocols: ["connect"] }, async (endpoint) => {
    const path = "/test.v1.Echo/Unary";
    assert.equal((await post(endpoint, path, "{}")).status, 200);
    assert.equal(
      (await post(endpoint, path, frame("{}"), { "content-type": "application/grpc-web+json" })).status,
      415,
    );
    assert.equal((await post(endpoint, "/v1/orders", "{}", { "content-type": "application/json" })).status, 404);
    const client = createClient(Echo, { endpoint: String(endpoint).replace("http", "grpc") });
    await assert.rejects(client.unary({}));
    await client[Symbol.asyncDispose]();
  });
  await withServer({ protocols: ["http"] }, async (endpoint) => {
    const reply = await post(endpoint, "/test.v1.Echo/Unary", '{"text":"fail"}');
    assert.equal(((await reply.json()) as { reason: string }).reason, "BOOK_NOT_FOUND");
  });
  assert.throws(() => new Server({ protocols: ["soap" as "http"] }), { code: "CLEW_TRANSPORT_OPTION" });
});

test("createClient speaks what it is asked to, and GET where that is wanted", async () => {
  const verbs: string[] = [];
  const filter =
    (next: RawHandler): RawHandler =>
    (request, response, variables) => {
      verbs.push(`${request.method} ${request.headers["content-type"]?.split("+")[0]}`);
      return next(request, response, variables);
    };
  await withServer({ filters: [filter] }, async (endpoint) => {
    for (const options of [
      { endpoint, protocol: "connect" },
      { endpoint, protocol: "connect", connect: { useGet: true } },
      { endpoint, protocol: "grpc-web" },
      { endpoint: `direct:///${endpoint.host}`, protocol: "connect" },
    ] as const) {
      const client = createClient(Catalog, { timeoutMs: patientMs, ...options });
      assert.equal((await client.find({ title: "é" })).title, "é");
      await assert.rejects(client.find({ title: "nothing" }), { code: 422, reason: "NO_TITLE", metadata: { a: "b" } });
      for await (const { title } of client.watch({ title: "b" })) assert.equal(title, "b");
      await client[Symbol.asyncDispose]();
    }
    const client = createClient(Catalog, {
      endpoint,
      protocol: "connect",
      connect: { useGet: true },
      timeoutMs: patientMs,
    });
    await client.find({ title: "x".repeat(10_000) });
    await client[Symbol.asyncDispose]();
    assert.equal(verbs.pop(), "POST application/proto");
    const calls = verbs.filter((_verb, index) => index % 3 === 0);
    assert.deepEqual(calls, [
      "POST application/proto",
      "GET undefined",
      "POST application/grpc-web",
      "POST application/proto",
    ]);
    const protocol = "connect";
    assert.throws(() => createClient(Catalog, { endpoint: "grpc://127.0.0.1:1", protocol }), {
      code: "CLEW_TRANSPORT_OPTION",
    });
  });
});
