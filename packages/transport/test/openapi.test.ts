// OpenAPI documents: judged by a validator of others, by a golden document, and by what a real server answers.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { JsonCodecOptions } from "@clew/rpc";
import { HttpServer } from "@clew/transport/http";
import {
  createOpenApi,
  type OpenApiDocument,
  type OpenApiOptions,
  type OpenApiResponse,
  type Operation,
  openApiRoutes,
  type Schema,
} from "@clew/transport/openapi";
import { Validator } from "@seriousme/openapi-schema-validator";
import { parse } from "yaml";
import { Catalog } from "./gen/test/v1/catalog_pb.ts";
import { ConstraintsTaker } from "./gen/test/v1/constraints_pb.ts";
import { Files } from "./gen/test/v1/files_pb.ts";
import { Rules } from "./gen/test/v1/kinds_pb.ts";
import { Shop, ShopErrorSchema } from "./gen/test/v1/shop_pb.ts";
import { Echo, Shelves } from "./gen/test/v1/test_pb.ts";
import { Topics } from "./gen/test/v1/topics_pb.ts";
import { echo, shelves } from "./http-shelves.ts";
import { schemaChecker } from "./openapi-checker.ts";
import { shop } from "./shop.ts";

const golden = join(import.meta.dirname, "golden/shop.openapi.json");
const proto = join(import.meta.dirname, "proto");
const folder = mkdtempSync(join(tmpdir(), "openapi-"));
let source: Uint8Array;

before(() => {
  const out = join(folder, "api.binpb");
  const shopProto = join(proto, "test/v1/shop.proto");
  execFileSync("buf", ["build", proto, "--path", shopProto, "-o", out], { cwd: join(import.meta.dirname, "../../..") });
  source = readFileSync(out);
});

after(() => rmSync(folder, { recursive: true }));

function describeShop(options: Partial<OpenApiOptions> = {}): OpenApiDocument {
  return createOpenApi({ services: [Shop], errors: [ShopErrorSchema], ...options });
}

function operationOf(document: OpenApiDocument, path: string, verb: string): Operation {
  const item = document.paths[path];
  assert.ok(item !== undefined, `${path} is one of ${Object.keys(document.paths).join(" ")}`);
  return (item[verb] ?? (item["x-oai-additionalOperations"] as Record<string, unknown>)[verb]) as Operation;
}

test("documents are OpenAPI 3.1 to a validator of others", async () => {
  const documents = [
    describeShop({ source, servers: [{ url: "https://api.example.com" }] }),
    createOpenApi({ services: [Rules, Shelves, Echo, Files, Topics, Catalog], prefix: "/all" }),
    describeShop({ securitySchemes: { token: { type: "http", scheme: "bearer" } } }),
  ];
  for (const document of documents) {
    const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)));
    assert.ok(valid, JSON.stringify(errors));
  }
  const { valid } = await new Validator().validate({ ...documents[0], paths: 7 });
  assert.equal(valid, false, "the validator can fail");
});

test("the document of the shop", () => {
  const text = JSON.stringify(describeShop({ source }), undefined, 2);
  // GOLDEN=1 writes it anew, for Biome to format.
  if (process.env.GOLDEN !== undefined) writeFileSync(golden, `${text}\n`);
  assert.equal(text, JSON.stringify(JSON.parse(readFileSync(golden, "utf8")), undefined, 2));
  assert.deepEqual(describeShop({ source }), describeShop({ source }));
});

