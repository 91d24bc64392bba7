import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createFileRegistry, type DescFile, type MessageInitShape, setExtension } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorSetSchema,
  file_google_protobuf_descriptor,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { createMethod, type Method, service } from "@clew/rpc";
import { http } from "../../../rpc/src/gen/google/api/annotations_pb.ts";
import type { HttpRuleSchema } from "../../../rpc/src/gen/google/api/http_pb.ts";
import { file_test_v1_kinds, type KindsSchema, Rules } from "../../test/gen/test/v1/kinds_pb.ts";
import { HttpClient } from "./client.ts";
import { type Rule, readRules, readServedRules } from "./rule.ts";
import { HttpServer } from "./server.ts";
import { compileTarget } from "./target.ts";

/** A method of Kinds to Kinds with this rule, as a user's own generated code would have it. */
function methodWith(
  rule: MessageInitShape<typeof HttpRuleSchema>,
  { lines = [], clientStreaming = false }: { lines?: number[][]; clientStreaming?: boolean } = {},
): Method {
  const options = create(MethodOptionsSchema);
  setExtension(options, http, rule as never);
  const type = ".test.v1.Kinds";
  const file = {
    name: "bad.proto",
    package: "bad.v1",
    syntax: "proto3",
    dependency: [file_test_v1_kinds.proto.name],
    service: [{ name: "Bad", method: [{ name: "Do", inputType: type, outputType: type, clientStreaming, options }] }],
    sourceCodeInfo: { location: lines.map(([line, ...path]) => ({ path, span: [line! - 1, 2, 40] })) },
  };
  const protos = new Map<string, FileDescriptorProto>();
  const add = (one: DescFile): void => {
    one.dependencies.forEach(add);
    protos.set(one.proto.name, one.proto);
  };
  add(file_google_protobuf_descriptor);
  add(file_test_v1_kinds);
  const set = create(FileDescriptorSetSchema, { file: [...protos.values(), file] });
  return createMethod(createFileRegistry(set).getService("bad.v1.Bad")!.methods[0]!);
}

function shape(rule: Rule): unknown {
  const body = typeof rule.body === "object" ? rule.body.name : rule.body;
  const fields = rule.variables.map((one) => one.fields.map((field) => field.name).join("."));
  return [rule.verb, rule.template.text, fields, body, rule.replyBody?.name];
}

test("reads the rules of methods, the main one first", () => {
  const rules = Rules.methods.map((method) => readRules(createMethod(method)).map(shape));
  assert.deepEqual(rules, [
    [["GET", "/v1/kinds", [], undefined, undefined]],
    [["PATCH", "/v1/kinds/{int32_value}", ["int32_value"], "nested", undefined]],
    [["PUT", "/v1/kinds/{string_value}/tags", ["string_value"], "strings", "strings"]],
    [["POST", "/v1/kinds:bare", [], "string_wrapper", "string_wrapper"]],
    [
      ["PURGE", "/v1/kinds/{nested.name}", ["nested.name"], undefined, undefined],
      ["*", "/v1/any/{enum_value}", ["enum_value"], undefined, undefined],
      ["POST", "/v1/kinds/{string_value}:purge", ["string_value"], "*", undefined],
    ],
    [
      [
        "POST",
        "/v1/{string_value=shelves/*/books/*}/{timestamp_value}:move",
        ["string_value", "timestamp_value"],
        "*",
        undefined,
      ],
    ],
  ]);
});

test("a rule may say a field by its JSON name", () => {
  assert.deepEqual(readRules(methodWith({ pattern: { case: "get", value: "/{stringValue}" } })).map(shape), [
    ["GET", "/{stringValue}", ["string_value"], undefined, undefined],
  ]);
});

test("a method without a rule is posted to its operation", () => {
  assert.deepEqual(readRules(methodWith({})).map(shape), [["POST", "/bad.v1.Bad/Do", [], "*", undefined]]);
});

