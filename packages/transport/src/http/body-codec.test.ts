import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoMessageSchema } from "../../test/gen/test/v1/test_pb.ts";
import { compileBodyCodecs, defaultCodecs, negotiate, subtypeOf } from "./body-codec.ts";

const codecs = compileBodyCodecs(defaultCodecs, EchoMessageSchema);

test("reads the subtype of a content type", () => {
  assert.equal(subtypeOf("application/json"), "json");
  assert.equal(subtypeOf("Application/JSON; charset=utf-8"), "json");
  assert.equal(subtypeOf(" application/proto "), "proto");
  assert.equal(subtypeOf("json"), "");
  assert.equal(subtypeOf(""), "");
});

test("picks the reply's codec by Accept: lists, qualities, wildcards", () => {
  const cases: [accept: string | undefined, contentType: string][] = [
    [undefined, "application/json"],
    ["", "application/json"],
    ["*/*", "application/json"],
    ["application/*", "application/json"],
    ["application/json", "application/json"],
    ["application/protojson", "application/protojson"],
    ["application/proto", "application/proto"],
    ["application/x-protobuf", "application/x-protobuf"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "application/json"],
    ["application/json;q=0.5, application/proto", "application/proto"],
    ["application/json;q=0.5, application/proto; q=0.4", "application/json"],
    ["application/proto;q=0, */*;q=0.1", "application/json"],
    ["application/proto;q=x", "application/json"],
    ["text/html", "application/json"],
  ];
  for (const [accept, contentType] of cases) assert.equal(negotiate(codecs, accept).contentType, contentType, accept);
});