test("every schema of a document compiles, and takes and refuses what the rules do", () => {
  const document = describeShop();
  const check = schemaChecker(document);
  const order = { $ref: "#/components/schemas/test.v1.Order" };
  const good = { email: "ann@example.com", lines: [{ product: "tea", count: 1 }] };
  check(order, good);
  check(order, { ...good, card: "1234", total: "99", labels: { size: "big" }, coupon: "", tracking: "" });
  check(order, { ...good, weight: "Infinity", exchange: good, hold: "1.5s", coupon: "C-7" });
  const bad: Record<string, unknown>[] = [
    { ...good, email: "ann" },
    { lines: good.lines },
    { email: good.email },
    { ...good, lines: [] },
    { ...good, lines: [{ count: 1 }] },
    { ...good, lines: [{ product: "none", count: 1 }] },
    { ...good, lines: [{ product: "tea", count: 100 }] },
    { ...good, lines: [{ product: "tea", count: 0 }] },
    { ...good, card: "123" },
    { ...good, card: "1234", exchange: good },
    { ...good, labels: { Size: "big" } },
    { ...good, coupon: "D" },
    { ...good, tracking: "7" },
    { ...good, rating: 6 },
    { ...good, rating: "NaN" },
    { ...good, seal: "AAAAAAAAAAAA" },
    { ...good, total: 7 },
    { ...good, state: "LOST" },
    { ...good, hold: "PT1S" },
    { ...good, placed: "yesterday" },
  ];
  for (const value of bad) assert.throws(() => check(order, value), /against/, JSON.stringify(value));
});

test("int64, enums and names are as the server's JSON has them", () => {
  const properties = (json: JsonCodecOptions): Record<string, Schema> =>
    describeShop({ json }).components.schemas["test.v1.Order"]!.properties as Record<string, Schema>;
  assert.equal(properties({}).total!.type, "string");
  assert.deepEqual(properties({ int64AsNumber: true }).total, {
    type: "integer",
    format: "int64",
    minimum: 0,
    exclusiveMaximum: 1_000_000,
  });
  assert.deepEqual(properties({ int64AsNumber: "safe" }).total!.type, ["integer", "string"]);
  const state = describeShop({ json: { enumAsNumber: true } }).components.schemas["test.v1.State"]!;
  assert.deepEqual([state.type, state.enum], ["integer", [0, 1, 2]]);
  const list = operationOf(describeShop({ json: { useProtoFieldNames: true } }), "/v1/orders", "get");
  assert.equal(list.parameters![0]!.name, "page_size");
});

test("a method that writes its JSON in another way has schemas of its own, where these differ", async () => {
  const methods = {
    "/test.v1.Shop/*": { json: { enumAsNumber: true } },
    "/test.v1.Shop/Get": { json: { int64AsNumber: true, useProtoFieldNames: true } },
    "/test.v1.Shop/Ping": { json: { int64AsNumber: true } },
  } as const;
  // A server may have services that are not described.
  const document = describeShop({ methods: { ...methods, "/test.v1.Other/*": { json: { int64AsNumber: true } } } });
  const { schemas } = document.components;
  assert.deepEqual(
    Object.keys(schemas).filter((name) => /Order|State|Ping/.test(name)),
    [
      "test.v1.ListOrdersReply-enumAsNumber",
      "test.v1.Order-enumAsNumber",
      "test.v1.Order-int64AsNumber-protoNames",
      "test.v1.PingRequest",
      "test.v1.State",
      "test.v1.State-enumAsNumber",
    ],
  );
  const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)));
  assert.ok(valid, JSON.stringify(errors));

  // What the server answers is what the document says.
  const server = new HttpServer({ address: "127.0.0.1:0", services: [shop()], methods, timeoutMs: 60_000 });
  await server.start();
  try {
    const check = schemaChecker(document);
    const replies: [string, string, unknown][] = [
      ["/v1/shops/a/orders/1", "/v1/shops/{shopsId}/orders/{ordersId}", 7],
      ["/v1/orders", "/v1/orders", undefined],
    ];
    for (const [path, template, total] of replies) {
      const reply = (await (await fetch(new URL(path, server.endpoint()))).json()) as { total?: unknown };
      const { content } = operationOf(document, template, "get").responses["200"] as OpenApiResponse;
      check(content!["application/json"]!.schema!, reply);
      assert.equal(reply.total, total);
      assert.throws(() => check({ $ref: "#/components/schemas/test.v1.State" }, reply), /against/);
    }
  } finally {
    await server.stop(AbortSignal.timeout(1000));
  }
});

