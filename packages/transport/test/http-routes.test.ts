import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test } from "node:test";
import type { Logger } from "@clew/log";
import { type Call, currentCall, type Middleware, ServiceError } from "@clew/rpc";
import { createClient, Server } from "@clew/transport";
import { type Filter, HttpServer, type RawHandler, Redirect, type Route } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echo, shelves, withServer } from "./http-shelves.ts";
import { ask as askHttp2, connectHttp2 } from "./http2-peer.ts";
import { patientMs } from "./patient-ms.ts";

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: "manual", ...init });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} };
}

const say =
  (text: string): RawHandler =>
  (_request, response) =>
    void response.end(text);

/** A middleware that keeps the calls it sees, and how each ended. */
function watcher(seen: [call: Call, end: unknown][]): Middleware {
  return (next) => async (call) => {
    try {
      const reply = await next(call);
      seen.push([call, "ok"]);
      return reply;
    } catch (error) {
      seen.push([call, (error as ServiceError).code]);
      throw error;
    }
  };
}

test("a raw route runs the middleware once, in a call that its handler and the clients in it are inside of", async () => {
  const seen: [Call, unknown][] = [];
  await withServer({ services: [echo()] }, async (backend) => {
    const client = createClient(Echo, { endpoint: backend, timeoutMs: patientMs });
    const handle: RawHandler = async (_request, response, { id }) => {
      const call = currentCall()!;
      assert.equal(call.side, "server");
      const { text } = await client.unary({ text: id! });
      response.end(`${text} within ${call.deadline !== undefined}`);
    };
    const routes: Route[] = [{ verb: "get", path: "/things/{id}", handle, timeoutMs: 30_000 }];
    await withServer({ middleware: [watcher(seen)], routes }, async (url) => {
      const { status, text } = await ask(`${url}/things/7?a=b`, { headers: { "x-one": "1" } });
      assert.deepEqual([status, text], [200, "7 within true"]);
      const [[call, end] = []] = seen;
      assert.equal(seen.length, 1);
      assert.equal(end, "ok");
      assert.deepEqual(
        [call!.operation, call!.metadata.get("x-one"), call!.http!.verb, call!.http!.path, call!.http!.route],
        ["GET /things/{id}", "1", "GET", "/things/7", "/things/{id}"],
      );
      assert.equal(call!.http!.scheme, "http");
      assert.match(call!.peer.address, /^127\.0\.0\.1:\d+$/);
      assert.equal(call!.method.desc.input.typeName, "google.api.HttpBody");
      await assert.rejects(call!.receive(), { code: "CLEW_TRANSPORT_RAW_BODY" });
      assert.throws(() => call!.messages(), { code: "CLEW_TRANSPORT_RAW_BODY" });
    });
    await client[Symbol.asyncDispose]();
  });
});

test("what a middleware throws is a raw route's answer, and its handler does not run", async () => {
  let runs = 0;
  const refuse: Middleware = () => async (call) => {
    call.replyMetadata.set("x-why", "no token");
    throw new ServiceError(401, "UNAUTHORIZED", "no token");
  };
  const routes: Route[] = [{ verb: "POST", path: "/x", handle: () => void runs++, operation: "/my.Own/Name" }];
  await withServer({ middleware: [refuse], routes }, async (url) => {
    const { status, json, headers } = await ask(`${url}/x`, { method: "POST", body: "text" });
    assert.deepEqual([status, json.reason, headers.get("x-why")], [401, "UNAUTHORIZED", "no token"]);
    assert.equal(runs, 0);
  });
});