test("a rule that does not work is an error at registration that names method, use and field", () => {
  const get = (value: string) => ({ pattern: { case: "get", value } }) as const;
  const cases: [MessageInitShape<typeof HttpRuleSchema>, string, RegExp][] = [
    [
      get("/{nope}"),
      "CLEW_TRANSPORT_FIELD_MISSING",
      /^\/bad.v1.Bad\/Do \(rpc Do in bad.proto, get: "\/\{nope\}"\): its path variable \{nope\} names the field "nope", which test.v1.Kinds does not have \(it has: string_value, /,
    ],
    [
      get("/{nested.nope}"),
      "CLEW_TRANSPORT_FIELD_MISSING",
      /which test.v1.Nested does not have \(it has: name, count, child\)/,
    ],
    [{ ...get("/a"), body: "nope" }, "CLEW_TRANSPORT_FIELD_MISSING", /its body names the field "nope"/],
    [
      { ...get("/a"), responseBody: "nope" },
      "CLEW_TRANSPORT_FIELD_MISSING",
      /its response_body names the field "nope"/,
    ],
    [
      { ...get("/a"), additionalBindings: [get("/{nope}")] },
      "CLEW_TRANSPORT_FIELD_MISSING",
      /\(rpc Do in bad.proto, get: "\/\{nope\}"\): .*"nope"/,
    ],
    [get("/{strings}"), "CLEW_TRANSPORT_FIELD", /"strings", which holds several values/],
    [get("/{labels}"), "CLEW_TRANSPORT_FIELD", /holds several values/],
    [get("/{nested}"), "CLEW_TRANSPORT_FIELD", /is a message/],
    [get("/{string_value.x}"), "CLEW_TRANSPORT_FIELD", /leads through string_value, which is not a message/],
    [
      get("no-slash"),
      "CLEW_TRANSPORT_TEMPLATE",
      /^\/bad.v1.Bad\/Do \(rpc Do in bad.proto, get: "no-slash"\): path "no-slash" does not begin with a slash/,
    ],
    [{ additionalBindings: [get("/a")] }, "CLEW_TRANSPORT_RULE", /no path/],
    [{ body: "*" }, "CLEW_TRANSPORT_RULE", /no path/],
    [
      { ...get("/a"), additionalBindings: [{ ...get("/b"), additionalBindings: [get("/c")] }] },
      "CLEW_TRANSPORT_RULE",
      /additional_bindings inside additional_bindings/,
    ],
    [
      { pattern: { case: "custom", value: { kind: "NOT A VERB", path: "/a" } } },
      "CLEW_TRANSPORT_RULE",
      /custom: \{ kind: "NOT A VERB", path: "\/a" \}\): .*the kind "NOT A VERB"/,
    ],
    [{ pattern: { case: "custom", value: { kind: "", path: "/a" } } }, "CLEW_TRANSPORT_RULE", /the kind ""/],
  ];
  for (const [rule, code, message] of cases) {
    assert.throws(() => readRules(methodWith(rule)), { code, message }, JSON.stringify(rule));
  }
});

