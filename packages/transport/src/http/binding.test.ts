import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type JsonObject, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { ServiceError } from "@clew/rpc";
import { KindsSchema } from "../../test/gen/test/v1/kinds_pb.ts";
import { bindQuery, encodeQuery } from "./binding.ts";

function bind(query: string): unknown {
  const message = create(KindsSchema);
  bindQuery(KindsSchema, message, query);
  return toJson(KindsSchema, message);
}

const decoded: readonly [query: string, json: JsonObject][] = [
  ["", {}],
  ["&&", {}],
  ["string_value=a+b%20c%26", { stringValue: "a b c&" }],
  ["stringValue=a=b", { stringValue: "a=b" }],
  ["otherName=x", { otherName: "x" }],
  ["renamed=x", { otherName: "x" }],
  ["string_value=", {}],
  ["string_value", {}],
  ["int32_value=", {}],
  ["unknown=1&nested.unknown=2&a.b.c=3", {}],
  ["bool_value=1", { boolValue: true }],
  ["bool_value=T", { boolValue: true }],
  ["bool_value=False", {}],
  ["int32_value=-2147483648", { int32Value: -2147483648 }],
  ["int32_value=%2B7", { int32Value: 7 }],
  ["int64_value=9007199254740993", { int64Value: "9007199254740993" }],
  ["uint32_value=4294967295", { uint32Value: 4294967295 }],
  ["uint64_value=18446744073709551615", { uint64Value: "18446744073709551615" }],
  ["float_value=1.5e2", { floatValue: 150 }],
  ["float_value=-3.4028235e38", { floatValue: -3.4028235e38 }],
  ["double_value=-.5", { doubleValue: -0.5 }],
  ["double_value=NaN", { doubleValue: "NaN" }],
  ["double_value=-inf", { doubleValue: "-Infinity" }],
  ["bytes_value=%2B/8=", { bytesValue: "+/8=" }],
  ["bytes_value=-_8=", { bytesValue: "+/8=" }],
  ["bytes_value=-_8", { bytesValue: "+/8=" }],
  ["enum_value=BLUE", { enumValue: "BLUE" }],
  ["enum_value=2", { enumValue: "BLUE" }],
  ["enum_value=77", { enumValue: 77 }],
  ["null_value=null", {}],
  ["nested.name=a&nested.child.child.count=3", { nested: { name: "a", child: { child: { count: 3 } } } }],
  ["strings=a&strings=&strings=b", { strings: ["a", "", "b"] }],
  ["strings[]=a&strings%5B%5D=b", { strings: ["a", "b"] }],
  ["numbers=1&numbers[]=-2", { numbers: [1, -2] }],
  ["colors=RED&colors=2", { colors: ["RED", "BLUE"] }],
  ["timestamps=2024-01-02T03:04:05Z", { timestamps: ["2024-01-02T03:04:05Z"] }],
  ["labels[a.b]=1&labels.c=2&labels%5Bd%5D=", { labels: { "a.b": "1", c: "2", d: "" } }],
  ["colors_by_number[-1]=RED&colorsByNumber.2=BLUE", { colorsByNumber: { "-1": "RED", 2: "BLUE" } }],
  ["timestamp_value=2024-01-02T03:04:05.123456789%2B01:00", { timestampValue: "2024-01-02T02:04:05.123456789Z" }],
  ["timestamp_value=null", {}],
  ["duration_value=1m0.5s", { durationValue: "60.500s" }],
  ["duration_value=-1.5s", { durationValue: "-1.500s" }],
  ["duration_value=1h2m3s4ms5us6ns", { durationValue: "3723.004005006s" }],
  ["duration_value=0", { durationValue: "0s" }],
  ["duration_value=null", {}],
  ["field_mask=stringValue,nested.childCount", { fieldMask: "stringValue,nested.childCount" }],
  ["field_mask=string_value", { fieldMask: "stringValue" }],
  ["struct_value=%7B%22a%22:[1]%7D", { structValue: { a: [1] } }],
  ["value=1", { value: "1" }],
  ["value.stringValue=a&value.kind=b", { value: "a" }],
  ["string_wrapper=x", { stringWrapper: "x" }],
  ["int64_wrapper=0", { int64Wrapper: "0" }],
  ["bool_wrapper=false", { boolWrapper: false }],
  ["bytes_wrapper=AQI", { bytesWrapper: "AQI=" }],
  ["optional_string=x", { optionalString: "x" }],
  ["choice_text=x", { choiceText: "x" }],
  ["choice_wrapper=x", { choiceWrapper: "x" }],
  ["choice_nested.name=x&choice_nested.count=2", { choiceNested: { name: "x", count: 2 } }],
];