test("a middleware sees how a raw route ended, also when the handler wrote the error itself", async () => {
  const seen: [Call, unknown][] = [];
  const routes: Route[] = [
    { verb: "GET", path: "/own", handle: (_request, response) => void response.writeHead(404).end("own words") },
    {
      verb: "GET",
      path: "/thrown",
      handle: () => {
        throw new ServiceError(409, "CONFLICT", "no");
      },
    },
    { verb: "GET", path: "/mistake", handle: () => Promise.reject(new Error("secret")), operation: "mistake" },
    { verb: "GET", path: "/later", handle: (_request, response) => void setTimeout(() => response.end("late"), 20) },
    {
      verb: "GET",
      path: "/half",
      handle: (_request, response) => {
        response.write("half");
        throw new Error("in the middle");
      },
    },
  ];
  await withServer({ middleware: [watcher(seen)], routes }, async (url) => {
    const end = async (path: string): Promise<unknown[]> => {
      const { status, text, json } = await ask(url + path);
      return [status, json.reason ?? text, seen.pop()?.[1]];
    };
    assert.deepEqual(await end("/own"), [404, "own words", 404]);
    assert.deepEqual(await end("/thrown"), [409, "CONFLICT", 409]);
    assert.deepEqual(await end("/mistake"), [500, "UNKNOWN", undefined]);
    assert.deepEqual(await end("/later"), [200, "late", "ok"]);
    await assert.rejects(ask(`${url}/half`));
  });
});

test("a middleware may answer a raw route in its handler's place", async () => {
  const answer: Middleware = (next) => async (call) => {
    const reply = await (call.metadata.has("x-kept") ? Promise.resolve(undefined) : next(call));
    return reply ?? ({ contentType: "text/plain", data: Buffer.from("kept") } as never);
  };
  const routes: Route[] = [{ verb: "GET", path: "/x", handle: say("new") }];
  await withServer({ middleware: [answer], routes }, async (url) => {
    assert.equal((await ask(`${url}/x`)).text, "new");
    const { text, headers } = await ask(`${url}/x`, { headers: { "x-kept": "1" } });
    assert.deepEqual([text, headers.get("content-type")], ["kept", "text/plain"]);
  });
});

test("a raw handler that returns its reply and does not write it is 500 at once, and the log says so", async () => {
  const told: unknown[] = [];
  const logger = { level: "error", debug() {}, info() {}, warn() {}, with: () => logger } as unknown as Logger;
  logger.error = (_message, fields) => void told.push(fields?.error);
  const replies = { object: { hello: 1 }, list: [1], text: "hello", number: 5 };
  const routes = Object.entries(replies).map(([name, reply]) => ({
    verb: "GET",
    path: `/${name}`,
    handle: (async () => reply) as unknown as RawHandler,
  }));
  // What it returns of the response's own says nothing.
  const handle = ((_request: unknown, response: ServerResponse) => {
    setImmediate(() => response.end("late"));
    return response;
  }) as unknown as RawHandler;
  await withServer({ routes: [...routes, { verb: "GET", path: "/late", handle }], logger }, async (url) => {
    for (const { path } of routes) {
      const { status } = await fetch(url + path, { signal: AbortSignal.timeout(patientMs) });
      assert.equal(status, 500);
    }
    assert.equal(await (await fetch(`${url}/late`)).text(), "late");
  });
  assert.equal(told.length, routes.length);
  for (const [index, given] of ["an object", "a list", '"hello"', "5"].entries()) {
    const { code, message } = told[index] as TypeError & { code: string };
    assert.equal(code, "CLEW_TRANSPORT_RAW_REPLY");
    assert.match(
      message,
      new RegExp(`^GET /\\w+: the handler returned ${given} but wrote no reply; write one, as with response\\.end\\(`),
    );
  }
});

test("a raw route with a timeout is 504 when it passes, and its signal aborts", async () => {
  let reason: unknown;
  const seen: [Call, unknown][] = [];
  const handle: RawHandler = () =>
    new Promise(() => {
      const { signal } = currentCall()!;
      signal.addEventListener("abort", () => (reason = signal.reason));
    });
  const routes: Route[] = [{ verb: "GET", path: "/slow", handle, timeoutMs: 50 }];
  await withServer({ middleware: [watcher(seen)], routes }, async (url) => {
    const { status, json } = await ask(`${url}/slow`);
    assert.deepEqual([status, json.reason], [504, "GATEWAY_TIMEOUT"]);
    assert.equal((reason as ServiceError).code, 504);
    assert.equal(seen[0]?.[1], 504);
  });
});

