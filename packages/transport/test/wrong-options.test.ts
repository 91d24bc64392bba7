// What a developer gets wrong is told when a server or a client is made, with the option's name and what would work.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger } from "@clew/log";
import { createServiceClient, type Middleware, type Service, ServiceError, service } from "@clew/rpc";
import {
  type ClientOptions,
  createClient,
  createReadyClient,
  GrpcServer,
  HttpServer,
  MemoryServer,
  Server,
  type ServerOptions,
} from "@clew/transport";
import { compression, cors, type Route, staticFiles } from "@clew/transport/http";
import { Shop } from "./gen/test/v1/shop_pb.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echo } from "./http-shelves.ts";
import { shop } from "./shop.ts";

const address = "127.0.0.1:0";

/** What TypeScript would refuse, from JavaScript or a file. */
function wrong<T>(options: object): T {
  return options as T;
}

test("services that are none", () => {
  for (const Kind of [HttpServer, GrpcServer, Server]) {
    assert.throws(() => new Kind(wrong({ address, services: [echo(), Shop] })), {
      code: "CLEW_RPC_SERVICE",
      message:
        /^option services has the descriptor of test\.v1\.Shop at index 1; it must be a service, made by service\(Shop, \{ \.\.\. \}\)/,
    });
    assert.throws(() => new Kind(wrong({ address, services: echo() })), {
      message: /^option services is an object; .*list/,
    });
    assert.throws(() => new Kind(wrong({ address, services: [undefined] })), { message: /has undefined at index 0/ });
  }
  assert.throws(() => new MemoryServer(wrong({ services: [Shop] })), { code: "CLEW_RPC_SERVICE" });
  assert.throws(() => service(wrong<typeof Shop>(shop()), wrong({})), {
    code: "CLEW_RPC_DESC",
    message: /^the first argument of service\(\) is an object/,
  });
  assert.throws(() => createClient(wrong<typeof Echo>(echo()), { endpoint: "http://127.0.0.1:1" }), {
    code: "CLEW_RPC_DESC",
    message: /^the service of a client is an object; it must be a descriptor of generated code/,
  });
  // Its options alone.
  assert.throws(() => createClient(wrong<typeof Echo>({ endpoint: "http://127.0.0.1:1" }), undefined as never), {
    code: "CLEW_RPC_DESC",
    message: /^the service of a client is an object; /,
  });
  assert.throws(() => createServiceClient(wrong<typeof Echo>(undefined as never), wrong({})), {
    message: /client is undefined/,
  });
});

