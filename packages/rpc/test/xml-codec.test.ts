import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, createRegistry, type MessageInitShape } from "@bufbuild/protobuf";
import { AnySchema, DurationSchema, NullValue, TimestampSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { Codec } from "@clew/rpc";
import { createXmlCodec, xmlCodec } from "@clew/rpc/xml";
import * as proto2 from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto2_pb.ts";
import { TestAllTypesProto3Schema as Proto3 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { testWithoutCodeGeneration } from "./without-code-generation.ts";

testWithoutCodeGeneration(import.meta.filename);

const types = createRegistry(DurationSchema, AnySchema, proto2.file_google_protobuf_test_messages_proto2);

describe("xml", () => {
  const all = xmlCodec.compile(Proto3);
  const small = createXmlCodec({ emitZeroValues: false, types });
  const written = (init: MessageInitShape<typeof Proto3>): string =>
    small.compile(Proto3).encodeText!(create(Proto3, init));
  const read = (xml: string, codec: Codec = xmlCodec) => codec.compile(Proto3).decode(Buffer.from(xml));

  test("elements are named as in JSON, repeated for lists, and hold key and value for maps", () => {
    const xml = written({
      optionalInt64: 2n ** 60n,
      optionalBool: true,
      optionalString: "a<b & c\r\n",
      optionalBytes: Uint8Array.of(251, 255),
      optionalNestedEnum: 2,
      optionalNestedMessage: { a: 5 },
      repeatedString: ["", " x "],
      mapStringString: { bolt: "12", "": "" },
      optionalDouble: -0,
      optionalTimestamp: create(TimestampSchema, { seconds: 1n }),
      optionalStruct: { a: [1, null] },
      optionalInt32Wrapper: 0,
    });
    assert.equal(
      xml,
      "<TestAllTypesProto3><optionalInt64>1152921504606846976</optionalInt64><optionalDouble>-0</optionalDouble>" +
        "<optionalBool>true</optionalBool><optionalString>a&lt;b &amp; c&#xD;\n</optionalString>" +
        "<optionalBytes>+/8=</optionalBytes><optionalNestedMessage><a>5</a></optionalNestedMessage>" +
        "<optionalNestedEnum>BAZ</optionalNestedEnum><repeatedString></repeatedString><repeatedString> x </repeatedString>" +
        "<mapStringString><key>bolt</key><value>12</value></mapStringString>" +
        "<mapStringString><key></key><value></value></mapStringString><optionalInt32Wrapper>0</optionalInt32Wrapper>" +
        "<optionalTimestamp>1970-01-01T00:00:01Z</optionalTimestamp>" +
        '<optionalStruct>{"a":[1,null]}</optionalStruct>' +
        "</TestAllTypesProto3>",
    );
  });

  test("is read with attributes, prefixes, comments, CDATA, space between elements, and both names", () => {
    const message = read(`\uFEFF<?xml version="1.0" encoding="utf-8"?>
      <!-- a comment --><m:any xmlns:m="urn:x" a="1">
        <m:optionalInt32> 7 </m:optionalInt32>
        <optional_string><![CDATA[<b>]]>&#x41;</optional_string>
        <optionalNestedEnum>1</optionalNestedEnum><optionalBool>1</optionalBool>
        <unknown><deep/></unknown>
      </m:any>`);
    assert.deepEqual(
      message,
      create(Proto3, { optionalInt32: 7, optionalString: "<b>A", optionalNestedEnum: 1, optionalBool: true }),
    );
  });

  test("messages that are not fields in JSON are text at the root as well", () => {
    const duration = xmlCodec.compile(DurationSchema);
    assert.equal(duration.encodeText!(create(DurationSchema, { seconds: 5n })), "<Duration>5s</Duration>");
    assert.equal(duration.decode(Buffer.from("<x> 5s\n</x>")).seconds, 5n);
    const value = xmlCodec.compile(ValueSchema);
    const none = create(ValueSchema, { kind: { case: "nullValue", value: NullValue.NULL_VALUE } });
    assert.equal(value.encodeText!(none), "<Value>null</Value>");
    assert.deepEqual(value.decode(Buffer.from("<Value>null</Value>")), none);
  });

  test("what is no such message is refused, and the error names the field", () => {
    for (const [content, error] of [
      ["<optionalInt32>x</optionalInt32>", /optional_int32/],
      ["<optionalInt32></optionalInt32>", /optional_int32/],
      ["<optionalInt32><a/></optionalInt32>", /optional_int32.*expected text/],
      ["<optionalInt32>1</optionalInt32><optional_int32>1</optional_int32>", /optional_int32.*twice/],
      ["<optionalBool>yes</optionalBool>", /optional_bool/],
      ["<optionalNestedMessage>text</optionalNestedMessage>", /optional_nested_message.*expected elements/],
      ["<mapStringString><key>a</key></mapStringString>", /map_string_string/],
      ["<mapInt32Int32><key>1</key><value>x</value></mapInt32Int32>", /map_int32_int32/],
      [
        "<mapStringString><key>a</key><value>1</value></mapStringString>".repeat(2),
        /map_string_string.*"a" occurs twice/,
      ],
      ["<optionalStruct>{</optionalStruct>", /optional_struct.*JSON/],
      ["<optionalTimestamp>now</optionalTimestamp>", /Timestamp/],
      ["<oneofUint32>1</oneofUint32><oneofString>x</oneofString>", /oneof/],
    ] as const) {
      assert.throws(() => read(`<m>${content}</m>`), { message: error }, content);
    }
    assert.throws(() => read("<m><nope/></m>", createXmlCodec({ rejectUnknownFields: true })), /nope/);
    for (const xml of ["<m>", "<m></n>", "text", "<m/><m/>", "<m>&nope;</m>", "<m>\u0000</m>", '<m a="1" a="2"/>']) {
      assert.throws(() => read(xml), /^Error: cannot decode XML/, xml);
    }
    assert.throws(() => all.decode(Uint8Array.of(0x3c, 0x6d, 0x3e, 0xff)), /UTF-8/);
    assert.throws(() => read('<?xml version="1.0" encoding="latin1"?><m/>'), /UTF-8/);
  });

  test("no document type declaration: no entity grows, and nothing is fetched", () => {
    for (const declaration of [
      '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
      '<!DOCTYPE m SYSTEM "file:///etc/passwd">',
      "<!DOCTYPE m>",
    ]) {
      assert.throws(
        () => read(`${declaration}<m><optionalString>&b;</optionalString></m>`),
        /document type declaration/,
      );
    }
    assert.throws(() => read("<a>".repeat(100_000)), /nested/);
    const own = read("<m><mapStringString><key>__proto__</key><value>x</value></mapStringString><__proto__/></m>");
    assert.deepEqual(Object.entries(own.mapStringString), [["__proto__", "x"]]);
  });

  test("text that XML cannot hold is refused by its field", () => {
    for (const text of ["\u0000", "\u001f", "\ufffe", "\ud800"]) {
      assert.throws(() => written({ repeatedString: [text] }), /repeated_string.*U\+/);
    }
    assert.throws(() => written({ mapStringString: { "\u0001": "" } }), /map_string_string.*U\+0001/);
  });
});