test("every rule is an operation", () => {
  const document = createOpenApi({ services: [Rules, Shelves, Topics], prefix: "/api" });
  const told = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries({ ...item, ...item["x-oai-additionalOperations"] })
      .filter(([verb]) => !verb.startsWith("x-"))
      .map(([verb, operation]) => `${verb} ${path} ${(operation as Operation).operationId}`),
  );
  assert.deepEqual(told.sort(), [
    "PURGE /api/v1/kinds/{int32_value} Rules_Purge",
    "delete /api/v1/shelves/{shelf}/books/{book.id} Shelves_DeleteBook",
    "get /api/v1/any/{enum_value} Rules_Purge_3",
    "get /api/v1/books/{book.id} Shelves_GetBook_2",
    "get /api/v1/books:search Shelves_SearchBooks",
    "get /api/v1/files/{path} Shelves_GetFile",
    "get /api/v1/kinds Rules_Query",
    "get /api/v1/shelves/{shelf}/books/{book.id} Shelves_GetBook",
    "get /api/v1/topics/{topic}/chat Topics_Chat",
    "get /api/v1/topics/{topic}/notes Topics_Watch",
    "get /api/v1/topics/{topic}/upload Topics_Upload",
    "patch /api/v1/kinds/{int32_value} Rules_Patch",
    "post /api/v1/kinds/{string_value}:purge Rules_Purge_2",
    "post /api/v1/kinds:bare Rules_Bare",
    "post /api/v1/shelves/{shelf}/books Shelves_CreateBook",
    "post /api/v1/shelves/{shelvesId}/books/{booksId}/{timestamp_value}:move Rules_Move",
    "post /api/v1/topics/{topic}:find Topics_Find",
    "put /api/v1/books/{book.id} Shelves_UpdateBook",
    "put /api/v1/kinds/{string_value}/tags Rules_Tags",
  ]);
  assert.equal(operationOf(document, "/api/v1/any/{enum_value}", "get")["x-any-verb"], true);
  const file = operationOf(document, "/api/v1/files/{path}", "get").parameters![0]!;
  assert.deepEqual([file["x-spans"], file.description], [true, "`path` is `files/{path}`."]);
  // OpenAPI knows one path where two rules have other names: the first one's.
  const update = operationOf(document, "/api/v1/books/{book.id}", "put");
  assert.deepEqual(
    update.parameters!.map(({ name }) => name),
    ["book.id"],
  );
  const body = update.requestBody!.content["application/json"]!.schema!;
  assert.ok(!("id" in (body.properties as object)), "what the path holds is not in the body as well");
});

test("rules of one place have an operation each, whatever they are called", () => {
  const { paths } = createOpenApi({ services: [ConstraintsTaker], defaultRoutes: false });
  const verbs = Object.entries(paths).map(([path, item]) => [path, Object.keys(item)]);
  assert.deepEqual(verbs, [
    ["/v1/things/{needed}", ["get", "delete"]],
    ["/v1/things/{needed_}", ["get"]],
    ["/v1/things", ["post", "put"]],
  ]);
});

test("a query has every field that a text can tell", () => {
  const { parameters = [] } = operationOf(createOpenApi({ services: [Rules] }), "/v1/kinds", "get");
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  assert.ok(byName.has("nested.name") && byName.has("nested.count"));
  assert.ok(!byName.has("nested.child.name"), "a message within itself is told once");
  assert.ok(!byName.has("nesteds") && !byName.has("nestedByName"), "no query can tell these");
  assert.deepEqual(byName.get("strings"), {
    name: "strings",
    in: "query",
    style: "form",
    explode: true,
    schema: { type: "array", items: { type: "string" } },
  });
  assert.equal(byName.get("labels")!.style, "deepObject");
  assert.equal(byName.get("nullValue")!.schema.const, "null");
  assert.equal(byName.get("structValue")!.schema.contentMediaType, "application/json");
  assert.equal(byName.get("value")!.schema.type, "string");
  assert.equal(byName.get("stringWrapper")!.schema.type, "string");
  assert.match(byName.get("choiceText")!.description!, /Not together with `choiceNested`, `choiceWrapper`/);
});

test("methods without a rule are told as the server serves them", () => {
  assert.ok(Object.hasOwn(createOpenApi({ services: [Echo] }).paths, "/test.v1.Echo/Unary"));
  assert.deepEqual(createOpenApi({ services: [Echo], defaultRoutes: false }).paths, {});
});

