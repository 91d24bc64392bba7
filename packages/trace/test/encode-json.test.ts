// The JSON of a request says what its protobuf says: the one is turned into the other, and both are read by protobuf-es.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { noAttributes, type SpanData, toAttributeValue } from "@clew/trace";
import { encodeJsonRequest, encodeRequest, encodeRequestAsJson } from "@clew/trace/otel";
import { ExportTraceServiceRequestSchema } from "./gen/otlp_pb.ts";

const scope = { name: "lib", version: "1.2", schemaUrl: "https://example.com/1" };
const resource = { attributes: ["service.name", "user", "process.pid", 7], schemaUrl: "https://example.com/2" };

function makeSpan(changes: Partial<SpanData> = {}): SpanData {
  return {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    parentSpanId: "",
    isParentRemote: false,
    traceFlags: 1,
    traceState: "",
    name: "work",
    kind: 0,
    startUs: 1_700_000_000_000_000,
    endUs: 1_700_000_000_001_000 + 0.25,
    statusCode: 0,
    statusMessage: "",
    attributes: noAttributes,
    droppedAttributes: 0,
    events: [],
    droppedEvents: 0,
    links: [],
    droppedLinks: 0,
    scope,
    resource,
    ...changes,
  };
}

/** A request as protobuf-es reads it, as plain values. */
const read = (bytes: Uint8Array): unknown =>
  toJson(ExportTraceServiceRequestSchema, fromBinary(ExportTraceServiceRequestSchema, bytes));

test("a plain span, to the letter", () => {
  assert.equal(
    encodeRequestAsJson([makeSpan()]),
    '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"user"}},' +
      '{"key":"process.pid","value":{"intValue":"7"}}]},"scopeSpans":[{"scope":{"name":"lib","version":"1.2"},"spans":[' +
      '{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"work","kind":1,' +
      '"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000001000250","flags":257}],' +
      '"schemaUrl":"https://example.com/1"}],"schemaUrl":"https://example.com/2"}]}',
  );
  assert.equal(encodeRequestAsJson([]), '{"resourceSpans":[]}');
});

const values = [
  ...["", "plain", 'quote " back \\ slash', "line\nbreak\0\u001f\u007f\u2028", "ä€😀", "\ud800 alone", "x".repeat(300)],
  ...[
    0,
    -0,
    1,
    -1,
    2 ** 53,
    -(2 ** 40),
    0.1,
    -1e-7,
    1e21,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ],
  ...[true, false, null, 2n ** 63n - 1n, -(2n ** 63n), new Uint8Array([0, 1, 255]), new Uint8Array(0)],
  ...[[], ["a", 1, [true, null]], {}, { a: 1, "b ä": { c: [{}] } }],
].map((value) => toAttributeValue(value, 1000) ?? null);

test("every kind of value, in every place, says what protobuf says", () => {
  const attributes = values.flatMap((value, index) => [`key ${index} "`, value]);
  const other = { name: "", version: "", schemaUrl: "" };
  const spans = [
    makeSpan({ attributes, droppedAttributes: 3, droppedEvents: 4, droppedLinks: 5, kind: 4 }),
    makeSpan({ parentSpanId: "00f067aa0ba902b7", isParentRemote: true, traceFlags: 3, traceState: "a=1,b=2" }),
    makeSpan({ statusCode: 2, statusMessage: 'no "x"', scope: other, kind: 1 }),
    makeSpan({ statusCode: 1, resource: { attributes, schemaUrl: "" } }),
    makeSpan({
      events: [
        { name: "one", timeUs: 1_700_000_000_000_000.5, attributes, droppedAttributes: 1 },
        { name: "", timeUs: 1_700_000_000_000_000 - 0.25, attributes: noAttributes, droppedAttributes: 0 },
      ],
      links: [
        {
          traceId: "1af7651916cd43dd8448eb211c80319c",
          spanId: "c7ad6b7169203331",
          traceFlags: 0,
          traceState: "v=1",
          isRemote: true,
          attributes,
          droppedAttributes: 2,
        },
      ],
    }),
  ];
  const json = encodeRequestAsJson(spans);
  JSON.parse(json);
  assert.deepEqual(read(encodeJsonRequest(json)), read(encodeRequest(spans)));
});
