import assert from "node:assert/strict";
import { test } from "node:test";
import { current } from "@clew/context";
import { type Call, currentCall, Metadata, type Middleware, ServiceError, service } from "@clew/rpc";
import type { Filter, RawHandler, Route } from "@clew/transport/http";
import { Rules } from "./gen/test/v1/kinds_pb.ts";
import { hearCalls } from "./hear-calls.ts";
import { echo, RawConnection, shelves, withServer } from "./http-shelves.ts";

/** Status and body, and the body's type. */
async function ask(url: string, init: RequestInit & { json?: string } = {}): Promise<[number, string, string | null]> {
  const { json, ...rest } = init;
  const withBody =
    json === undefined
      ? rest
      : { ...rest, body: json, headers: { "content-type": "application/json", ...rest.headers } };
  const response = await fetch(url, withBody);
  return [response.status, await response.text(), response.headers.get("content-type")];
}

function record(reply: string): Record<string, unknown> {
  return JSON.parse(reply) as Record<string, unknown>;
}

test("answers with the bytes that Kratos answers with", async () => {
  const greeter = echo((request) => ({ text: `Hello ${request.text}` }));
  await withServer({ services: [greeter] }, async (url) => {
    const connection = new RawConnection(url);
    connection.send(
      'POST /test.v1.Echo/Unary HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{"text":"kratos"}',
    );
    const [head = "", body] = (await connection.closed()).split("\r\n\r\n");
    assert.equal(body, '{"text":"Hello kratos","count":0,"payload":""}');
    assert.match(head, /^HTTP\/1.1 200 OK\r\ncontent-type: application\/json\r\ncontent-length: 46\r\n/);
    assert.doesNotMatch(head, /transfer-encoding/i);
  });
});

test("routes by the rules of the methods", async () => {
  await withServer({ services: [shelves()] }, async (url) => {
    const cases: [verb: string, path: string, json: string | undefined, want: Record<string, unknown>][] = [
      ["GET", "/v1/shelves/s%2F1/books/b1", undefined, { id: "b1", title: "on s/1" }],
      ["GET", "/v1/books/b2?shelf=s2", undefined, { id: "b2", title: "on s2" }],
      ["GET", "/v1/books/b2?shelf=s2&book.id=other", undefined, { id: "b2" }],
      [
        "POST",
        "/v1/shelves/s1/books?dry_run=true&shelf=x",
        '{"title":"T","unknown":1}',
        { title: "T on s1", pages: "1" },
      ],
      ["PUT", "/v1/books/b3?title=ignored", '{"id":"x","title":"T","pages":7}', { id: "b3", title: "T", pages: "7" }],
      ["GET", "/v1/files/a%20b/c", undefined, { id: "files/a b/c" }],
    ];
    for (const [verb, path, json, want] of cases) {
      const [status, text] = await ask(url + path, { method: verb, ...(json === undefined ? {} : { json }) });
      assert.equal(status, 200, `${path}: ${text}`);
      for (const [name, value] of Object.entries(want)) assert.deepEqual(record(text)[name], value, path);
    }
    assert.deepEqual((await ask(`${url}/v1/shelves/s/books/b`, { method: "DELETE" })).slice(0, 2), [200, "{}"]);
    const [, books] = await ask(`${url}/v1/books:search?query=q&genres=NOVEL&genres=2&author.name=Ann`);
    const [book] = JSON.parse(books) as Record<string, unknown>[];
    assert.deepEqual([book?.id, book?.tags, book?.author], ["q", ["1", "2"], { name: "Ann" }]);
  });
});