test("errors belong to all services, or to those that are named", () => {
  const all = operationOf(describeShop(), "/v1/orders", "get").responses;
  assert.deepEqual(Object.keys(all), ["200", "404", "409", "500", "default"]);
  const options = { services: [Shop, Echo], errors: { "test.v1.Shop": [ShopErrorSchema] } };
  const document = createOpenApi(options);
  assert.deepEqual(operationOf(document, "/v1/orders", "get").responses["404"], {
    $ref: "#/components/responses/test.v1.Shop.404",
  });
  assert.deepEqual(Object.keys(operationOf(document, "/test.v1.Echo/Unary", "post").responses), ["200", "default"]);
  assert.throws(() => createOpenApi({ services: [Echo], errors: { "test.v1.Shop": [] } }), {
    code: "CLEW_TRANSPORT_OPTION",
    message: /test\.v1\.Shop/,
  });
});

test("what cannot work is an error at once", () => {
  assert.throws(() => createOpenApi({ services: [] }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => openApiRoutes({ services: [Shop], path: "/docs/" }), { code: "CLEW_TRANSPORT_OPTION" });
  const wrong: [object, RegExp][] = [
    [{ service: [Shop] }, /has no option service; its options are services, .*mean services\?$/],
    [{}, /^option services is empty; it must be at least one service$/],
    [{ services: Shop }, /^option services is an object; it must be a list of services$/],
    [{ services: [undefined] }, /^option services\[0\] is undefined; it must be an object$/],
    [{ services: [Shop], defaultRoutes: "no" }, /^option defaultRoutes is "no"; it must be true or false$/],
    [{ services: [Shop], prefix: 5 }, /^option prefix is 5; it must be a string$/],
    [{ services: [Shop], servers: ["https://a"] }, /^option servers\[0\] is "https:\/\/a"; it must be an object$/],
    [{ services: [Shop], source: "api.binpb" }, /^option source is "api\.binpb"; it must be bytes, /],
  ];
  for (const [options, message] of wrong) {
    for (const describe of [createOpenApi, openApiRoutes]) {
      assert.throws(() => describe(options as OpenApiOptions), { code: "CLEW_TRANSPORT_OPTION", message });
    }
  }
  for (const place of [{ json: { int64: true } }, { methods: { "/test.v1.Shop/*": { json: { int64: true } } } }]) {
    assert.throws(() => createOpenApi({ services: [Shop], ...place } as OpenApiOptions), {
      code: "CLEW_RPC_JSON_OPTION",
      message: /^JSON has no option int64; /,
    });
  }
  assert.throws(() => openApiRoutes({ services: [Shop], pages: true } as OpenApiOptions), {
    message: /^openApiRoutes has no option pages; its options are services, .*mean page\?$/,
  });
  assert.throws(() => createOpenApi({ services: [Shop], page: true } as OpenApiOptions), {
    message: /^createOpenApi has no option page; /,
  });
  assert.throws(() => describeShop({ source: Buffer.from("no descriptors") }), { code: "CLEW_TRANSPORT_OPTION" });
});

test("a server answers as its document says", async () => {
  const services = [shop(), shelves(), echo()];
  const options = { services, errors: [ShopErrorSchema] };
  const server = new HttpServer({
    address: "127.0.0.1:0",
    services,
    routes: openApiRoutes(options),
    timeoutMs: 60_000,
  });
  await server.start();
  try {
    const origin = server.endpoint().origin;
    const document = (await (await fetch(`${origin}/openapi.json`)).json()) as OpenApiDocument;
    assert.deepEqual(document, JSON.parse(JSON.stringify(createOpenApi(options))));
    assert.deepEqual(parse(await (await fetch(`${origin}/openapi.yaml`)).text()), document);
    const check = schemaChecker(document);
    let count = 0;
    for (const [path, item] of Object.entries(document.paths)) {
      const { "x-oai-additionalOperations": others, ...known } = item;
      for (const [verb, operation] of Object.entries({ ...known, ...others }) as [string, Operation][]) {
        if (operation["x-websocket"] !== undefined) continue;
        const request = createRequest(document, path, operation, check);
        const reply = await fetch(`${origin}${request.target}`, { method: verb.toUpperCase(), ...request.init });
        checkReply(document, operation, check, reply.status, reply.headers.get("content-type"), await reply.text());
        assert.equal(reply.status, 200, `${verb} ${path}`);
        count++;
      }
    }
    assert.equal(count, 18);
    // What fails is what the document says of failures.
    const operation = operationOf(document, "/v1/orders/{name}", "SEARCH");
    const gone = await fetch(`${origin}/v1/orders/nothing`, { method: "SEARCH" });
    assert.equal(gone.status, 404);
    checkReply(document, operation, check, 404, gone.headers.get("content-type"), await gone.text());
  } finally {
    await server.stop(AbortSignal.abort());
  }
});

test("the document's routes know caches and a page can be left out", async () => {
  const server = new HttpServer({
    address: "127.0.0.1:0",
    services: [shop()],
    timeoutMs: 60_000,
    routes: openApiRoutes({ services: [Shop], path: "/docs", page: false }),
  });
  await server.start();
  try {
    const url = `${server.endpoint().origin}/docs`;
    const reply = await fetch(`${url}.json`);
    await reply.text();
    const etag = reply.headers.get("etag")!;
    assert.equal((await fetch(`${url}.json`, { headers: { "if-none-match": etag } })).status, 304);
    assert.equal((await fetch(`${url}/`)).status, 404);
  } finally {
    await server.stop(AbortSignal.abort());
  }
});

test("the page may do what its policy allows, and no more", async () => {
  const servers = [{ url: "https://api.example.com/v1" }, { url: "/other" }];
  const server = new HttpServer({ address: "127.0.0.1:0", routes: openApiRoutes({ services: [Shop], servers }) });
  await server.start();
  try {
    const reply = await fetch(`${server.endpoint().origin}/openapi`);
    assert.match(reply.url, /\/openapi\/$/);
    const policy = reply.headers.get("content-security-policy")!;
    assert.match(policy, /default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'/);
    assert.match(policy, /connect-src 'self' https:\/\/api\.example\.com wss:\/\/api\.example\.com;/);
    const html = await reply.text();
    assert.doesNotMatch(html, /<(script|link|img)[^>]+(src|href)="http/);
    assert.doesNotMatch(html, /\beval\(|innerHTML|new Function| style="/);
  } finally {
    await server.stop(AbortSignal.abort());
  }
});

function resolve(document: OpenApiDocument, schema: Schema): Schema {
  const name = /^#\/components\/schemas\/(.+)$/.exec(String(schema.$ref))?.[1];
  return name === undefined ? schema : document.components.schemas[name]!;
}

/** A value of a schema: required properties alone, and lists of one. */
function generate(document: OpenApiDocument, given: Schema): unknown {
  const schema = resolve(document, given);
  if ("const" in schema) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum.at(-1);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case "object": {
      const all = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
      const names = (schema.required ?? all.map(([name]) => name)) as string[];
      return Object.fromEntries(
        // What is in a google.protobuf.Any nobody can make up.
        all
          .filter(([name]) => names.includes(name) && name !== "@type")
          .map(([name, property]) => [name, generate(document, property)]),
      );
    }
    case "array":
      return [generate(document, schema.items as Schema)];
    case "string":
      if (schema.format === "date-time") return "2026-01-02T03:04:05Z";
      if (schema.format === "email") return "eve@example.com";
      if (schema.contentEncoding === "base64") return "AAEC";
      return String(schema.pattern ?? "").includes("[0-9]") ? "7" : "x".repeat(Number(schema.minLength ?? 3));
    case "integer":
    case "number":
      return Number(schema.minimum ?? 0) + 1;
    case "boolean":
      return true;
    default:
      return schema.anyOf === undefined ? undefined : generate(document, (schema.anyOf as Schema[])[0]!);
  }
}

function createRequest(
  document: OpenApiDocument,
  path: string,
  operation: Operation,
  check: (schema: Schema, value: unknown) => void,
): { target: string; init: RequestInit } {
  let target = path;
  const query = new URLSearchParams();
  for (const { name, in: place, schema } of operation.parameters ?? []) {
    const value = generate(document, schema);
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(String(value)));
    else for (const one of Array.isArray(value) ? value : [value]) if (typeof one !== "object") query.append(name, one);
  }
  if (query.size > 0) target += `?${query}`;
  const schema = operation.requestBody?.content["application/json"]?.schema;
  if (schema === undefined) return { target, init: {} };
  const body = generate(document, schema);
  check(schema, body);
  return { target, init: { body: JSON.stringify(body), headers: { "content-type": "application/json" } } };
}

function checkReply(
  document: OpenApiDocument,
  operation: Operation,
  check: (schema: Schema, value: unknown) => void,
  status: number,
  contentType: string | null,
  text: string,
): void {
  const given = operation.responses[status] ?? operation.responses.default!;
  const reply =
    "$ref" in given ? document.components.responses[given.$ref.split("/").at(-1)!]! : (given as OpenApiResponse);
  const type = contentType?.split(";")[0] ?? "";
  const content = reply.content?.[type] ?? reply.content?.["*/*"];
  assert.ok(content !== undefined, `${operation.operationId}: ${status} ${type} is not told: ${text}`);
  if (type === "text/event-stream") {
    const events = text.split("\n\n").filter((event) => event.startsWith("event: message"));
    assert.ok(events.length > 0 || operation.operationId === "Echo_ServerStream", text);
    for (const event of events) check(content["x-oai-itemSchema"]!, JSON.parse(/^data: (.*)$/m.exec(event)![1]!));
  } else if (content.schema !== undefined) check(content.schema, JSON.parse(text));
}

test("a name that there is not in info, servers and methods is refused; a tool's own is not", () => {
  const cases: [Record<string, unknown>, string, RegExp][] = [
    [
      { info: { titel: "Shop" } },
      "OPTION",
      /^info has no option titel; its options are title, .*; did you mean title\?$/,
    ],
    [{ info: { version: 1 } }, "OPTION", /^option info\.version is 1; it must be a string$/],
    [
      { info: { contact: { mail: "a@b.c" } } },
      "OPTION",
      /^info\.contact has no option mail; its options are name, url, email/,
    ],
    [
      { info: { license: { url: "https://a.b" } } },
      "OPTION",
      /^option info\.license\.name is undefined; it must be a string/,
    ],
    [{ servers: [{ uri: "https://a.b" }] }, "OPTION", /^servers\[0\] has no option uri; .*; did you mean url\?$/],
    [{ servers: [{ description: "ours" }] }, "OPTION", /^option servers\[0\]\.url is undefined; it must be a string$/],
    [{ servers: ["https://a.b"] }, "OPTION", /servers\[0\].* "https:\/\/a\.b"/],
    [{ servers: [{ url: "{a}", variables: { a: {} } }] }, "OPTION", /variables\["a"\]\.default is undefined/],
    [{ methods: { "/test.v1.Shop/get": {} } }, "METHOD_OPTION", /names "\/test\.v1\.Shop\/get", which no service/],
    [{ methods: { "test.v1.Shop/Get": {} } }, "METHOD_OPTION", /names "test\.v1\.Shop\/Get", which no service/],
    [
      { methods: { "/test.v1.Shop/Get": { jsn: {} } } },
      "METHOD_OPTION",
      /has "jsn", which is not an option of a method/,
    ],
    [
      { methods: { "/test.v1.Other/Get": { jsn: {} } } },
      "METHOD_OPTION",
      /has "jsn", which is not an option of a method/,
    ],
  ];
  for (const [options, code, message] of cases) {
    assert.throws(() => describeShop(options), { code: `CLEW_TRANSPORT_${code}`, message }, String(message));
    assert.throws(() => openApiRoutes({ services: [Shop], ...options }), { message }, String(message));
  }
  const variables = { region: { default: "eu", enum: ["eu", "us"] } };
  const { info, servers } = describeShop({
    info: { version: undefined as unknown as string, license: { name: "MIT" }, "x-logo": { url: "logo.svg" } },
    servers: [{ url: "https://{region}.example.com", variables, "x-internal": true }],
  });
  assert.deepEqual(info, {
    title: "test.v1",
    version: "0.0.1",
    license: { name: "MIT" },
    "x-logo": { url: "logo.svg" },
  });
  assert.deepEqual(servers, [{ url: "https://{region}.example.com", variables, "x-internal": true }]);
});
