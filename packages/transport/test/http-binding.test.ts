import assert from "node:assert/strict";
import { test } from "node:test";
import { service } from "@clew/rpc";
import { Rules } from "./gen/test/v1/kinds_pb.ts";
import { withServer } from "./http-shelves.ts";

const same = (request: object): object => request;
const rules = service(Rules, { query: same, patch: same, tags: same, bare: same, purge: same, move: same } as never);

/** What one side sends as text, and what the field is then as JSON. */
const kinds: [text: string, field: string, json: unknown][] = [
  ["string_value=a+b%26", "stringValue", "a b&"],
  ["stringValue=json+name", "stringValue", "json name"],
  ["otherName=x", "otherName", "x"],
  ["bool_value=T", "boolValue", true],
  ["int32_value=-7", "int32Value", -7],
  ["int64_value=9007199254740993", "int64Value", "9007199254740993"],
  ["uint64_value=18446744073709551615", "uint64Value", "18446744073709551615"],
  ["double_value=1e3", "doubleValue", 1000],
  ["float_value=Inf", "floatValue", "Infinity"],
  ["bytes_value=-_8%3D", "bytesValue", "+/8="],
  ["enum_value=BLUE", "enumValue", "BLUE"],
  ["enum_value=2", "enumValue", "BLUE"],
  ["enum_value=77", "enumValue", 77],
  ["nested.child.name=deep", "nested", { name: "", count: 0, child: { name: "deep", count: 0 } }],
  ["strings=a&strings=b", "strings", ["a", "b"]],
  ["strings[]=a&strings[]=b", "strings", ["a", "b"]],
  ["colors=RED&colors=2", "colors", ["RED", "BLUE"]],
  ["timestamps=2024-01-02T03:04:05Z", "timestamps", ["2024-01-02T03:04:05Z"]],
  ["labels[a.b]=1&labels.c=2", "labels", { "a.b": "1", c: "2" }],
  ["colors_by_number[3]=RED", "colorsByNumber", { 3: "RED" }],
  ["timestamp_value=2024-01-02T03:04:05.678%2B01:00", "timestampValue", "2024-01-02T02:04:05.678Z"],
  ["duration_value=1m0.5s", "durationValue", "60.500s"],
  ["field_mask=stringValue,nested.child_name", "fieldMask", "stringValue,nested.childName"],
  ["struct_value=%7B%22a%22:1%7D", "structValue", { a: 1 }],
  ["value=text", "value", "text"],
  ["string_wrapper=w", "stringWrapper", "w"],
  ["int64_wrapper=5", "int64Wrapper", "5"],
  ["bool_wrapper=false", "boolWrapper", false],
  ["bytes_wrapper=AQI", "bytesWrapper", "AQI="],
  ["optional_string=o", "optionalString", "o"],
  ["choice_nested.name=c", "choiceNested", { name: "c", count: 0 }],
  ["unknown=1&string_value=a", "stringValue", "a"],
];

test("every kind of field comes in by a query, and by a form", async () => {
  await withServer({ services: [rules] }, async (url) => {
    for (const [text, field, json] of kinds) {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const ways = [
        fetch(`${url}/v1/kinds?${text}`),
        fetch(`${url}/v1/kinds/_:purge`, { method: "POST", headers, body: text }),
      ];
      for (const way of await Promise.all(ways)) {
        const reply = (await way.json()) as Record<string, unknown>;
        assert.equal(way.status, 200, `${text}: ${JSON.stringify(reply)}`);
        // The form's path holds the string.
        if (field !== "stringValue" || way.url.includes("?")) assert.deepEqual(reply[field], json, text);
      }
    }
  });
});

test("what is no value is 400 CODEC that names the field, by a query, a path and a form", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  await withServer({ services: [rules] }, async (url) => {
    const cases: [Promise<Response>, RegExp][] = [
      [fetch(`${url}/v1/kinds?int32_value=x`), /field "int32_value": "x" is not a whole number/],
      [fetch(`${url}/v1/kinds?int32_value=1&int32_value=2`), /"int32_value": it is given more than once/],
      [fetch(`${url}/v1/kinds/x`, { method: "PATCH" }), /field "int32_value"/],
      [fetch(`${url}/v1/any/GREEN`), /field "enum_value": "GREEN" is not a value of test\.v1\.Color/],
      [fetch(`${url}/v1/kinds/a:purge`, { method: "POST", headers, body: "bool_value=yes" }), /neither true nor false/],
    ];
    for (const [asked, message] of cases) {
      const response = await asked;
      const error = (await response.json()) as { reason: string; message: string };
      assert.deepEqual([response.status, error.reason], [400, "CODEC"]);
      assert.match(error.message, message);
    }
  });
});