test("routes custom verbs, any verb, suffixes, body fields and reply fields of every kind", async () => {
  const same = (request: object): object => request;
  const rules = service(Rules, { query: same, patch: same, tags: same, bare: same, purge: same, move: same } as never);
  await withServer({ services: [rules] }, async (url) => {
    const kinds = async (verb: string, path: string, json?: string): Promise<unknown> => {
      const [status, text] = await ask(url + path, { method: verb, ...(json === undefined ? {} : { json }) });
      assert.equal(status, 200, `${path}: ${text}`);
      return JSON.parse(text) as unknown;
    };
    const pick = async (name: string, reply: Promise<unknown>): Promise<unknown> =>
      ((await reply) as Record<string, unknown>)[name];
    assert.deepEqual(await pick("nested", kinds("PATCH", "/v1/kinds/-5?nested.count=2", '{"name":"n"}')), {
      name: "n",
      count: 2,
    });
    assert.deepEqual(await pick("int32Value", kinds("PATCH", "/v1/kinds/-5", "{}")), -5);
    assert.deepEqual(await kinds("PUT", "/v1/kinds/x/tags", '["a","b"]'), ["a", "b"]);
    assert.deepEqual(await kinds("PUT", "/v1/kinds/x/tags"), []);
    assert.equal(await kinds("POST", "/v1/kinds:bare", '"w"'), "w");
    assert.equal(await kinds("POST", "/v1/kinds:bare"), null);
    assert.deepEqual(await pick("nested", kinds("PURGE", "/v1/kinds/n")), { name: "n", count: 0 });
    assert.deepEqual(await pick("enumValue", kinds("LOCK", "/v1/any/BLUE")), "BLUE");
    assert.deepEqual(await pick("stringValue", kinds("POST", "/v1/kinds/a:b:purge", '{"boolValue":true}')), "a:b");
    const moved = kinds("POST", "/v1/shelves/1/books/2/2024-01-02T03:04:05Z:move", "{}");
    assert.deepEqual(await pick("stringValue", moved), "shelves/1/books/2");
    assert.deepEqual(await pick("timestampValue", moved), "2024-01-02T03:04:05Z");
    // What must be one JSON value of the field cannot smuggle in others.
    const [status, text] = await ask(`${url}/v1/kinds/x/tags`, { method: "PUT", json: '["a"],"boolValue":true' });
    assert.deepEqual([status, record(text).reason], [400, "CODEC"]);
  });
});

test("reads and writes JSON, protojson, protobuf and forms, as content type and Accept say", async () => {
  await withServer({ services: [echo()] }, async (url) => {
    const unary = async (
      contentType: string,
      body: string | Uint8Array<ArrayBuffer>,
      accept: string,
    ): Promise<[string | null, string]> => {
      const headers = { "content-type": contentType, accept };
      const response = await fetch(`${url}/test.v1.Echo/Unary`, { method: "POST", body, headers });
      return [response.headers.get("content-type"), await response.text()];
    };
    const json = '{"text":"a","count":2,"payload":""}';
    assert.deepEqual(await unary("application/json; charset=utf-8", '{"text":"a","count":2}', "*/*"), [
      "application/json",
      json,
    ]);
    assert.deepEqual(await unary("application/protojson", '{"text":"a","count":2}', "application/protojson"), [
      "application/protojson",
      json,
    ]);
    assert.deepEqual(await unary("application/x-www-form-urlencoded", "text=a&count=2", ""), [
      "application/json",
      json,
    ]);
    const bytes = new Uint8Array([10, 1, 97, 16, 2]);
    assert.deepEqual(await unary("application/proto", bytes, "application/proto"), [
      "application/proto",
      "\n\u0001a\u0010\u0002",
    ]);
    assert.deepEqual(await unary("application/x-protobuf", bytes, "text/html"), ["application/json", json]);
  });
});

test("needs no content type when there is no body", async () => {
  await withServer({ services: [echo()] }, async (url) => {
    const [status, text] = await ask(`${url}/test.v1.Echo/Unary`, { method: "POST" });
    assert.deepEqual([status, record(text).text], [200, ""]);
  });
});

test("runs the middleware around every call, before the body is read, inside of the call's context", async () => {
  const seen: unknown[] = [];
  const note =
    (name: string): Middleware =>
    (next) =>
    async (call) => {
      seen.push(`${name} ${call.operation}`, currentCall() === call, current() === call.context);
      const reply = await next(call);
      seen.push(`${name} done`);
      return reply;
    };
  await withServer({ services: [echo()], middleware: [note("a"), note("b")] }, async (url) => {
    const bad = await ask(`${url}/test.v1.Echo/Unary`, { method: "POST", json: "{" });
    assert.equal(bad[0], 400);
    assert.deepEqual(seen, ["a /test.v1.Echo/Unary", true, true, "b /test.v1.Echo/Unary", true, true]);
    seen.length = 0;
    await ask(`${url}/test.v1.Echo/Unary`, { method: "POST", json: "{}" });
    assert.deepEqual(seen.slice(-2), ["b done", "a done"]);
  });
});

