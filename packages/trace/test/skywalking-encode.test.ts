import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeSegment,
  encodeSegment,
  encodeSegments,
  type SegmentData,
  segmentFromJson,
  segmentToJson,
  sliceSegments,
} from "@clew/trace/skywalking";

const golden: SegmentData = {
  traceId: "t.1.1",
  segmentId: "s.1.1",
  service: "svc2",
  instance: "ins2",
  isSizeLimited: false,
  spans: [
    {
      spanId: 0,
      parentSpanId: -1,
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_005,
      references: [
        {
          type: 0,
          traceId: "t.1.1",
          parentSegmentId: "p.1.1",
          parentSpanId: 2,
          parentService: "svc",
          parentInstance: "ins",
          parentEndpoint: "GET:/a",
          address: "h:80",
        },
      ],
      operation: "GET:/b",
      peer: "",
      type: 0,
      layer: 3,
      componentId: 49,
      isError: false,
      tags: ["http.method", "GET"],
      logs: [],
      skipAnalysis: false,
    },
  ],
};

test("a segment has the bytes that protoc gives it, and is read back", () => {
  const bytes = encodeSegment(golden);
  assert.equal(
    bytes.toString("hex"),
    "0a05742e312e311205732e312e311a6310ffffffffffffffffff011880d095ffbc312085d095ffbc312a281205742e312e311a05702e312e3120022a0373" +
      "76633203696e733a064745543a2f614204683a383032064745543a2f624803503162120a0b687474702e6d6574686f6412034745542204737663322a04" +
      "696e7332",
  );
  assert.deepEqual(decodeSegment(bytes), golden);
  assert.deepEqual(sliceSegments(encodeSegments([golden, golden])).map(decodeSegment), [golden, golden]);
  assert.deepEqual(segmentFromJson(JSON.parse(JSON.stringify(segmentToJson(golden)))), golden);
});

test("bytes that are no segment are refused, JSON that is none is undefined", () => {
  assert.throws(() => decodeSegment(Buffer.from("1a63", "hex")), { code: "CLEW_TRACE_MALFORMED" });
  for (const json of [null, 7, {}, [], { traceId: "t" }]) assert.equal(segmentFromJson(json), undefined);
  const odd = segmentFromJson({
    traceId: "t",
    traceSegmentId: "s",
    spans: [null, { spanType: "Nope", startTime: "5" }],
  });
  assert.equal(odd?.spans[1]?.startMs, 5);
});