test("binds a query to a message", () => {
  for (const [query, json] of decoded) assert.deepEqual(bind(query), json, query);
});

const refused: readonly [query: string, message: RegExp][] = [
  ["int32_value=x", /^field "int32_value": "x" is not a whole number$/],
  ["int32_value=2147483648", /^field "int32_value": "2147483648" is not between -2147483648 and 2147483647$/],
  ["int32_value=1.5", /not a whole number/],
  ["int32_value=0x10", /not a whole number/],
  [`int64_value=${"9".repeat(5000)}`, /^field "int64_value": "9{40}\.\.\." is not a whole number$/],
  ["uint32_value=-1", /not between 0/],
  ["uint64_value=18446744073709551616", /not between/],
  ["float_value=1e39", /out of range/],
  ["double_value=1e999", /out of range/],
  ["double_value=one", /not a number/],
  ["bool_value=yes", /neither true nor false/],
  ["bool_value=toString", /neither true nor false/],
  ["bytes_value=%21", /not base64/],
  ["bytes_value=AAAAA", /not base64/],
  ["enum_value=GREEN", /"GREEN" is not a value of test.v1.Color \(COLOR_UNSPECIFIED, RED, BLUE\)/],
  ["enum_value=99999999999", /not/],
  ["null_value=0x", /not null/],
  ["string_value=a&string_value=b", /^field "string_value": it is given more than once$/],
  ["string_value=a&stringValue=b", /^field "stringValue": it is given more than once$/],
  ["choice_nested.name=a&choiceNested.name=b", /^field "choiceNested.name": it is given more than once$/],
  ["colors_by_number[1]=RED&colorsByNumber[1]=RED", /given more than once/],
  ["choice_text=a&choiceText=b", /given more than once/],
  ["labels[a]=1&labels[a]=2", /given more than once/],
  ["labels[a]=1&labels.a=2", /given more than once/],
  ["labels=1", /it is a map: labels\[key\]=value would work/],
  ["colors_by_number[x]=RED", /^field "colors_by_number\[x\]": "x" is not a whole number$/],
  ["nested_by_name[a]=1", /test.v1.Nested, which cannot be written as text/],
  ["strings[a]=1", /strings is not a map/],
  ["nested=1", /test.v1.Nested, which cannot be written as text/],
  ["nesteds=1", /test.v1.Nested, which cannot be written as text/],
  ["nesteds.name=1", /nesteds has no fields/],
  ["string_value.x=1", /string_value has no fields/],
  ["timestamp_value.seconds=1", /timestamp_value has no fields/],
  ["uint32_value=%2B1", /"\+1" is not a whole number/],
  ["timestamp_value=2023-02-29T00:00:00Z", /is not a date and time like/],
  ["timestamp_value=2024-02-29T24:00:00Z", /is not a date and time like/],
  ["timestamp_value=yesterday", /"yesterday" is not a date and time like/],
  ["duration_value=5", /not a duration like/],
  ["duration_value=1.5x", /not a duration/],
  ["duration_value=99999999999h", /longer than/],
  ["struct_value=[1]", /not a JSON object/],
  ["struct_value={", /not JSON/],
  [
    "choice_text=a&choice_wrapper=b",
    /^field "choice_wrapper": choice is already given as choiceText, and can hold only one$/,
  ],
  ["choice_nested.name=a&choice_text=b", /choice is already given as choiceNested/],
  ["choice_text=a&choice_nested.name=b", /choice is already given as choiceText/],
  ["string_value=%zz", /not valid percent-encoding/],
  ["string_value=%ff", /not valid percent-encoding/],
  ["%zz=1", /not valid percent-encoding/],
  [`nested${".child".repeat(200)}.name=x`, /more than 100 messages deep/],
];

test("refuses what is no value of a field with 400 CODEC, naming the field", () => {
  for (const [query, message] of refused) {
    assert.throws(
      () => bind(query),
      (error: unknown) => {
        assert.ok(error instanceof ServiceError, `${query}: ${String(error)}`);
        assert.equal(error.code, 400);
        assert.equal(error.reason, "CODEC");
        assert.match(error.message, message, query);
        return true;
      },
      query,
    );
  }
});

