// The CORS protocol (Fetch, section 3.3), asked as browsers ask.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceError } from "@clew/rpc";
import { Server } from "@clew/transport";
import { type CorsOptions, compression, cors, type Route } from "@clew/transport/http";
import { echo, withServer } from "./http-shelves.ts";
import { eachVersion, type WholeReply } from "./http-versions.ts";

const page = "https://app.example";
const routes: Route[] = [
  { verb: "GET", path: "/plain", handle: (_request, response) => void response.end("plain") },
  { verb: "OPTIONS", path: "/options", handle: (_request, response) => void response.end("own options") },
  {
    verb: "GET",
    path: "/varying",
    handle: (_request, response) =>
      void response.writeHead(200, ["Vary", "Accept", "vary", "origin", "content-type", "text/plain"]).end("varying"),
  },
  {
    verb: "GET",
    path: "/failing",
    handle: () => {
      throw new ServiceError(403, "FORBIDDEN", "not you");
    },
  },
];

function options(
  given: CorsOptions,
): () => { routes: Route[]; services: ReturnType<typeof echo>[]; filters: [ReturnType<typeof cors>] } {
  return () => ({ routes, services: [echo()], filters: [cors(given)] });
}

function preflight(
  origin: string,
  rest: Record<string, string> = {},
): { verb: string; headers: Record<string, string> } {
  return { verb: "OPTIONS", headers: { origin, "access-control-request-method": "POST", ...rest } };
}

/** The headers of CORS and Vary, short. */
function corsOf({ headers }: Pick<WholeReply, "headers">): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith("access-control-") || name === "vary")
      .map(([name, value]) => [name.replace("access-control-", ""), value]),
  );
}

const exposed = "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Connect-Accept-Encoding, Connect-Content-Encoding";

test("a preflight is answered before any route, with 204 and no body", async () => {
  await eachVersion(options({ origins: [page] }), async ({ ask }) => {
    for (const path of ["/plain", "/test.v1.Echo/Unary", "/nowhere", "/options"]) {
      const asked = preflight(page, {
        "access-control-request-headers": "content-type, x-grpc-web,connect-protocol-version",
      });
      const reply = await ask(path, asked);
      assert.deepEqual([reply.status, reply.text, reply.headers["content-length"]], [204, "", undefined], path);
      assert.deepEqual(corsOf(reply), {
        "allow-origin": page,
        vary: "Origin, Access-Control-Request-Headers",
        "allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "allow-headers": "content-type, x-grpc-web, connect-protocol-version",
        "max-age": "7200",
      });
    }
  });
});

test("an OPTIONS that is no preflight is for the routes", async () => {
  await eachVersion(options({ origins: [page] }), async ({ ask }) => {
    const own = await ask("/options", { verb: "OPTIONS", headers: { origin: page } });
    assert.deepEqual([own.status, own.text, own.headers["access-control-allow-origin"]], [200, "own options", page]);
    const noOrigin = await ask("/options", { verb: "OPTIONS", headers: { "access-control-request-method": "POST" } });
    assert.equal(noOrigin.text, "own options");
    const route = await ask("/plain", { verb: "OPTIONS" });
    assert.deepEqual([route.status, route.headers.allow], [204, "GET, HEAD, OPTIONS"]);
  });
});

test("every reply to a page that may ask says so: calls, raw routes, errors, 404", async () => {
  await eachVersion(options({ origins: [page], credentials: true, exposedHeaders: ["X-Total"] }), async ({ ask }) => {
    const want = {
      "allow-origin": page,
      "allow-credentials": "true",
      vary: "Origin",
      "expose-headers": `${exposed}, X-Total`,
    };
    const headers = { origin: page, "content-type": "application/json" };
    const call = await ask("/test.v1.Echo/Unary", { verb: "POST", headers, body: '{"text":"a"}' });
    assert.deepEqual([call.status, corsOf(call)], [200, want]);
    for (const [path, status] of [
      ["/plain", 200],
      ["/failing", 403],
      ["/nowhere", 404],
    ] as const) {
      const reply = await ask(path, { headers });
      assert.deepEqual([reply.status, corsOf(reply)], [status, want], path);
    }
  });
});

test("an origin that is not allowed is told nothing, nor who has none; Vary is there for caches", async () => {
  await eachVersion(options({ origins: [page] }), async ({ ask }) => {
    for (const origin of ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"]) {
      const reply = await ask("/plain", { headers: { origin } });
      assert.deepEqual([reply.text, corsOf(reply)], ["plain", { vary: "Origin" }], origin);
      const asked = await ask("/plain", preflight(origin));
      assert.deepEqual([asked.status, corsOf(asked)], [204, { vary: "Origin, Access-Control-Request-Headers" }]);
    }
    assert.deepEqual(corsOf(await ask("/plain")), { vary: "Origin" });
  });
});

test("Vary keeps what the handler said, each name once", async () => {
  await eachVersion(options({ origins: [page] }), async ({ ask }) => {
    assert.equal((await ask("/varying", { headers: { origin: page } })).headers.vary, "Accept, origin");
  });
});

test("all origins: a star for everybody, and no Vary", async () => {
  await eachVersion(options({ origins: "*", exposedHeaders: ["*"] }), async ({ ask }) => {
    for (const headers of [{ origin: page }, {}] as Record<string, string>[]) {
      assert.deepEqual(corsOf(await ask("/plain", { headers })), {
        "allow-origin": "*",
        "expose-headers": `${exposed}, *`,
      });
    }
    assert.equal((await ask("/plain", preflight(page))).headers["access-control-allow-origin"], "*");
  });
});