test("a caller that leaves cancels a raw route's call", async () => {
  let call: Call | undefined;
  const handle: RawHandler = (_request, response) => {
    call = currentCall();
    response.write("a beginning");
    return new Promise(() => {});
  };
  await withServer({ routes: [{ verb: "GET", path: "/live", handle }] }, async (url) => {
    const response = await fetch(`${url}/live`);
    await response.body!.cancel();
    await until(() => call?.cancelled?.code === 499, "the call is cancelled");
  });
});

test("raw routes are calls over HTTP/2 as well", async () => {
  const seen: [Call, unknown][] = [];
  const handle: RawHandler = (request, response) => {
    response.setHeader("x-operation", currentCall()!.operation);
    request.pipe(response);
  };
  await withServer({ middleware: [watcher(seen)], routes: [{ verb: "POST", path: "/x", handle }] }, async (url) => {
    const { status, headers, text } = await askHttp2(
      connectHttp2(url),
      { ":method": "POST", ":path": "/x" },
      "over two",
    );
    assert.deepEqual([status, headers["x-operation"], text], [200, "POST /x", "over two"]);
    await until(() => seen.length === 1, "the call is over");
    assert.equal(seen[0]![1], "ok");
  });
});

test("a route without middleware is no call", async () => {
  const seen: [Call, unknown][] = [];
  let inside: Call | undefined;
  const handle: RawHandler = (_request, response) => {
    inside = currentCall();
    response.end();
  };
  const routes: Route[] = [{ verb: "GET", path: "/x", handle, middleware: false }];
  await withServer({ middleware: [watcher(seen)], routes }, async (url) => {
    assert.equal((await ask(`${url}/x`)).status, 200);
    assert.deepEqual([inside, seen], [undefined, []]);
  });
});

test("groups bring a prefix, filters and middleware; the outer ones go around the inner ones", async () => {
  const log: string[] = [];
  const filter =
    (name: string): Filter =>
    (next) =>
    (request, response, variables) => {
      log.push(`filter ${name}`);
      return next(request, response, variables);
    };
  const middleware =
    (name: string): Middleware =>
    (next) =>
    (call) => {
      log.push(`middleware ${name}`);
      return next(call);
    };
  const tenant: RawHandler = (_request, response, variables) => void response.end(JSON.stringify(variables));
  await withServer(
    {
      prefix: "/shop",
      services: [shelves()],
      filters: [filter("server")],
      middleware: [middleware("server")],
      routes: [
        {
          prefix: "/tenants/{tenant}",
          filters: [filter("outer")],
          middleware: [middleware("outer")],
          routes: [
            { verb: "GET", path: "/", handle: tenant },
            {
              prefix: "/inner",
              filters: [filter("inner")],
              middleware: [middleware("inner")],
              routes: [
                {
                  verb: "GET",
                  path: "/{id}",
                  handle: tenant,
                  filters: [filter("route")],
                  middleware: [middleware("route")],
                },
              ],
            },
            { prefix: "/open", middleware: false, routes: [{ verb: "GET", path: "/x", handle: tenant }] },
          ],
        },
      ],
    },
    async (url, server) => {
      assert.equal((await ask(`${url}/shop/tenants/t1/inner/7`)).text, '{"tenant":"t1","id":"7"}');
      const names = ["server", "outer", "inner", "route"];
      assert.deepEqual(log.splice(0), [
        ...names.map((one) => `filter ${one}`),
        ...names.map((one) => `middleware ${one}`),
      ]);
      assert.equal((await ask(`${url}/shop/tenants/t1`)).text, '{"tenant":"t1"}');
      assert.deepEqual(log.splice(0), ["filter server", "filter outer", "middleware server", "middleware outer"]);
      assert.equal((await ask(`${url}/shop/tenants/t1/open/x`)).status, 200);
      assert.deepEqual(log.splice(0), ["filter server", "filter outer"]);
      assert.equal((await ask(`${url}/shop/v1/books/7`)).status, 200);
      assert.equal((await ask(`${url}/v1/books/7`)).status, 404);
      assert.deepEqual(
        server.routes().map(({ verb, path, operation, kind }) => `${verb} ${path} ${operation} ${kind}`),
        [
          "GET /shop/v1/shelves/{shelf}/books/{book.id} /test.v1.Shelves/GetBook unary",
          "GET /shop/v1/books/{book.id} /test.v1.Shelves/GetBook unary",
          "POST /shop/v1/shelves/{shelf}/books /test.v1.Shelves/CreateBook unary",
          "PUT /shop/v1/books/{id} /test.v1.Shelves/UpdateBook unary",
          "DELETE /shop/v1/shelves/{shelf}/books/{book.id} /test.v1.Shelves/DeleteBook unary",
          "GET /shop/v1/books:search /test.v1.Shelves/SearchBooks unary",
          "GET /shop/v1/{path=files/**} /test.v1.Shelves/GetFile unary",
          "GET /shop/tenants/{tenant} GET /shop/tenants/{tenant} raw",
          "GET /shop/tenants/{tenant}/inner/{id} GET /shop/tenants/{tenant}/inner/{id} raw",
          "GET /shop/tenants/{tenant}/open/x GET /shop/tenants/{tenant}/open/x raw",
        ],
      );
    },
  );
});

