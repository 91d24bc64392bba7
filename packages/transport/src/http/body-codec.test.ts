import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createJsonCodec, type JsonCodecOptions } from "@clew/rpc";
import { KindsSchema } from "../../test/gen/test/v1/kinds_pb.ts";
import { EchoMessageSchema } from "../../test/gen/test/v1/test_pb.ts";
import { charsetOf, compileBodyCodecs, defaultCodecs, findCodec, negotiate, subtypeOf } from "./body-codec.ts";

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
    // The most specific range counts, wherever it stands.
    ["application/json;q=0, */*", "application/protojson"],
    ["*/*, application/json;q=0.2, application/protojson;q=0.2, application/proto;q=0.9", "application/protobuf"],
    ["application/*;q=0.1, application/proto", "application/proto"],
    ["image/*, application/proto;q=0.1", "application/proto"],
    ["text/json", "application/json"],
    ["APPLICATION/PROTO", "application/proto"],
    ["application/proto;v=2;q=0.7, application/json;q=0.8", "application/json"],
    ["application/json;q=2, application/proto;q=0.1", "application/proto"],
    [",,application/proto,", "application/proto"],
    ["*/json", "application/json"],
  ];
  for (const [accept, contentType] of cases) assert.equal(negotiate(codecs, accept).contentType, contentType, accept);
});

test("a content type of one's own is read by its suffix", () => {
  assert.equal(findCodec(codecs, "application/vnd.shop+json")?.contentType, "application/json");
  assert.equal(findCodec(codecs, "application/vnd.shop+cbor"), undefined);
  assert.equal(findCodec(codecs, ""), undefined);
});

test("reads the charset of a content type", () => {
  assert.equal(charsetOf("application/json"), undefined);
  assert.equal(charsetOf("application/json; charset=UTF-8"), "utf-8");
  assert.equal(charsetOf('application/json; version=1;charset="latin1"; x=y'), "latin1");
});

test("a field that is a body has its zero value where the codec writes none, and all digits of 64 bits", () => {
  const fieldCodec = (name: string, options: JsonCodecOptions) => {
    const field = KindsSchema.fields.find((one) => one.name === name)!;
    return compileBodyCodecs([createJsonCodec(options)], KindsSchema, field).get("json")!;
  };
  const terse = { emitZeroValues: false, useProtoFieldNames: true };
  const zeros: [name: string, json: string][] = [
    ["string_value", '""'],
    ["bool_value", "false"],
    ["int32_value", "0"],
    ["int64_value", '"0"'],
    ["bytes_value", '""'],
    ["enum_value", '"COLOR_UNSPECIFIED"'],
    ["numbers", "[]"],
    ["labels", "{}"],
    ["optional_string", "null"],
    ["int64_wrapper", "null"],
  ];
  for (const [name, json] of zeros) assert.equal(fieldCodec(name, terse).encodeText!(create(KindsSchema)), json, name);
  const long = fieldCodec("int64_value", { int64AsNumber: true, useProtoFieldNames: true });
  const message = create(KindsSchema, { int64Value: 9007199254740993n });
  assert.equal(long.encodeText!(message), "9007199254740993");
  assert.deepEqual(long.decode(Buffer.from('"9007199254740993"')), message);
});
