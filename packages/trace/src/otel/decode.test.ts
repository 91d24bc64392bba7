import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRequest } from "./decode.ts";
import { encodeJsonRequest } from "./decode-json.ts";
import { decodeSpan, decodeSpans } from "./decode-span.ts";
import { joinSpans, locateSpans, type RawSpan, sliceSpans } from "./raw-span.ts";

// Bytes by hand, from the field table of OTLP v1.11.
const bytes = (...parts: (number[] | Uint8Array | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));
const length = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
const field = (tag: number, ...parts: (number[] | Uint8Array | string)[]): Buffer => {
  const body = bytes(...parts);
  return bytes([tag, ...length(body.length)], body);
};
const fixed64 = (value: bigint): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
};
const attribute = (tag: number, key: string, value: Uint8Array): Buffer =>
  field(tag, field(0x0a, key), field(0x12, value));
const stringValue = (value: string): Buffer => field(0x0a, value);

const traceId = "0af7651916cd43dd8448eb211c80319c";
const hexBytes = (hex: string): Buffer => Buffer.from(hex, "hex");

interface SpanInit {
  trace?: string;
  id?: string;
  parent?: string;
  name?: string;
  kind?: number;
  start?: bigint;
  end?: bigint;
  rest?: Buffer[];
}

function span(init: SpanInit = {}): Buffer {
  return bytes(
    field(0x0a, hexBytes(init.trace ?? traceId)),
    field(0x12, hexBytes(init.id ?? "b7ad6b7169203331")),
    init.parent === undefined ? [] : field(0x22, hexBytes(init.parent)),
    field(0x2a, init.name ?? "GET /v1/users/{id}"),
    [0x30, init.kind ?? 2],
    [0x39],
    fixed64(init.start ?? 1_700_000_000_123_456_500n),
    [0x41],
    fixed64(init.end ?? 1_700_000_000_125_456_500n),
    ...(init.rest ?? []),
  );
}

function request(service: string, ...spans: Uint8Array[]): Buffer {
  return field(
    0x0a,
    field(0x0a, attribute(0x0a, "service.name", stringValue(service))),
    field(0x12, field(0x0a, field(0x0a, "scope"), field(0x12, "1.2")), ...spans.map((one) => field(0x12, one))),
  );
}

const strings = (batch: ReturnType<typeof decodeRequest>, column: Uint32Array): string[] =>
  [...column].map((index) => batch.strings[index]!);

test("reads the columns of a span and leaves its bytes where they are", () => {
  const input = request(
    "user",
    span({
      rest: [
        attribute(0x4a, "http.request.method", stringValue("GET")),
        attribute(0x4a, "url.path", stringValue("/v1/users/1?x=1")),
        field(0x7a, [0x18, 2]),
      ],
    }),
    span({ id: "00f067aa0ba902b7", parent: "b7ad6b7169203331", name: "query", kind: 3 }),
  );
  const batch = decodeRequest(input);
  assert.equal(batch.size, 2);
  assert.equal(batch.request, input);
  assert.equal(Buffer.from(batch.traceIds).toString("hex"), traceId + traceId);
  assert.equal(Buffer.from(batch.spanIds).toString("hex"), "b7ad6b716920333100f067aa0ba902b7");
  assert.equal(Buffer.from(batch.parentSpanIds).toString("hex"), "0000000000000000b7ad6b7169203331");
  assert.deepEqual([...batch.startUs], [1_700_000_000_123_456.5, 1_700_000_000_123_456.5]);
  assert.deepEqual([...batch.durationUs], [2000, 2000]);
  assert.deepEqual([...batch.kinds], [2, 3]);
  assert.deepEqual([...batch.statusCodes], [2, 0]);
  assert.deepEqual(strings(batch, batch.names), ["GET /v1/users/{id}", "query"]);
  assert.deepEqual(strings(batch, batch.services), ["user", "user"]);
  assert.deepEqual(strings(batch, batch.paths), ["GET /v1/users/1", ""]);
  const second = sliceSpans(input).find(({ span }) => span.byteOffset - input.byteOffset === batch.offsets[1]);
  assert.equal(decodeSpan(second!).name, "query");
});