test("a key that would reach an object's prototype is only a key", () => {
  const message = create(KindsSchema);
  bindQuery(
    KindsSchema,
    message,
    "labels[__proto__]=x&labels[constructor]=y&__proto__.polluted=1&constructor.prototype.polluted=1",
  );
  assert.deepEqual(Object.keys(message.labels), ["__proto__", "constructor"]);
  assert.equal(Object.getPrototypeOf(message.labels), Object.prototype);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

const messages: readonly MessageInitShape<typeof KindsSchema>[] = [
  {},
  { stringValue: "a b&c=d/é+%", renamed: "!'()*" },
  { boolValue: true, int32Value: -1, int64Value: -9223372036854775808n, uint64Value: 18446744073709551615n },
  { floatValue: 0.5, doubleValue: 1e300 },
  { doubleValue: -Infinity, floatValue: NaN },
  { bytesValue: new Uint8Array([251, 255, 0]), bytesWrapper: new Uint8Array([251, 255]) },
  { enumValue: 1, colors: [2, 0, 1], numbers: [1, -2], strings: ["", "a,b"] },
  { enumValue: 55 as 1 },
  { nested: { name: "a", child: { count: 2, child: { name: "c" } } } },
  { labels: { "a.b": "1", "c[d]": "&", __proto__: "x" }, colorsByNumber: { 1: 2, [-1]: 1 } },
  { timestampValue: { seconds: 1_700_000_000n, nanos: 5 }, durationValue: { seconds: -1n, nanos: -500_000_000 } },
  { timestamps: [{ seconds: 0n }, { seconds: 1n, nanos: 1_000_000 }] },
  { fieldMask: { paths: ["string_value", "nested.child"] }, structValue: { a: { b: [1, null] } } },
  { value: { kind: { case: "stringValue", value: "v" } } },
  { stringWrapper: "x", int64Wrapper: 0n, boolWrapper: false, optionalString: "o" },
  { choice: { case: "choiceText", value: "t" } },
  { choice: { case: "choiceNested", value: { name: "n" } } },
  { choice: { case: "choiceWrapper", value: { value: "w" } } },
];

test("what a client writes as a query, a server reads as the same message", () => {
  for (const init of messages) {
    const message = create(KindsSchema, init);
    const query = encodeQuery(KindsSchema, message);
    assert.match(query, /^[\w.~%=&-]*$/);
    assert.deepEqual(bind(query), toJson(KindsSchema, message), query);
  }
});

test("writes JSON names, and leaves out what is not set or held elsewhere", () => {
  const message = create(KindsSchema, {
    stringValue: "s",
    int32Value: 0,
    nested: { name: "n", count: 1 },
    renamed: "r",
  });
  assert.equal(encodeQuery(KindsSchema, message), "stringValue=s&nested.name=n&nested.count=1&otherName=r");
  assert.equal(
    encodeQuery(KindsSchema, message, new Set(["string_value", "nested.name"])),
    "nested.count=1&otherName=r",
  );
  assert.equal(encodeQuery(KindsSchema, message, new Set(["nested"])), "stringValue=s&otherName=r");
});

test("writes a timestamp in UTC and bytes as the standard base64 that Kratos reads", () => {
  const message = create(KindsSchema, {
    timestampValue: { seconds: 1_704_164_645n },
    bytesValue: new Uint8Array([251, 255]),
  });
  assert.equal(encodeQuery(KindsSchema, message), "bytesValue=%2B%2F8%3D&timestampValue=2024-01-02T03%3A04%3A05Z");
});

test("a field that no query can tell is an error that names it", () => {
  const cases: [MessageInitShape<typeof KindsSchema>, RegExp][] = [
    [{ nesteds: [{}] }, /^field "nesteds": it holds test.v1.Nested, which cannot be written in a query$/],
    [{ nestedByName: { a: {} } }, /^field "nestedByName"/],
    [{ value: { kind: { case: "numberValue", value: 1 } } }, /^field "value": .*only strings/],
  ];
  for (const [init, message] of cases) {
    assert.throws(() => encodeQuery(KindsSchema, create(KindsSchema, init)), { code: 400, reason: "CODEC", message });
  }
});
