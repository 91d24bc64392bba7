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
import { ownerOf, type Rule, readRules } from "./rule.ts";
import { compileTarget } from "./target.ts";

/** A method of Kinds to Kinds with this rule, as a user's own generated code would have it. */
function methodWith(rule: MessageInitShape<typeof HttpRuleSchema>, ...lines: number[][]): Method {
  const options = create(MethodOptionsSchema);
  setExtension(options, http, rule as never);
  const type = ".test.v1.Kinds";
  const file = {
    name: "bad.proto",
    package: "bad.v1",
    syntax: "proto3",
    dependency: [file_test_v1_kinds.proto.name],
    service: [{ name: "Bad", method: [{ name: "Do", inputType: type, outputType: type, options }] }],
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
      /^\/bad.v1.Bad\/Do \(bad.proto\): its path variable \{nope\} names the field "nope", which test.v1.Kinds does not have \(it has: string_value, /,
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
    [{ ...get("/a"), additionalBindings: [get("/{nope}")] }, "CLEW_TRANSPORT_FIELD_MISSING", /"nope"/],
    [get("/{strings}"), "CLEW_TRANSPORT_FIELD", /"strings", which holds several values/],
    [get("/{labels}"), "CLEW_TRANSPORT_FIELD", /holds several values/],
    [get("/{nested}"), "CLEW_TRANSPORT_FIELD", /is a message/],
    [get("/{string_value.x}"), "CLEW_TRANSPORT_FIELD", /goes through string_value, which is no message/],
    [
      get("no-slash"),
      "CLEW_TRANSPORT_TEMPLATE",
      /^\/bad.v1.Bad\/Do \(bad.proto\): path "no-slash" does not begin with a slash/,
    ],
    [{ additionalBindings: [get("/a")] }, "CLEW_TRANSPORT_RULE", /no path/],
    [{ body: "*" }, "CLEW_TRANSPORT_RULE", /no path/],
    [
      { ...get("/a"), additionalBindings: [{ ...get("/b"), additionalBindings: [get("/c")] }] },
      "CLEW_TRANSPORT_RULE",
      /additional_bindings in additional_bindings/,
    ],
    [
      { pattern: { case: "custom", value: { kind: "NOT A VERB", path: "/a" } } },
      "CLEW_TRANSPORT_RULE",
      /the kind "NOT A VERB"/,
    ],
    [{ pattern: { case: "custom", value: { kind: "", path: "/a" } } }, "CLEW_TRANSPORT_RULE", /the kind ""/],
  ];
  for (const [rule, code, message] of cases) {
    assert.throws(() => readRules(methodWith(rule)), { code, message }, JSON.stringify(rule));
  }
});

test("an error names the line in the .proto, where the descriptor knows it", () => {
  const rule = { pattern: { case: "get", value: "/{nope}" } } as const;
  // The service is on line 5, the method on line 7.
  const method = methodWith(rule, [5, 6, 0], [7, 6, 0, 2, 0], [8, 6, 0, 2, 0, 4]);
  assert.throws(() => readRules(method), { message: /^\/bad\.v1\.Bad\/Do \(bad\.proto:7\): its path variable/ });
  assert.equal(ownerOf(method), "/bad.v1.Bad/Do (bad.proto:7)");
  assert.throws(() => service(method.desc.parent, {}), { message: /no method "do", which bad\.proto:7 declares/ });
  assert.throws(() => service(method.desc.parent, { do: () => ({}), undo: () => ({}) } as never), {
    message: /has "undo", which the service does not, see bad\.proto:5/,
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