test("a server of all protocols lists its routes", () => {
  const server = new Server({ services: [shelves()], prefix: "/p" });
  assert.equal(server.routes()[1]?.path, "/p/v1/books/{book.id}");
});

test("a filter of a group answers and fails like any other", async () => {
  const filters: Filter[] = [
    (next) => (request, response, variables) => {
      if (request.headers["x-key"] === undefined) throw new ServiceError(403, "KEY_MISSING", "no key");
      return next(request, response, variables);
    },
  ];
  const routes = [{ prefix: "/a", filters, routes: [{ verb: "GET", path: "/b", handle: say("in") }] }];
  await withServer({ routes }, async (url) => {
    const { status, json } = await ask(`${url}/a/b`);
    assert.deepEqual([status, json.reason], [403, "KEY_MISSING"]);
    assert.equal((await ask(`${url}/a/b`, { headers: { "x-key": "1" } })).text, "in");
  });
});

test("answers of one's own to what no route knows, and to a wrong verb", async () => {
  const notFound: RawHandler = (_request, response) => void response.writeHead(404).end("nothing here");
  const methodNotAllowed: RawHandler = (request, response) => {
    if (request.method === "PUT") throw new ServiceError(405, "NO_PUT", "no");
    response.writeHead(405).end("not so");
  };
  await withServer({ services: [shelves()], notFound, methodNotAllowed }, async (url) => {
    const missing = await ask(`${url}/nowhere`);
    assert.deepEqual([missing.status, missing.text], [404, "nothing here"]);
    const wrong = await ask(`${url}/v1/books:search`, { method: "POST", body: "{}" });
    assert.deepEqual([wrong.status, wrong.text], [405, "not so"]);
    assert.equal(wrong.headers.get("allow"), "GET, HEAD, OPTIONS");
    const thrown = await ask(`${url}/v1/books:search`, { method: "PUT" });
    assert.deepEqual([thrown.status, thrown.json.reason], [405, "NO_PUT"]);
  });
});