test("reads a resource that stands behind its spans, unknown fields, and a span that ends before it starts", () => {
  const input = field(
    0x0a,
    field(0x12, field(0x12, bytes(field(0x9a, [1]).subarray(0, 0), [0xa0, 0x06, 0x05], span({ end: 1n })))),
    field(0x0a, attribute(0x0a, "service.name", stringValue("late"))),
  );
  const batch = decodeRequest(input);
  assert.deepEqual(strings(batch, batch.services), ["late"]);
  assert.deepEqual([...batch.durationUs], [0]);
});

test("a request without spans is an empty batch; a resource without a name is unknown_service", () => {
  assert.equal(decodeRequest(new Uint8Array(0)).size, 0);
  const batch = decodeRequest(field(0x0a, field(0x12, field(0x12, span()))));
  assert.deepEqual(strings(batch, batch.services), ["unknown_service"]);
});

test("rejects a span with a bad id alone, and says where", () => {
  const batch = decodeRequest(
    request("user", span(), span({ trace: "00".repeat(16) }), span({ id: "0102" }), span({ trace: "0a" })),
  );
  assert.equal(batch.size, 1);
  assert.equal(batch.rejected, 3);
  assert.match(batch.message, /^a trace id must be 16 bytes, not all zero, in the span at byte \d+$/);
});

test("names the byte where a request is malformed", () => {
  const whole = request("user", span());
  const cases: [Uint8Array, RegExp][] = [
    [whole.subarray(0, whole.length - 3), /^at byte 1: a field of \d+ bytes runs 3 past the end of its message$/],
    [Buffer.from("hello"), /^at byte /],
    [bytes([0x0b]), /^at byte 1: field 1 has wire type 3, which proto3 does not use$/],
    [bytes([0x02, 0x00]), /^at byte 0: 2 is no field tag$/],
    [request("user", bytes([0x39, 1, 2])), /^at byte \d+: a 8-byte field runs past the end of its message$/],
    [bytes(Array(11).fill(0xff)), /^at byte 0: a varint is longer than 10 bytes$/],
    [request("user", span({ rest: [bytes([0x4a, 0x7f])] })), /runs 127 past the end/],
  ];
  for (const [input, message] of cases) {
    assert.throws(() => decodeRequest(input), { name: "MalformedError", code: "CLEW_TRACE_MALFORMED", message });
  }
});