test("a call knows its peer, headers, deadline and what HTTP knows of it", async () => {
  let call: Call | undefined;
  const services = [
    shelves({
      getBook: (_request, given) => {
        call = given;
        return {};
      },
    }),
  ];
  await withServer({ services, timeoutMs: 60_000 }, async (url) => {
    await ask(`${url}/v1/books/b%201?shelf=x`, { headers: { "X-Md-Global-User": "ann", "x-two": "1, 2" } });
  });
  assert.ok(call);
  assert.match(call.peer.address, /^127\.0\.0\.1:\d+$/);
  assert.equal(call.metadata.get("x-md-global-user"), "ann");
  assert.deepEqual([call.side, call.transport], ["server", "http"]);
  assert.ok(call.deadline! > performance.now() && call.deadline! < performance.now() + 60_000);
  const { verb, path, route, scheme } = call.http!;
  assert.deepEqual(
    { verb, path, route, scheme },
    { verb: "GET", path: "/v1/books/b%201", route: "/v1/books/{book.id}", scheme: "http" },
  );
});

test("sends the reply's metadata as headers, on errors as well, but never those that frame the reply", async () => {
  const answer = (fail: boolean) => (_request: unknown, call: Call) => {
    call.replyMetadata = new Metadata({
      "x-one": "1",
      "x-two": ["a", "b"],
      "content-length": "1",
      "transfer-encoding": "chunked",
    });
    call.replyMetadata.set("content-type", "text/html");
    if (fail) throw new ServiceError(429, "RATELIMIT", "slow down", { metadata: { after: "1s" } });
    return {};
  };
  for (const fail of [false, true]) {
    await withServer({ services: [shelves({ getBook: answer(fail) })] }, async (url) => {
      const response = await fetch(`${url}/v1/books/b`);
      assert.equal(response.status, fail ? 429 : 200);
      assert.equal(response.headers.get("x-one"), "1");
      assert.equal(response.headers.get("x-two"), "a, b");
      assert.equal(response.headers.get("content-type"), "application/json");
      const text = await response.text();
      assert.equal(response.headers.get("content-length"), String(text.length));
      if (fail) assert.equal(text, '{"code":429,"reason":"RATELIMIT","message":"slow down","metadata":{"after":"1s"}}');
    });
  }
});

test("an error that is none of ours tells the caller nothing, and the log everything", async () => {
  const lines: unknown[] = [];
  const logger = { error: (...line: unknown[]) => lines.push(line), debug() {}, info() {}, warn() {} } as never;
  const services = [
    shelves({
      getBook: () => {
        throw new Error("password is 123");
      },
    }),
  ];
  await withServer({ services, logger }, async (url) => {
    assert.deepEqual((await ask(`${url}/v1/books/b`)).slice(0, 2), [
      500,
      '{"code":500,"reason":"UNKNOWN","message":"unknown request error","metadata":{}}',
    ]);
  });
  const [message, fields] = lines[0] as [string, { error: Error }];
  assert.equal(message, "/test.v1.Shelves/GetBook failed");
  assert.equal(fields.error.message, "password is 123");
});

test("a middleware that throws at once, without a promise, fails its call only", async () => {
  const refuse: Middleware = () => (call) => {
    throw new ServiceError(401, "UNAUTHORIZED", call.operation);
  };
  await withServer({ services: [echo()], middleware: [refuse] }, async (url) => {
    const [status, text] = await ask(`${url}/test.v1.Echo/Unary`, { method: "POST", json: "{}" });
    assert.deepEqual([status, record(text).reason], [401, "UNAUTHORIZED"]);
  });
});

