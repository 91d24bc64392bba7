import assert from "node:assert/strict";
import { test } from "node:test";
import { Router } from "./router.ts";
import { decodeVariables, parseTemplate } from "./template.ts";

function routerOf(...routes: string[]): Router<string> {
  const router = new Router<string>();
  for (const route of routes) {
    const [verb = "", path = ""] = route.split(" ");
    router.add(verb, parseTemplate(path, route), route, route);
  }
  return router;
}

function find(
  router: Router<string>,
  verb: string,
  path: string,
): [string, Record<string, string> | undefined] | undefined {
  const match = router.find(verb, path);
  return match && [match.target, decodeVariables(match.template, match.captures)];
}

test("finds literal paths, also when they are written percent-encoded", () => {
  const router = routerOf("GET /", "GET /v1/books", "GET /v1/books:search", "GET /v1/books/");
  assert.deepEqual(find(router, "GET", "/"), ["GET /", {}]);
  assert.deepEqual(find(router, "GET", "/v1/books"), ["GET /v1/books", {}]);
  assert.deepEqual(find(router, "GET", "/v1/b%6Foks"), ["GET /v1/books", {}]);
  assert.deepEqual(find(router, "GET", "/v1/books:search"), ["GET /v1/books:search", {}]);
  assert.deepEqual(find(router, "GET", "/v1/books/"), ["GET /v1/books/", {}]);
  assert.equal(find(router, "GET", "/v1"), undefined);
  for (const path of ["", "*", "v1/books", "xv1/books"]) assert.equal(find(router, "GET", path), undefined);
  assert.equal(find(router, "GET", "/v1/books//"), undefined);
});

test("captures one segment, percent-decoded, never an empty one", () => {
  const router = routerOf("GET /v1/{name}", "GET /v1/shelves/{shelf}/books/{book.id}");
  assert.deepEqual(find(router, "GET", "/v1/a%2Fb%20c"), ["GET /v1/{name}", { name: "a/b c" }]);
  assert.deepEqual(find(router, "GET", "/v1/shelves/s1/books/b1"), [
    "GET /v1/shelves/{shelf}/books/{book.id}",
    { shelf: "s1", "book.id": "b1" },
  ]);
  assert.equal(find(router, "GET", "/v1/"), undefined);
  assert.equal(find(router, "GET", "/v1/a/b"), undefined);
  assert.deepEqual(find(router, "GET", "/v1/%zz"), ["GET /v1/{name}", undefined]);
});

test("the most specific route wins, whatever the order they were added in", () => {
  const routes = ["GET /{rest=**}", "GET /v1/{a}", "GET /v1/{a}:go", "GET /v1/me", "GET /v1/{a}/x", "GET /{b}/me"];
  for (const order of [routes, [...routes].reverse()]) {
    const router = routerOf(...order);
    assert.equal(find(router, "GET", "/v1/me")?.[0], "GET /v1/me");
    assert.equal(find(router, "GET", "/v1/you")?.[0], "GET /v1/{a}");
    assert.deepEqual(find(router, "GET", "/v1/you:go"), ["GET /v1/{a}:go", { a: "you" }]);
    assert.deepEqual(find(router, "GET", "/v1/you:stay"), ["GET /v1/{a}", { a: "you:stay" }]);
    assert.equal(find(router, "GET", "/v2/me")?.[0], "GET /{b}/me");
    assert.deepEqual(find(router, "GET", "/v1/you/y"), ["GET /{rest=**}", { rest: "v1/you/y" }]);
    assert.deepEqual(find(router, "GET", "/"), ["GET /{rest=**}", { rest: "" }]);
  }
});

test("goes back to a less specific route when the verb is not that of the first", () => {
  const router = routerOf("GET /v1/me", "POST /v1/{name}", "* /v1/me/any", "GET /{rest=**}");
  assert.deepEqual(find(router, "POST", "/v1/me"), ["POST /v1/{name}", { name: "me" }]);
  assert.equal(find(router, "GET", "/v1/me/any")?.[0], "* /v1/me/any");
  assert.equal(find(router, "HEAD", "/v1/me")?.[0], "GET /v1/me");
  assert.equal(find(router, "DELETE", "/v1/me"), undefined);
  assert.deepEqual(router.allowed("/v1/me"), ["GET", "HEAD", "POST"]);
});

test("a variable with a pattern holds literals and the segments, slashes inside one stay escaped", () => {
  const router = routerOf("GET /v1/{name=shelves/*}", "GET /v1/{path=files/**}", "GET /v1/{path=files/**}:copy");
  assert.deepEqual(find(router, "GET", "/v1/shelves/s%201")?.[1], { name: "shelves/s 1" });
  assert.deepEqual(find(router, "GET", "/v1/files/a/b%2Fc%20d/e")?.[1], { path: "files/a/b%2Fc d/e" });
  assert.deepEqual(find(router, "GET", "/v1/files")?.[1], { path: "files" });
  assert.deepEqual(find(router, "GET", "/v1/files/a:b/c:copy"), [
    "GET /v1/{path=files/**}:copy",
    { path: "files/a:b/c" },
  ]);
});

test("a captured path never steps up", () => {
  const router = routerOf("GET /{path=**}");
  for (const path of ["/a/../b", "/..", "/a/%2e%2e/b", "/a/./b", "/a/.%2E"]) {
    assert.deepEqual(find(router, "GET", path), ["GET /{path=**}", undefined], path);
  }
  assert.deepEqual(find(router, "GET", "/a/..b/c..")?.[1], { path: "a/..b/c.." });
});

test("two routes for the same verb and paths are an error that names both", () => {
  assert.throws(() => routerOf("GET /v1/{a}", "GET /v1/{b}"), {
    code: "CLEW_TRANSPORT_ROUTE_CONFLICT",
    message: /GET \/v1\/\{b\} is used by both GET \/v1\/\{b\} and GET \/v1\/\{a\}/,
  });
  assert.throws(() => routerOf("GET /a", "GET /a"), { code: "CLEW_TRANSPORT_ROUTE_CONFLICT" });
  assert.throws(() => routerOf("GET /a/{x=**}", "GET /a/**"), { code: "CLEW_TRANSPORT_ROUTE_CONFLICT" });
  routerOf("GET /v1/{a}", "GET /v1/{b}:x", "POST /v1/{c}", "* /v1/{d}");
});

test("refuses what is no template, and says why", () => {
  const cases: [string, RegExp][] = [
    ["v1", /does not begin with a slash/],
    ["", /does not begin with a slash/],
    ["/a//b", /empty segment/],
    ["/{a", /\{ without \}/],
    ["/a}", /neither a literal/],
    ["/{a}b", /goes on after \}/],
    ["/{a-b}", /variable named "a-b"/],
    ["/{}", /variable named ""/],
    ["/{a}/{a}", /twice/],
    ["/{a=**}/b", /goes on after \*\*/],
    ["/{a=x//y}", /empty segment in the variable/],
    ["/{a=[0-9]+*}", /neither a literal/],
    ["/a:", /colon/],
    ["/:a", /colon/],
  ];
  for (const [template, message] of cases) {
    assert.throws(() => parseTemplate(template, "test"), { code: "CLEW_TRANSPORT_TEMPLATE", message }, template);
  }
});