test("a path that differs by a slash at its end is redirected with 308, which keeps the verb", async () => {
  const echoBody: RawHandler = (request: IncomingMessage, response) => void request.pipe(response);
  const routes: Route[] = [
    { verb: "POST", path: "/plain", handle: echoBody },
    { verb: "GET", path: "/folder/", handle: say("folder") },
    { verb: "GET", path: "/any/{id}", handle: say("any") },
  ];
  await withServer({ routes }, async (url) => {
    const { status, headers, text } = await ask(`${url}/plain/?a=1`, { method: "POST", body: "x" });
    assert.deepEqual([status, headers.get("location"), text], [308, "/plain?a=1", ""]);
    assert.equal(await fetch(`${url}/plain/`, { method: "POST", body: "kept" }).then((one) => one.text()), "kept");
    assert.equal((await ask(`${url}/folder`)).headers.get("location"), "/folder/");
    // With another verb nothing is there.
    assert.equal((await ask(`${url}/plain/`)).status, 404);
    // None of these is sent to another host.
    for (const path of ["//any/x/", "/\\any/x/", "//evil.example/"]) {
      assert.equal((await askHttp2(connectHttp2(url), { ":path": path })).status, 404, path);
    }
  });
  await withServer({ routes, trailingSlash: "strict" }, async (url) => {
    assert.equal((await ask(`${url}/folder`)).status, 404);
  });
});

test("a redirect may be thrown by a raw handler, a middleware or a filter", async () => {
  const throwing: RawHandler = () => {
    throw new Redirect("/elsewhere/ü x\r\nset-cookie: a=b", 307);
  };
  const middleware: Middleware = () => async () => {
    throw new Redirect(new URL("https://id.example/login"));
  };
  const routes: Route[] = [
    { verb: "GET", path: "/raw", handle: throwing },
    { verb: "GET", path: "/guarded", handle: say("in"), middleware: [middleware] },
  ];
  await withServer({ routes }, async (url) => {
    const raw = await ask(`${url}/raw`);
    assert.deepEqual([raw.status, raw.text], [307, ""]);
    assert.equal(raw.headers.get("location"), "/elsewhere/%C3%BC%20x%0D%0Aset-cookie:%20a=b");
    assert.equal(raw.headers.get("set-cookie"), null);
    const guarded = await ask(`${url}/guarded`);
    assert.deepEqual([guarded.status, guarded.headers.get("location")], [302, "https://id.example/login"]);
  });
  assert.throws(() => new Redirect("/x", 200), { code: "CLEW_TRANSPORT_STATUS" });
});

test("refuses routes and groups that cannot work", () => {
  const handle = say("");
  const make = (options: ConstructorParameters<typeof HttpServer>[0]) => () => new HttpServer(options);
  const route = (path: string): Route => ({ verb: "GET", path, handle });
  assert.throws(make({ routes: [{ prefix: "/a", routes: [route("b")] }] }), { code: "CLEW_TRANSPORT_TEMPLATE" });
  assert.throws(make({ routes: [{ prefix: "/a", routes: [route("/b")] }, route("/a/b")] }), {
    code: "CLEW_TRANSPORT_ROUTE_CONFLICT",
    message: /GET \/a\/b is used by both/,
  });
  assert.throws(make({ prefix: "shop" }), { code: "CLEW_TRANSPORT_TEMPLATE" });
  for (const prefix of ["/shop/", "/{tenant}"]) {
    assert.throws(make({ prefix }), { code: "CLEW_TRANSPORT_OPTION", message: /option prefix/ });
  }
  assert.throws(make({ trailingSlash: "loose" as never }), { code: "CLEW_TRANSPORT_OPTION" });
  for (const verb of ["", "GET POST"]) {
    const bad = { ...route("/a"), verb };
    assert.throws(make({ routes: [bad] }), { code: "CLEW_TRANSPORT_OPTION", message: /option verb of route/ });
  }
  assert.throws(make({ routes: [{ ...route("/a"), handle: undefined as never }] }), {
    code: "CLEW_TRANSPORT_OPTION",
    message: /handle of route GET \/a is undefined/,
  });
  assert.throws(make({ routes: [{ ...route("/a"), timeoutMs: -1 }] }), {
    code: "CLEW_TRANSPORT_OPTION",
    message: /timeoutMs of route GET \/a/,
  });
});