test("a rule that passes over what it is sent is none to serve; a client may call by it", () => {
  const at = (pattern: "get" | "put" | "delete", value: string, body = "") => ({
    pattern: { case: pattern, value },
    body,
  });
  const custom = (kind: string, body: string) => ({
    pattern: { case: "custom" as const, value: { kind, path: "/a" } },
    body,
  });
  const cases: [MessageInitShape<typeof HttpRuleSchema>, string, RegExp][] = [
    [
      at("get", "/a", "*"),
      "CLEW_TRANSPORT_RULE",
      /^\/bad.v1.Bad\/Do \(rpc Do in bad.proto, get: "\/a"\): its google.api.http rule has body "\*", but a GET request has no body; remove it, so that the fields go into the query, or use post or put$/,
    ],
    [
      at("get", "/{string_value}", "nested"),
      "CLEW_TRANSPORT_RULE",
      /get: "\/\{string_value\}"\): .* has body "nested"/,
    ],
    [
      custom("head", "*"),
      "CLEW_TRANSPORT_RULE",
      /custom: \{ kind: "head", path: "\/a" \}\): .* has body "\*", but a HEAD request has no body/,
    ],
    [
      { ...at("put", "/a", "*"), additionalBindings: [at("get", "/b", "*")] },
      "CLEW_TRANSPORT_RULE",
      /get: "\/b"\): .* has body "\*"/,
    ],
    [
      at("put", "/{string_value}", "string_value"),
      "CLEW_TRANSPORT_FIELD",
      /^\/bad.v1.Bad\/Do \(rpc Do in bad.proto, put: "\/\{string_value\}"\): its google.api.http rule has body "string_value" and \{string_value\}, which are the same field: the value of one of them would be lost/,
    ],
    [
      at("put", "/{stringValue}", "string_value"),
      "CLEW_TRANSPORT_FIELD",
      /has body "string_value" and \{stringValue\}/,
    ],
    [at("put", "/{choice_text}", "choice_nested"), "CLEW_TRANSPORT_FIELD", /which are both of the oneof choice/],
    [
      at("get", "/{string_value}/{stringValue}"),
      "CLEW_TRANSPORT_FIELD",
      /has \{stringValue\} and \{string_value\}, which are the same field/,
    ],
    [at("get", "/{nested.name}/{nested.child.name}/{nested.name=a/*}"), "CLEW_TRANSPORT_TEMPLATE", /twice/],
    [
      at("get", "/{string_wrapper}/{string_wrapper.value}"),
      "CLEW_TRANSPORT_FIELD",
      /of which one is part of the other/,
    ],
    [
      at("get", "/{string_wrapper.value}/{string_wrapper}"),
      "CLEW_TRANSPORT_FIELD",
      /of which one is part of the other/,
    ],
    [at("get", "/{choice_text}/{choice_wrapper}"), "CLEW_TRANSPORT_FIELD", /which are both of the oneof choice/],
    [at("get", "/{choice_nested.name}/{choice_text}"), "CLEW_TRANSPORT_FIELD", /which are both of the oneof choice/],
  ];
  for (const [rule, code, message] of cases) {
    assert.throws(() => readServedRules(methodWith(rule)), { code, message }, JSON.stringify(rule));
    if (code !== "CLEW_TRANSPORT_TEMPLATE") assert.ok(readRules(methodWith(rule)).length > 0);
  }
});

test("a server is not made with such a rule, but a client is", async () => {
  const { desc } = methodWith({ pattern: { case: "get", value: "/a" }, body: "*" });
  const services = [service(desc.parent, { do: () => ({}) } as never)];
  assert.throws(() => new HttpServer({ services }), {
    code: "CLEW_TRANSPORT_RULE",
    message: /get: "\/a"\): its google.api.http rule has body/,
  });
  const client = new HttpClient({ endpoint: "http://127.0.0.1:1" });
  assert.ok(client.createHandler(createMethod(desc)));
  await client.close();
});

test("routes that clash are told with both rules, as their .proto has them and without the server's prefix", () => {
  const { desc } = methodWith({
    pattern: { case: "get", value: "/a/{string_value}" },
    additionalBindings: [{ pattern: { case: "get", value: "/a/{int32_value}" } }],
  });
  const services = [service(desc.parent, { do: () => ({}) } as never)];
  assert.throws(() => new HttpServer({ services, prefix: "/v1" }), {
    code: "CLEW_TRANSPORT_ROUTE_CONFLICT",
    message:
      /^GET \/v1\/a\/\{int32_value\} is used by both .*\(rpc Do in bad.proto, get: "\/a\/\{int32_value\}"\) and .*\(rpc Do in bad.proto, get: "\/a\/\{string_value\}"\);/,
  });
  const { desc: plain } = methodWith({});
  const route = { verb: "POST", path: "/bad.v1.Bad/Do", handle: () => {} };
  assert.throws(
    () => new HttpServer({ services: [service(plain.parent, { do: () => ({}) } as never)], routes: [route] }),
    { code: "CLEW_TRANSPORT_ROUTE_CONFLICT", message: / and \/bad.v1.Bad\/Do \(rpc Do in bad.proto\);/ },
  );
});