test("origins are exact texts, patterns that match as a whole, or functions", async () => {
  const cases: [CorsOptions["origins"], allowed: string[], refused: string[]][] = [
    ["http://localhost:5173", ["http://localhost:5173"], ["http://localhost:5174", "http://localhost"]],
    [
      /https:\/\/[a-z]+\.app\.example/g,
      ["https://a.app.example", "https://b.app.example"],
      ["https://a.app.example.evil.example", "xhttps://a.app.example", "https://app.example"],
    ],
    [
      [/https:\/\/a|https:\/\/b/, page, "null"],
      ["https://a", "https://b", page, "null"],
      ["https://ab", "https://b.evil"],
    ],
    [(origin) => origin.endsWith(".example"), [page], ["https://app.test"]],
    [async (origin, request) => origin === page && request.url === "/plain", [page], ["https://other.example"]],
  ];
  for (const [origins, allowed, refused] of cases) {
    await withServer({ routes, filters: [cors({ origins })] }, async (url) => {
      const allowOrigin = async (origin: string): Promise<string | null> => {
        // Twice: a pattern with the flag g remembers where it was.
        await fetch(`${url}/plain`, { headers: { origin } });
        return (await fetch(`${url}/plain`, { headers: { origin } })).headers.get("access-control-allow-origin");
      };
      for (const origin of allowed) assert.equal(await allowOrigin(origin), origin);
      for (const origin of refused) assert.equal(await allowOrigin(origin), null, `${origins} and ${origin}`);
    });
  }
});

test("headers named by option come beside those of gRPC-Web and Connect; a private network is open when asked for", async () => {
  const given: CorsOptions = {
    origins: [page],
    headers: ["X-Tenant"],
    methods: ["POST"],
    maxAgeSeconds: 0,
    privateNetwork: true,
  };
  await eachVersion(options(given), async ({ ask }) => {
    const asked = preflight(page, {
      "access-control-request-headers": "x-other",
      "access-control-request-private-network": "true",
    });
    assert.deepEqual(corsOf(await ask("/plain", asked)), {
      "allow-origin": page,
      "allow-methods": "POST",
      "allow-headers":
        "Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, Connect-Accept-Encoding, Connect-Content-Encoding, Grpc-Timeout, X-Grpc-Web, X-User-Agent, X-Tenant",
      "allow-private-network": "true",
      "max-age": "0",
      vary: "Origin, Access-Control-Request-Private-Network",
    });
    const publicly = await ask("/plain", preflight(page));
    assert.equal(publicly.headers["access-control-allow-private-network"], undefined);
  });
});

test("options that cannot work are errors at once", () => {
  const wrong: [CorsOptions, RegExp][] = [
    [{ origins: "*", credentials: true }, /origins is "\*" with credentials/],
    [{ origins: [page, "*"], credentials: true }, /with credentials/],
    [{ origins: [page], credentials: true, exposedHeaders: ["*"] }, /exposedHeaders is "\*" with credentials/],
    [{ origins: "https://app.example/" }, /"https:\/\/app.example\/"/],
    [{ origins: "app.example" }, /origins/],
    [{ origins: "https://App.example" }, /origins/],
    [{ origins: "https://app.example:443" }, /origins/],
    [{ origins: [page], headers: ["a b"] }, /headers is "a b"/],
    [{ origins: [page], maxAgeSeconds: -1 }, /maxAgeSeconds/],
  ];
  for (const [given, message] of wrong) assert.throws(() => cors(given), { code: "CLEW_TRANSPORT_OPTION", message });
});

test("a function that fails is an error of the server's, not a yes", async () => {
  const origins = (): boolean => {
    throw new Error("the list is not there");
  };
  await eachVersion(options({ origins }), async ({ ask }) => {
    const reply = await ask("/plain", { headers: { origin: page } });
    assert.deepEqual([reply.status, reply.headers["access-control-allow-origin"]], [500, undefined]);
  });
});

test("gRPC-Web and Connect pass it like any other request, and a page may read what they answer", async () => {
  const server = new Server({
    timeoutMs: 60_000,
    address: "127.0.0.1:0",
    services: [echo()],
    filters: [cors({ origins: [page] }), compression({ minBytes: 0 })],
  });
  await server.start();
  try {
    const url = new URL("/test.v1.Echo/Unary", server.endpoint());
    const cases: [contentType: string, body: string, more?: Record<string, string>][] = [
      ["application/grpc-web+proto", "\0\0\0\0\0", { "x-grpc-web": "1" }],
      ["application/json", "{}", { "connect-protocol-version": "1" }],
    ];
    for (const [contentType, body, more = {}] of cases) {
      const asked = { ...preflight(page, { "access-control-request-headers": Object.keys(more).join() }).headers };
      const allowed = await fetch(url, { method: "OPTIONS", headers: asked });
      assert.equal(allowed.headers.get("access-control-allow-headers"), Object.keys(more).join());
      const headers = { origin: page, "content-type": contentType, ...more };
      const reply = await fetch(url, { method: "POST", headers, body });
      assert.deepEqual([reply.status, reply.headers.get("content-type")], [200, contentType]);
      assert.equal(reply.headers.get("access-control-allow-origin"), page);
      assert.equal(reply.headers.get("access-control-expose-headers"), exposed);
      assert.match(reply.headers.get("vary") ?? "", /Origin/);
      // A frame of gRPC-Web goes as it is; a message of Connect is a body like any other.
      assert.equal(reply.headers.has("content-encoding"), contentType === "application/json");
      assert.ok((await reply.arrayBuffer()).byteLength > 0);
    }
  } finally {
    await server.stop(AbortSignal.abort());
  }
});