test("HEAD is answered like GET without the body, OPTIONS with the verbs there are", async () => {
  await withServer({ services: [shelves()] }, async (url) => {
    const head = await fetch(`${url}/v1/books/b`, { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.ok(Number(head.headers.get("content-length")) > 10);
    const options = await fetch(`${url}/v1/books/b`, { method: "OPTIONS" });
    assert.deepEqual([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS, PUT"]);
    assert.equal((await fetch(`${url}/nowhere`, { method: "OPTIONS" })).status, 404);
    const star = new RawConnection(url).send("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert.match(await star.closed(), /^HTTP\/1.1 204 /);
  });
});

test("takes a whole URL as the target, as a proxy sends it", async () => {
  await withServer({ services: [shelves()] }, async (url) => {
    const connection = new RawConnection(url).send(
      "GET http://other/v1/books/b?shelf=s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert.match(await connection.closed(), /"title":"on s"/);
  });
});

test("serves raw routes beside services, with their variables; what they throw is answered in the error shape", async () => {
  const tellVariables: RawHandler = (_request, response, variables) => void response.end(JSON.stringify(variables));
  const routes: Route[] = [
    {
      verb: "get",
      path: "/api/traces/{id}",
      handle: tellVariables,
    },
    {
      verb: "GET",
      path: "/{path=**}",
      handle: tellVariables,
    },
    {
      verb: "*",
      path: "/api/fail",
      handle: async () => {
        throw new ServiceError(409, "BUSY", "try later");
      },
    },
    {
      verb: "GET",
      path: "/api/half",
      handle: (_request, response) => {
        response.write("half");
        throw new Error("gone");
      },
    },
  ];
  await withServer({ services: [shelves()], routes }, async (url) => {
    assert.deepEqual((await ask(`${url}/api/traces/a%20b`)).slice(0, 2), [200, '{"id":"a b"}']);
    assert.deepEqual((await ask(`${url}/assets/a.js`)).slice(0, 2), [200, '{"path":"assets/a.js"}']);
    assert.deepEqual((await ask(url)).slice(0, 2), [200, '{"path":""}']);
    assert.equal(record((await ask(`${url}/v1/books/b`))[1]).id, "b");
    assert.deepEqual(record((await ask(`${url}/api/fail`, { method: "DELETE" }))[1]), {
      code: 409,
      reason: "BUSY",
      message: "try later",
      metadata: {},
    });
    await assert.rejects(ask(`${url}/api/half`));
    const up = new RawConnection(url).send("GET /a/../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert.match(await up.closed(), /^HTTP\/1.1 400 .*"reason":"CODEC"/s);
  });
});

test("filters go around everything, also what no route knows", async () => {
  const order: string[] = [];
  const filter =
    (name: string): Filter =>
    (next) =>
    (request, response, variables) => {
      order.push(`${name} ${request.url}`);
      response.setHeader("x-filter", name);
      if (request.url === "/blocked") throw new ServiceError(403, "BLOCKED", "not you");
      return next(request, response, variables);
    };
  await withServer({ services: [shelves()], filters: [filter("a"), filter("b")] }, async (url) => {
    for (const path of ["/v1/books/b", "/nowhere"]) {
      const response = await fetch(url + path);
      assert.equal(response.headers.get("x-filter"), "b", path);
      await response.text();
    }
    assert.deepEqual(order, ["a /v1/books/b", "b /v1/books/b", "a /nowhere", "b /nowhere"]);
    const [status, text] = await ask(`${url}/blocked`);
    assert.deepEqual([status, record(text).reason], [403, "BLOCKED"]);
  });
});

test("announces each call on the channel clew.server.call, when it begins and when it is over", async () => {
  const seen: [string, string, string | undefined][] = [];
  await hearCalls(
    ["server"],
    ({ stage, call, error }) => seen.push([stage, call.operation, error?.reason]),
    () =>
      withServer({ services: [echo()] }, async (url) => {
        await ask(`${url}/test.v1.Echo/Unary`, { method: "POST", json: "{}" });
        await ask(`${url}/test.v1.Echo/Unary`, { method: "POST", json: "{" });
      }),
  );
  const operation = "/test.v1.Echo/Unary";
  assert.deepEqual(seen, [
    ["begin", operation, undefined],
    ["end", operation, undefined],
    ["begin", operation, undefined],
    ["end", operation, "CODEC"],
  ]);
});