test("what google.api.http allows is served", () => {
  const served: MessageInitShape<typeof HttpRuleSchema>[] = [
    { pattern: { case: "get", value: "/{nested.name}/{nested.child.name}/{nested.count}" } },
    // As the standard update has it (AIP-134): the path says a part of the body.
    { pattern: { case: "patch", value: "/{nested.name=kinds/*}" }, body: "nested" },
    { pattern: { case: "post", value: "/{choice_nested.name}/{choice_nested.count}" }, body: "choice_nested" },
    { pattern: { case: "put", value: "/{string_value}" }, body: "*" },
    { pattern: { case: "post", value: "/{string_value}" } },
    // No request of DELETE has to have one, but it may: grpc-gateway has an option for it, Kratos a warning.
    { pattern: { case: "delete", value: "/{string_value}" }, body: "*" },
    { pattern: { case: "delete", value: "/{string_value}" }, body: "nested" },
    { pattern: { case: "put", value: "/lists" }, body: "numbers", responseBody: "nesteds" },
    { pattern: { case: "custom", value: { kind: "*", path: "/any" } }, body: "*" },
    { pattern: { case: "get", value: "/{optional_string}/{choice_text}" } },
  ];
  for (const rule of served) assert.equal(readServedRules(methodWith(rule)).length, 1, JSON.stringify(rule));
  // Its requests are the frames of a WebSocket, which begins with GET whatever the rule says.
  const chat = methodWith({ pattern: { case: "get", value: "/chat" }, body: "*" }, { clientStreaming: true });
  assert.equal(readServedRules(chat).length, 1);
});

test("an error names the line in the .proto, where the descriptor knows it", () => {
  const rule = { pattern: { case: "get", value: "/{nope}" } } as const;
  // The service is on line 5, the method on line 7.
  const lines = [
    [5, 6, 0],
    [7, 6, 0, 2, 0],
    [8, 6, 0, 2, 0, 4],
  ];
  const method = methodWith(rule, { lines });
  assert.throws(() => readRules(method), {
    message: /^\/bad\.v1\.Bad\/Do \(bad\.proto:7, get: "\/\{nope\}"\): its path variable/,
  });
  assert.equal(readRules(methodWith({}, { lines }))[0]?.owner, "/bad.v1.Bad/Do (bad.proto:7)");
  assert.throws(() => service(method.desc.parent, {}), { message: /no method "do", which bad\.proto:7 declares/ });
  assert.throws(() => service(method.desc.parent, { do: () => ({}), undo: () => ({}) } as never), {
    message: /has "undo", but the service does not declare it, see bad\.proto:5/,
  });
});

test("writes the request target of a message: path by segments, the rest as the query", () => {
  const target = (method: Method, init: MessageInitShape<typeof KindsSchema>, base = ""): string => {
    const [rule] = readRules(method);
    return compileTarget(rule!, method.desc.input, base)(create(method.desc.input, init as Record<string, unknown>));
  };
  const get = (value: string, body = ""): Method => methodWith({ pattern: { case: "get", value }, body });
  assert.equal(target(get("/"), {}), "/");
  assert.equal(target(get("/"), { int32Value: 1 }), "/?int32Value=1");
  assert.equal(target(get("/a/"), {}, "/base"), "/base/a/");
  assert.equal(target(get("/a b?/%20"), {}), "/a%20b%3F/%20");
  assert.equal(target(get("/{string_value}/x"), { stringValue: "a/b c:é%!" }), "/a%2Fb%20c%3A%C3%A9%25%21/x");
  assert.equal(target(get("/{string_value=**}"), { stringValue: "a/b c//" }), "/a/b%20c//");
  assert.equal(target(get("/{string_value=f/**}:go"), { stringValue: "f/x/y" }), "/f/x/y:go");
  assert.equal(target(get("/{string_value=f/**}"), { stringValue: "f" }), "/f");
  assert.equal(target(get("/{nested.name}"), { nested: { name: "n", count: 2 } }), "/n?nested.count=2");
  assert.equal(target(get("/{otherName}"), { renamed: "x" }), "/x");
  assert.equal(target(get("/a", "nested"), { nested: { name: "n" }, boolValue: true }), "/a?boolValue=true");
  assert.equal(target(get("/{enum_value}", "*"), { enumValue: 1, boolValue: true }), "/RED");
  for (const [path, init] of [
    ["/{string_value}", {}],
    ["/{nested.name}", {}],
    ["/{string_value=f/*}", { stringValue: "f/" }],
    ["/{string_value=f/*}", { stringValue: "g/a" }],
    ["/{string_value=f/*}", { stringValue: "f/a/b" }],
    ["/{string_value=f/**}", { stringValue: "" }],
  ] as const) {
    assert.throws(
      () => target(get(path), init),
      { code: 400, reason: "CODEC", message: /string_value|nested.name/ },
      path,
    );
  }
});