test("middleware, filters, codecs and routes that are none", () => {
  const cases: [object, string, RegExp][] = [
    [
      { middleware: ["recovery"] },
      "CLEW_RPC_MIDDLEWARE",
      /^middleware 0 of a chain is "recovery"; .*such as recovery\(\) returns/,
    ],
    [{ filters: [{}] }, "CLEW_TRANSPORT_OPTION", /^option filters\[0\] is an object; it must be a function/],
    [{ codecs: ["xml"] }, "CLEW_TRANSPORT_OPTION", /^option codecs\[0\] is "xml"; it must be a codec, as `import/],
    [{ codecs: "xml" }, "CLEW_TRANSPORT_OPTION", /^option codecs is "xml"; it must be a list of codecs/],
    [{ codecs: ["xml"], json: {} }, "CLEW_TRANSPORT_OPTION", /"json"/],
    [
      { json: { int64AsNumber: "yes" } },
      "CLEW_RPC_JSON_OPTION",
      /int64AsNumber is "yes"; it must be true, false or "safe"/,
    ],
    [
      { json: { emitDefaults: true } },
      "CLEW_RPC_JSON_OPTION",
      /^JSON has no option emitDefaults; its options are emitZeroValues, /,
    ],
    [
      { methods: { "/test.v1.Echo/*": { timeout: 5 } } },
      "CLEW_TRANSPORT_METHOD_OPTION",
      /^option methods\["\/test\.v1\.Echo\/\*"\] has "timeout", .*its options are: timeoutMs, bodyLimitBytes, codecs, json/,
    ],
    [{ methods: { "/test.v1.Echo/*": { timeoutMs: "5" } } }, "CLEW_TRANSPORT_OPTION", /timeoutMs is 5/],
    [
      { methods: { "/test.v1.Echo/*": { codecs: ["x"] } } },
      "CLEW_TRANSPORT_OPTION",
      /methods\["\/test\.v1\.Echo\/\*"\]\.codecs\[0\] is "x"/,
    ],
    [
      { midleware: [] },
      "CLEW_TRANSPORT_OPTION",
      /^a server has no option midleware; its options are address, .*, middleware, /,
    ],
  ];
  const values: [object, RegExp][] = [
    [{ middleware() {} }, /^option middleware is a function; it must be a list of middlewares/],
    [{ prefix: 5 }, /^option prefix is 5; it must be a string/],
    [{ defaultRoutes: "no" }, /^option defaultRoutes is "no"; it must be true or false/],
    [{ notFound: "page" }, /^option notFound is "page"; it must be a function/],
    [{ reflection: "yes" }, /^option reflection is "yes"; it must be true or false/],
    [{ logger: "stdout" }, /^option logger is "stdout"; it must be a logger/],
    [{ methods: { "/test.v1.Echo/*": 5 } }, /^option methods\["\/test\.v1\.Echo\/\*"\] is 5; it must be an object/],
    [{ routes: ["/a"] }, /^option routes\[0\] is "\/a"; it must be an object/],
    [
      { webSocket: { heartbeat: 5 } },
      /^webSocket has no option heartbeat; its options are origins, heartbeatMs, compression/,
    ],
    [{ webSocket: { origins: "*" } }, /^option webSocket\.origins is "\*"; it must be a list of origins/],
    [{ events: { retry: 5 } }, /^events has no option retry; its options are heartbeatMs, retryMs/],
    [{ multipart: { parts: 5 } }, /^multipart has no option parts; its options are partLimit, /],
    [{ health: { path: "/up" } }, /^health has no option path; its options are live, ready, checks, checkTimeoutMs/],
    [{ health: { live: 5 } }, /^option health\.live is 5; it must be a string/],
    [{ health: { checks: { db: 5 } } }, /^option health\.checks\["db"\] is 5; it must be a function/],
    [{ health: { checkTimeoutMs: -1 } }, /^option health\.checkTimeoutMs is -1; it must be a number of milliseconds/],
    [{ health: "yes" }, /^option health is "yes"; it must be true or false/],
    [{ address: 8000 }, /^option address is 8000; it must be a string such as ":8000"/],
    [{ port: 8000 }, /^a server has no option port; use the option address: ":8000" or "127\.0\.0\.1:8000"$/],
    [{ host: "::1", port: 80 }, /^a server has no option host; use the option address: ":8000" or/],
    [{ addr: ":8000" }, /^a server has no option addr; its options are address, .*; did you mean address\?$/],
    [{ listener: { fd: -1 } }, /^option listener is an object; it must be a server of node:net, or \{ fd \}/],
    [{ tls: true }, /^option tls is true; it must be an object/],
    [{ headerLimitBytes: 0 }, /^option headerLimitBytes is 0; it must be a number from 1 to 2147483647/],
    [{ timeoutMs: "5" }, /^option timeoutMs is "5"; it must be a number from 0/],
    [{ bodyLimitBytes: "4MB" }, /^option bodyLimitBytes is "4MB"; it must be a number from 0/],
    [{ maxMessageBytes: 0 }, /^option maxMessageBytes is 0; it must be a number from 1/],
    [{ compression: "lzw" }, /^option compression is "lzw"; it must be "gzip", "br" or "identity"/],
    [{ trailingSlash: "loose" }, /^option trailingSlash is "loose"; it must be "redirect" or "strict"/],
    [{ protocols: ["soap"] }, /^option protocols\[0\] is "soap"; it must be "http", "grpc", "connect" or "grpc-web"/],
    [{ events: { retryMs: 0.5 } }, /^option events\.retryMs is 0\.5; it must be a whole number from 0/],
    [
      { webSocket: { origins: ["shop.example.com"] } },
      /^option webSocket\.origins\[0\] is "shop\.example\.com"; .*"https:/,
    ],
    [{ multipart: { partLimit: -1 } }, /^option multipart\.partLimit is -1; it must be a number from 0/],
  ];
  for (const option of ["headerTimeoutMs", "requestTimeoutMs", "maxConnectionIdleMs", "streamDrainMs"]) {
    for (const given of [-1, "5", 2 ** 31]) {
      values.push([
        { [option]: given },
        RegExp(`^option ${option} is .*; it must be a number of milliseconds from 0 to `),
      ]);
    }
  }
  for (const option of ["maxConnectionAgeMs", "maxConnectionAgeGraceMs", "keepaliveTimeMs", "minPingIntervalMs"]) {
    for (const given of [-1, "5", Number.NaN]) {
      values.push([{ [option]: given }, RegExp(`^option ${option} is .*; it must be a number from 0`)]);
    }
  }
  for (const option of ["maxConcurrentCalls", "keepaliveTimeoutMs"]) {
    values.push([{ [option]: 0 }, RegExp(`^option ${option} is 0; it must be a number from 1`)]);
  }
  for (const [options, message] of values) {
    for (const Kind of [HttpServer, GrpcServer, Server]) {
      assert.throws(() => new Kind(wrong({ address, ...options })), { code: "CLEW_TRANSPORT_OPTION", message });
    }
  }
  for (const [options, code, message] of cases) {
    const given = wrong<ServerOptions>({ address, services: [echo()], ...options });
    assert.throws(() => new HttpServer(given), { code, message }, JSON.stringify(options));
    assert.throws(() => new Server(given), { code }, JSON.stringify(options));
  }
  const routes: [object, RegExp][] = [
    [{ path: "/a", handle() {} }, /^option verb of route \/a is undefined/],
    [{ verb: "GET", path: "/a", handle() {}, filters: ["x"] }, /^option filters of \/a is x/],
    [{ verb: "GET", path: "/a/:id", handle() {} }, /"\/a\/:id" has the segment ":id"; \{id\} is a variable/],
    [{ verb: "GET", path: "/a/:id/b", handle() {} }, /has the segment ":id"; \{id\} is a variable/],
    [
      { verb: "GET", path: "/a", handler() {} },
      /^route GET \/a has no option handler; its options are verb, path, handle, .*mean handle\?$/,
    ],
    [{ method: "GET", path: "/a", handle() {} }, /^route \/a has no option method; its options are verb, /],
    [{ verb: "GET", path: "/a", handle() {}, timeout: 5 }, /^route GET \/a has no option timeout; .*mean timeoutMs\?$/],
    [{ verb: "GET", handle() {} }, /^option path of a route is undefined; it must be a path like "\/a\/\{id\}"$/],
    [{ prefix: "/a", routes: [], filter: [] }, /^group \/a has no option filter; .*mean filters\?$/],
    [{ prefix: "/a", route: [] }, /^group \/a has no option route; its options are prefix, routes, .*mean routes\?$/],
    [{ prefix: "/a" }, /^option routes of group \/a is undefined; it must be a list of routes$/],
    [{ routes: [] }, /^option prefix of a group is undefined; it must be a path like "\/admin"$/],
  ];
  for (const [route, message] of routes) {
    assert.throws(() => new HttpServer({ address, routes: [wrong<Route>(route)] }), { message }, JSON.stringify(route));
  }
  const nested = { prefix: "/a", routes: [{ verb: "GET", path: "/b", handle() {}, middlewares: [] }] };
  assert.throws(() => new HttpServer(wrong({ address, routes: [nested] })), {
    code: "CLEW_TRANSPORT_OPTION",
    message: /^route GET \/b has no option middlewares; .*mean middleware\?$/,
  });
  assert.throws(() => cors(wrong({})), { message: /^option origins is undefined; it must be origins such as/ });
  assert.throws(() => staticFiles(wrong({})), { message: /^option root is undefined; it must be a folder/ });
  const filters: [() => unknown, RegExp][] = [
    [() => cors(wrong(undefined as never)), /^the options of cors are undefined; .* any of origins, methods, /],
    [() => cors(wrong({ origins: "*", credential: true })), /^cors has no option credential; .*mean credentials\?$/],
    [() => staticFiles(wrong({ root: ".", dotFile: true })), /^staticFiles has no option dotFile; .*mean dotfiles\?$/],
    [() => compression(wrong({ minByte: 5 })), /^compression has no option minByte; .*mean minBytes\?$/],
  ];
  for (const [make, message] of filters) assert.throws(make, { code: "CLEW_TRANSPORT_OPTION", message });
  assert.throws(() => new MemoryServer(wrong({ services: [], middlewares: [] })), {
    code: "CLEW_TRANSPORT_OPTION",
    message: /^a server has no option middlewares; .*mean middleware\?$/,
  });
});

test("servers may share options that not all of them have", () => {
  const options = {
    address,
    services: [echo()] as Service[],
    maxMessageBytes: 5,
    bodyLimitBytes: 5,
    prefix: "/a",
  };
  for (const Kind of [HttpServer, GrpcServer, Server]) assert.ok(new Kind(options));
});

test("a client's options are looked at when it is made", async () => {
  const cases: [object, RegExp][] = [
    [
      { endpoint: "http://127.0.0.1:1", codec: {} },
      /^option codec belongs to one protocol; write it as http: \{ codec \} or grpc: \{ codec \}/,
    ],
    [
      { endpoint: "http://127.0.0.1:1", protocol: "grpc" },
      /^option protocol is "grpc"; it must be "http", "connect" or "grpc-web"; for gRPC use an endpoint with grpc:\/\/$/,
    ],
    [{ endpoint: "https://127.0.0.1:1", tls: {} }, /^option tls belongs to one protocol; write it as http: \{ tls \}/],
    [{ endpoint: "http://127.0.0.1:1", timeout: 5 }, /^a client has no option timeout; its options are endpoint, /],
    [
      { endpoint: "http://127.0.0.1:1", http: { useragent: "x" } },
      /^option http has no option useragent; .*mean userAgent\?$/,
    ],
    [
      { endpoint: "grpc://127.0.0.1:1", grpc: { http2: true } },
      /^option grpc has no option http2; its options are codec, /,
    ],
    [{ endpoint: "http://127.0.0.1:1", connect: 5 }, /^the options of option connect are 5; /],
    [{ endpoint: "http://127.0.0.1:1", http: { codec: "xml" } }, /^option codec is "xml"; it must be a codec/],
    [{ endpoint: "grpc://127.0.0.1:1", grpc: { codec: "xml" } }, /^option codec is "xml"; it must be a codec/],
    [{ endpoint: "direct:///127.0.0.1:1", balancer: "wrr" }, /^option balancer is "wrr"; it must be a balancer/],
    [{ endpoint: "direct:///127.0.0.1:1", filters: ["v2"] }, /^option filters\[0\] is "v2"; it must be a function/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => createClient(Echo, wrong<ClientOptions>(options)), { message });
    await assert.rejects(createReadyClient(Echo, wrong<ClientOptions>(options)), { message });
  }
});

test("a chain that answers no promise fails its call, and says how that may come", async () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "error", pretty: false, destination: { write: (line) => lines.push(line) } });
  const cases: [unknown, RegExp][] = [
    [
      () => (next: unknown) => () => next,
      /returned a function .*without calling it, `recovery` instead of `recovery\(\)`\?/,
    ],
    [() => () => undefined, /returned undefined .*forget `return next\(call\)`\?/],
    [() => async () => undefined, /returned undefined .*forget `return next\(call\)`\?/],
  ];
  for (const [middleware, message] of cases) {
    lines.length = 0;
    const server = new HttpServer({ address, services: [echo()], middleware: [middleware as Middleware], logger });
    await server.start();
    const client = createClient(Echo, { endpoint: server.endpoint() });
    try {
      await assert.rejects(client.unary({}), { code: 500, reason: "UNKNOWN" });
      assert.match(lines.join(), message);
    } finally {
      await client[Symbol.asyncDispose]();
      await server.stop(AbortSignal.timeout(1000));
    }
  }
});

test("an error with the code of a success is none to its caller", async () => {
  const odd = echo(() => {
    throw new ServiceError(200, "ODD", "not at all");
  });
  for (const Kind of [HttpServer, GrpcServer]) {
    const server = new Kind({ address, services: [odd] });
    await server.start();
    const client = createClient(Echo, { endpoint: server.endpoint() });
    try {
      await assert.rejects(client.unary({}), { code: 500, reason: "ODD" });
    } finally {
      await client[Symbol.asyncDispose]();
      await server.stop(AbortSignal.timeout(1000));
    }
  }
});

test("what is no signal to stop by", async () => {
  for (const Kind of [HttpServer, GrpcServer, Server, MemoryServer]) {
    const server = new Kind({ address });
    await server.start();
    for (const given of [5000, "now", { timeoutMs: 5 }]) {
      await assert.rejects(server.stop(given as unknown as AbortSignal), {
        code: "CLEW_TRANSPORT_STOP_SIGNAL",
        message:
          /^stop\(\) was called with .*; it needs a signal such as AbortSignal\.timeout\(10_000\), or no argument to wait without a limit$/,
      });
    }
    await server.stop();
  }
});

test("a client says why it cannot connect, and for which call", async () => {
  // It speaks no TLS.
  const server = new HttpServer({ address, services: [echo()] });
  await server.start();
  const client = createClient(Echo, { endpoint: server.endpoint().href.replace("http:", "grpcs:") });
  try {
    await assert.rejects(client.unary({}), {
      code: 503,
      message: /^\/test\.v1\.Echo\/Unary: cannot connect to 127\.0\.0\.1:\d+: ./,
    });
  } finally {
    await client[Symbol.asyncDispose]();
    await server.stop(AbortSignal.timeout(1000));
  }
});