test("decodes one span in full", () => {
  const int = bytes([0x18], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
  const big = bytes([0x18], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
  const double = Buffer.alloc(9, 0x21);
  double.writeDoubleLE(1, 1);
  const [decoded] = decodeSpans(
    request(
      "user",
      span({
        parent: "00f067aa0ba902b7",
        rest: [
          field(0x1a, "a=1"),
          attribute(0x4a, "s", stringValue("é")),
          attribute(0x4a, "b", bytes([0x10, 1])),
          attribute(0x4a, "i", int),
          attribute(0x4a, "big", big),
          attribute(0x4a, "d", double),
          attribute(0x4a, "list", field(0x2a, field(0x0a, stringValue("x")), field(0x0a, int))),
          attribute(0x4a, "map", field(0x32, attribute(0x0a, "k", stringValue("v")))),
          attribute(0x4a, "bin", field(0x3a, [1, 2])),
          attribute(0x4a, "none", bytes()),
          field(
            0x5a,
            [0x09],
            fixed64(1_700_000_000_124_000_000n),
            field(0x12, "exception"),
            attribute(0x1a, "m", stringValue("boom")),
          ),
          field(
            0x6a,
            field(0x0a, hexBytes(traceId)),
            field(0x12, hexBytes("0102030405060708")),
            attribute(0x22, "why", stringValue("w")),
          ),
          field(0x7a, field(0x12, "no"), [0x18, 2]),
          bytes([0x85, 0x01, 0x01, 0x03, 0, 0]),
        ],
      }),
    ),
  );
  assert.deepEqual(decoded, {
    traceId,
    spanId: "b7ad6b7169203331",
    parentSpanId: "00f067aa0ba902b7",
    traceState: "a=1",
    flags: 0x301,
    name: "GET /v1/users/{id}",
    kind: 2,
    startUs: 1_700_000_000_123_456.5,
    durationUs: 2000,
    status: { code: 2, message: "no" },
    attributes: [
      { key: "s", type: "string", value: "é" },
      { key: "b", type: "bool", value: true },
      { key: "i", type: "int64", value: -1 },
      { key: "big", type: "int64", value: "9223372036854775807" },
      { key: "d", type: "float64", value: 1 },
      { key: "list", type: "array", value: ["x", -1] },
      { key: "map", type: "map", value: { k: "v" } },
      { key: "bin", type: "binary", value: "AQI=" },
      { key: "none", type: "empty", value: null },
    ],
    events: [
      { name: "exception", timeUs: 1_700_000_000_124_000, attributes: [{ key: "m", type: "string", value: "boom" }] },
    ],
    links: [
      { traceId, spanId: "0102030405060708", traceState: "", attributes: [{ key: "why", type: "string", value: "w" }] },
    ],
    service: "user",
    resource: [{ key: "service.name", type: "string", value: "user" }],
    scope: { name: "scope", version: "1.2" },
  });
});

test("a value that nests without end is cut, not followed", () => {
  let value = stringValue("deep");
  for (let i = 0; i < 60; i++) value = field(0x2a, field(0x0a, value));
  const [decoded] = decodeSpans(request("user", span({ rest: [attribute(0x4a, "deep", value)] })));
  assert.match(JSON.stringify(decoded!.attributes[0]), /\[null\]/);
});

test("joins sliced spans into a request that says the same", () => {
  const input = bytes(
    request("user", span(), span({ id: "0102030405060708" })),
    request("message", span({ id: "0a02030405060708" })),
  );
  const joined = joinSpans(sliceSpans(input));
  assert.deepEqual(decodeSpans(joined), decodeSpans(input));
  assert.equal(joined.length, input.length);
  const chosen = joinSpans(sliceSpans(input).filter((_, index) => index !== 0));
  assert.deepEqual(
    decodeSpans(chosen).map(({ service, spanId }) => [service, spanId]),
    [
      ["user", "0102030405060708"],
      ["message", "0a02030405060708"],
    ],
  );
});

test("spans keep the schemas of their resources and scopes, also where they share the rest", () => {
  const schemas = [
    ["r1", "s1"],
    ["r1", "s2"],
    ["r2", "s1"],
    ["", ""],
  ] as const;
  const resource = field(0x0a, attribute(0x0a, "service.name", stringValue("user")));
  const url = (text: string): Buffer => (text === "" ? Buffer.alloc(0) : field(0x1a, text));
  const input = bytes(
    ...schemas.map(([ofResource, ofScope]) =>
      field(0x0a, resource, field(0x12, field(0x12, span()), url(ofScope)), url(ofResource)),
    ),
  );
  const sliced = sliceSpans(input);
  assert.deepEqual(Buffer.from(joinSpans(sliced)), input);
  const [first] = sliced as [RawSpan];
  const shared = sliced.map((raw, index) => ({
    ...raw,
    resource: first.resource,
    resourceSchema: index === 1 ? first.resourceSchema : raw.resourceSchema,
  }));
  const joined = joinSpans(shared);
  assert.deepEqual(
    sliceSpans(joined).map((raw) => [
      Buffer.from(raw.resourceSchema).toString(),
      Buffer.from(raw.scopeSchema).toString(),
    ]),
    schemas,
  );
  // Two scopes under one resource now.
  assert.equal(locateSpans(joined).resources.length, 3);
});

test("OTLP/JSON says the same as protobuf", () => {
  const json = encodeJsonRequest(
    JSON.stringify({
      resourceSpans: [
        {
          unknown: { a: 1 },
          resource: { attributes: [{ key: "service.name", value: { stringValue: "user" } }] },
          scopeSpans: [
            {
              scope: { name: "scope", version: "1.2" },
              spans: [
                {
                  traceId: traceId.toUpperCase(),
                  spanId: "b7ad6b7169203331",
                  name: "GET /v1/users/{id}",
                  kind: 2,
                  startTimeUnixNano: "1700000000123456500",
                  endTimeUnixNano: "1700000000125456500",
                  attributes: [
                    { key: "i", value: { intValue: "-1" } },
                    { key: "j", value: { intValue: 7 } },
                    { key: "d", value: { doubleValue: "NaN" } },
                    { key: "list", value: { arrayValue: { values: [{ boolValue: true }, { doubleValue: 0.5 }] } } },
                    {
                      key: "map",
                      value: { kvlistValue: { values: [{ key: "__proto__", value: { stringValue: "v" } }] } },
                    },
                    { key: "bin", value: { bytesValue: "AQI=" } },
                  ],
                  events: [{ timeUnixNano: 1_700_000_000_124_000_000, name: "e" }],
                  status: { code: 2, message: "no" },
                  parentSpanId: "",
                  links: null,
                },
              ],
            },
          ],
        },
      ],
    }),
  );
  const [decoded] = decodeSpans(json);
  assert.equal(decoded!.traceId, traceId);
  assert.equal(decoded!.parentSpanId, "");
  assert.equal(decoded!.startUs, 1_700_000_000_123_456.5);
  assert.equal(decoded!.durationUs, 2000);
  assert.equal(decoded!.service, "user");
  assert.deepEqual(decoded!.status, { code: 2, message: "no" });
  assert.deepEqual(
    decoded!.attributes.map(({ type, value }) => [type, JSON.stringify(value)]),
    [
      ["int64", "-1"],
      ["int64", "7"],
      ["float64", '"NaN"'],
      ["array", "[true,0.5]"],
      ["map", '{"__proto__":"v"}'],
      ["binary", '"AQI="'],
    ],
  );
  assert.deepEqual(decoded!.events, [{ name: "e", timeUs: 1_700_000_000_124_000, attributes: [] }]);
});

test("OTLP/JSON: an id that is not hex rejects its span alone", () => {
  const spans = [
    { traceId: "zz", spanId: "b7ad6b7169203331" },
    { traceId, spanId: "b7ad6b7169203331" },
  ];
  const batch = decodeRequest(encodeJsonRequest(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] })));
  assert.equal(batch.size, 1);
  assert.equal(batch.rejected, 1);
});

test("OTLP/JSON: names the place of what is wrong", () => {
  const inSpan = (span: object): string => JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  let deep: object = { stringValue: "x" };
  for (let i = 0; i < 200; i++) deep = { arrayValue: { values: [deep] } };
  const cases: [string, RegExp][] = [
    ["{", /^not JSON: .*position 1/],
    ["[]", /^request must be an object, not \[\]$/],
    ['{"resourceSpans":{}}', /^request\.resourceSpans must be an array, not \{\}$/],
    [inSpan({ kind: "SPAN_KIND_SERVER" }), /spans\[0\]\.kind must be an integer, not "SPAN_KIND_SERVER"$/],
    [inSpan({ startTimeUnixNano: 1.5 }), /spans\[0\]\.startTimeUnixNano must be an integer, not 1\.5$/],
    [inSpan({ attributes: [{ key: 1 }] }), /attributes\[0\]\.key must be a string, not 1$/],
    [inSpan({ attributes: [{ key: "deep", value: deep }] }), /^values nest more than 100 deep$/],
  ];
  for (const [json, message] of cases)
    assert.throws(() => encodeJsonRequest(json), { name: "MalformedError", message });
});
