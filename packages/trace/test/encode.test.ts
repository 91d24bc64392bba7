import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type AttributeValue,
  alwaysOn,
  attributesOf,
  emptyResource,
  noAttributes,
  type SpanData,
  TracerProvider,
  toAttributeValue,
} from "@clew/trace";
import {
  decodePartialSuccess,
  decodeSpans,
  decodeStatusMessage,
  encodePartialSuccess,
  encodeRequest,
  SpanBatch,
} from "@clew/trace/otel";
import {
  type Context,
  createTraceState,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  trace,
} from "@opentelemetry/api";
import {
  type AnyValue,
  ExportTraceServiceRequestSchema,
  ExportTraceServiceResponseSchema,
  type KeyValue,
  type Span,
} from "./gen/otlp_pb.ts";
import { keepSpans } from "./keep-spans.ts";

const scope = { name: "lib", version: "1.2", schemaUrl: "" };
const resource = { attributes: ["service.name", "user"], schemaUrl: "" };
const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

function spanData(changes: Partial<SpanData> = {}): SpanData {
  return {
    traceId,
    spanId,
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

function roundTrip(changes: Partial<SpanData>): Span {
  const request = fromBinary(ExportTraceServiceRequestSchema, encodeRequest([spanData(changes)]));
  return request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function plain(value: AnyValue | undefined): unknown {
  switch (value?.value.case) {
    case "arrayValue":
      return value.value.value.values.map(plain);
    case "kvlistValue":
      return Object.fromEntries(value.value.value.values.map((entry: KeyValue) => [entry.key, plain(entry.value)]));
    case "bytesValue":
      return new Uint8Array(value.value.value);
    default:
      return value?.value.value;
  }
}

test("the bytes of a small span are these", () => {
  const expected = [
    "0a 66", // resource_spans, 102 bytes
    "0a 18 0a 16", // resource { attributes {
    "0a 0c 736572766963652e6e616d65", // "service.name"
    "12 06 0a 04 75736572", // "user" } }
    "12 4a", // scope_spans, 74 bytes
    "0a 0a 0a 03 6c6962 12 03 312e32", // scope { "lib" "1.2" }
    "12 3c", // span, 60 bytes
    `0a 10 ${traceId}`,
    `12 08 ${spanId}`,
    "2a 04 776f726b", // "work"
    "30 01", // INTERNAL
    "39 00002a36fe9c9717", // 1_700_000_000_000_000_000
    "41 3a433936fe9c9717", // 1_700_000_000_001_000_250
    "85 01 01 01 00 00", // flags: sampled, and whether the parent is remote is known
  ];
  assert.equal(hex(encodeRequest([spanData()])), expected.join("").replaceAll(" ", ""));
});

test("somebody else's decoder reads all of a span", () => {
  const span = roundTrip({
    parentSpanId: "00f067aa0ba902b7",
    isParentRemote: true,
    traceFlags: 3,
    traceState: "a=1,b=2",
    name: "GET /users/{id}",
    kind: 1,
    statusCode: 2,
    statusMessage: "broken",
    droppedAttributes: 300,
    droppedEvents: 2,
    droppedLinks: 70_000,
    events: [
      { name: "seen", timeUs: 1_700_000_000_000_500.5, attributes: ["n", 1], droppedAttributes: 4 },
      { name: "", timeUs: 1_700_000_000_000_600, attributes: [], droppedAttributes: 0 },
    ],
    links: [
      {
        traceId: traceId.toUpperCase(),
        spanId,
        traceFlags: 1,
        traceState: "c=3",
        isRemote: true,
        attributes: ["x", "y"],
        droppedAttributes: 5,
      },
      { traceId, spanId, traceFlags: 0, traceState: "", isRemote: false, attributes: [], droppedAttributes: 0 },
    ],
  });
  assert.equal(hex(span.traceId), traceId);
  assert.equal(hex(span.spanId), spanId);
  assert.equal(hex(span.parentSpanId), "00f067aa0ba902b7");
  assert.equal(span.traceState, "a=1,b=2");
  assert.equal(span.name, "GET /users/{id}");
  assert.equal(span.kind, 2);
  assert.equal(span.startTimeUnixNano, 1_700_000_000_000_000_000n);
  assert.equal(span.endTimeUnixNano, 1_700_000_000_001_000_250n);
  assert.deepEqual([span.droppedAttributesCount, span.droppedEventsCount, span.droppedLinksCount], [300, 2, 70_000]);
  assert.equal(span.status?.code, 2);
  assert.equal(span.status?.message, "broken");
  assert.equal(span.flags, 0x303);
  assert.deepEqual(
    span.events.map((event) => [event.name, event.timeUnixNano, event.attributes.length, event.droppedAttributesCount]),
    [
      ["seen", 1_700_000_000_000_500_500n, 1, 4],
      ["", 1_700_000_000_000_600_000n, 0, 0],
    ],
  );
  assert.deepEqual(
    span.links.map((link) => [
      hex(link.traceId),
      hex(link.spanId),
      link.traceState,
      link.flags,
      link.droppedAttributesCount,
    ]),
    [
      [traceId, spanId, "c=3", 0x301, 5],
      [traceId, spanId, "", 0x100, 0],
    ],
  );
  assert.equal(plain(span.links[0]!.attributes[0]!.value), "y");
});

test("every kind of value arrives as what it was", () => {
  const values: [AttributeValue, unknown][] = [
    ["", ""],
    ["text", "text"],
    ["x".repeat(200), "x".repeat(200)],
    ["y".repeat(20_000), "y".repeat(20_000)],
    ["änderung €uro 😀 漢字", "änderung €uro 😀 漢字"],
    [`${"é".repeat(100)}`, "é".repeat(100)],
    ["half \ud83d pair \ude00", "half \ufffd pair \ufffd"],
    [true, true],
    [false, false],
    [0, 0n],
    [127, 127n],
    [128, 128n],
    [16_383, 16_383n],
    [16_384, 16_384n],
    [2 ** 31, 2n ** 31n],
    [2 ** 32 - 1, 2n ** 32n - 1n],
    [2 ** 32, 2n ** 32n],
    [2 ** 40 + 12345, 2n ** 40n + 12345n],
    [Number.MAX_SAFE_INTEGER, 2n ** 53n - 1n],
    [-1, -1n],
    [-(2 ** 40), -(2n ** 40n)],
    [Number.MIN_SAFE_INTEGER, -(2n ** 53n) + 1n],
    [2n ** 63n - 1n, 2n ** 63n - 1n],
    [-(2n ** 63n), -(2n ** 63n)],
    [2 ** 53, 2 ** 53],
    [0.1, 0.1],
    [-1.5e300, -1.5e300],
    [Number.NaN, Number.NaN],
    [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    [null, undefined],
    [new Uint8Array([1, 2, 255]), new Uint8Array([1, 2, 255])],
    [new Uint8Array(), new Uint8Array()],
    [
      [1, "two", [true, null]],
      [1n, "two", [true, undefined]],
    ],
    [[], []],
    [
      { a: 1, "": { b: ["c"] } },
      { a: 1n, "": { b: ["c"] } },
    ],
    [{}, {}],
  ];
  // Short keys and long ones, new ones and ones that have been written before.
  for (const prefix of ["key", "key", "k".repeat(120), "k".repeat(120)]) {
    const attributes = values.flatMap(([value], index) => [`${prefix}${index}`, value]);
    const span = roundTrip({ attributes });
    assert.equal(span.attributes.length, values.length);
    for (const [index, [given, expected]] of values.entries()) {
      assert.equal(span.attributes[index]!.key, `${prefix}${index}`);
      assert.deepEqual(plain(span.attributes[index]!.value), expected, String(given).slice(0, 50));
    }
  }
});

test("whatever the user gave can be encoded", () => {
  const cycle: unknown[] = [Symbol("s"), () => 1, 2n ** 80n, new Date(0)];
  cycle.push(cycle);
  const value = toAttributeValue({ cycle, ключ: 1 }, 1000)!;
  assert.deepEqual(plain(roundTrip({ attributes: ["a", value] }).attributes[0]!.value), {
    cycle: ["Symbol(s)", "[Function]", "1208925819614629174706176", "1970-01-01T00:00:00.000Z", "[Circular]"],
    ключ: 1n,
  });
});

test("times are exact to the quarter of a microsecond that a double keeps, up to the end of the format", () => {
  for (const us of [
    0,
    0.25,
    4_294_967.295,
    1_234_567_890_123_456 + 0.75,
    1_900_000_000_999_999 + 0.5,
    18_000_000_000_000_000,
  ]) {
    assert.equal(
      roundTrip({ startUs: us }).startTimeUnixNano,
      BigInt(Math.floor(us)) * 1000n + BigInt(Math.round((us % 1) * 1000)),
    );
  }
});

test("spans stand together under their resource and their scope", () => {
  const other = { attributes: ["service.name", "other"], schemaUrl: "https://example.test/1" };
  const second = { name: "", version: "", schemaUrl: "https://example.test/2" };
  const request = fromBinary(
    ExportTraceServiceRequestSchema,
    encodeRequest([
      spanData({ name: "a" }),
      spanData({ name: "b", scope: second }),
      spanData({ name: "c", resource: other }),
      spanData({ name: "d" }),
      spanData({ name: "e", resource: emptyResource }),
    ]),
  );
  const shape = request.resourceSpans.map((group) => [
    plain(group.resource?.attributes[0]?.value),
    group.schemaUrl,
    group.scopeSpans.map((inner) => [
      inner.scope?.name,
      inner.schemaUrl,
      inner.spans.map((span) => span.name).join(""),
    ]),
  ]);
  assert.deepEqual(shape, [
    [
      "user",
      "",
      [
        ["lib", "", "ad"],
        ["", "https://example.test/2", "b"],
      ],
    ],
    ["other", "https://example.test/1", [["lib", "", "c"]]],
    [undefined, "", [["lib", "", "e"]]],
  ]);
});

test("a batch of thousands of attributes, and none at all", () => {
  const attributes = Array.from({ length: 100 }, (_, index) => [`key${index}`, `value${index}`]).flat();
  const spans = Array.from({ length: 300 }, (_, index) => spanData({ name: `n${index}`, attributes }));
  const request = fromBinary(ExportTraceServiceRequestSchema, encodeRequest(spans));
  const decoded = request.resourceSpans[0]!.scopeSpans[0]!.spans;
  assert.equal(decoded.length, 300);
  assert.equal(plain(decoded[299]!.attributes[99]!.value), "value99");
  assert.equal(encodeRequest([]).length, 0);
});

test("a reply's partial success is read and written as somebody else does", () => {
  for (const partial of [
    { rejectedSpans: 3, message: "bad ids ä" },
    { rejectedSpans: 0, message: "a warning" },
    { rejectedSpans: 500, message: "" },
  ]) {
    const bytes = encodePartialSuccess(partial);
    const decoded = fromBinary(ExportTraceServiceResponseSchema, bytes).partialSuccess;
    assert.deepEqual([decoded?.rejectedSpans, decoded?.errorMessage], [BigInt(partial.rejectedSpans), partial.message]);
    assert.deepEqual(decodePartialSuccess(bytes), partial);
  }
  assert.equal(encodePartialSuccess(undefined).length, 0);
  assert.equal(decodePartialSuccess(new Uint8Array()), undefined);
  assert.equal(decodePartialSuccess(new Uint8Array([0x0a, 0])), undefined);
  assert.equal(decodePartialSuccess(Buffer.from("<html>busy</html>")), undefined);
});

test("the message of a refusal is read, and anything else is survived", () => {
  assert.equal(decodeStatusMessage(new Uint8Array([0x08, 3, 0x12, 3, 0x62, 0x61, 0x64])), "bad");
  assert.equal(decodeStatusMessage(new Uint8Array([0x08, 3])), "");
  assert.equal(decodeStatusMessage(Buffer.from("<html>busy</html>")), "");
});

/** Spans of two scopes, some of them larger than the piece of memory that spans share. */
function mixedSpans(text: string, count = 60): SpanData[] {
  const scopes = [scope, { name: "other", version: "", schemaUrl: "" }];
  return Array.from({ length: count }, (_, index) =>
    spanData({
      spanId: (index + 1).toString(16).padStart(16, "0"),
      scope: scopes[index % 7 === 3 ? 1 : 0]!,
      attributes: ["text", text.repeat(index % 25 === 20 ? 100_000 : index * 40), "number", index],
    }),
  );
}

function batchOf(spans: readonly SpanData[]): SpanBatch {
  const batch = new SpanBatch();
  for (const span of spans) batch.add(span);
  return batch;
}

const requestOf = (batch: SpanBatch): string => hex(Buffer.concat(batch.toPieces()));

test("a batch says again and again what is in it, whatever other batches do", () => {
  const batches = ["x", "y", "z"].map((text) => batchOf(mixedSpans(text)));
  const requests = batches.map(requestOf);
  assert.equal(requests[0], hex(encodeRequest(mixedSpans("x"))));
  for (const [index, batch] of batches.entries()) {
    batch.release();
    // Written where the one before was.
    const another = batchOf(mixedSpans("w", 300));
    for (const [other, request] of [...requests.entries()].slice(index + 1)) {
      assert.ok(requestOf(batches[other]!) === request, `batch ${other} after ${index} was let go`);
    }
    assert.ok(requestOf(another) === hex(encodeRequest(mixedSpans("w", 300))));
    another.release();
  }
});

test("the span that came last is taken out into a batch of its own", () => {
  for (const count of [1, 4, 5, 21]) {
    const spans = mixedSpans("x", count);
    const batch = batchOf(spans);
    const before = batch.byteLength;
    const rest = batch.splitLast();
    assert.deepEqual([batch.length, rest.length], [count - 1, 1]);
    assert.equal(batch.byteLength + rest.byteLength, before);
    rest.add(spans[0]!);
    batch.add(spans[0]!);
    const inOrder = (request: string) => decodeSpans(Buffer.from(request, "hex"));
    assert.deepEqual(inOrder(requestOf(rest)), inOrder(hex(encodeRequest([spans.at(-1)!, spans[0]!]))));
    assert.deepEqual(inOrder(requestOf(batch)), inOrder(hex(encodeRequest([...spans.slice(0, -1), spans[0]!]))));
  }
});

test("a span that begins as others do, but for its name, its kind, its parent or its trace state, is written as it is", () => {
  const { spans, ...processor } = keepSpans();
  const tracer = new TracerProvider({ processor, sampler: alwaysOn }).getTracer("test");
  const attributes = Object.freeze({ route: "/v1/books/{id}" });
  const parent = (traceState?: string) =>
    trace.setSpanContext(ROOT_CONTEXT, {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      traceFlags: 1,
      isRemote: true,
      ...(traceState === undefined ? {} : { traceState: createTraceState(traceState) }),
    });
  const start = (name: string, kind: SpanKind, context?: Context) =>
    tracer.startSpan(name, { kind, attributes }, context).setAttribute("own", spans.length).end();
  for (const _ of ["first", "again"]) {
    for (const context of [parent("a=1"), undefined, parent(), parent("b=2")]) {
      for (const name of ["work", "", "täglich ".repeat(30)]) {
        for (const kind of [SpanKind.SERVER, SpanKind.CLIENT]) start(name, kind, context);
      }
    }
  }
  for (const span of spans) assert.equal(hex(encodeRequest([span])), hex(encodeRequest([{ ...span }])));
});

test("frozen attributes are written once, and what is in the request is what the span has", () => {
  const { spans, ...processor } = keepSpans();
  const tracer = new TracerProvider({ processor, sampler: alwaysOn }).getTracer("test");
  /** The last span as it is written when its attributes were never put together. */
  let written = "";
  const onEnd = (span: SpanData): void => {
    written = hex(encodeRequest([span]));
    spans.push({ ...span, attributes: attributesOf(span) });
  };
  const writing = { ...processor, onlyEncodes: true, onEnd };
  const writingTracer = new TracerProvider({ processor: writing, sampler: alwaysOn }).getTracer("test");
  const route = Object.freeze({ route: "/v1/books/{id}", none: [] });
  const caller = Object.freeze({ peer: "10.0.0.5", port: 9000, secure: true });
  const attributesAfter = (use: (span: OtelSpan) => void): readonly AttributeValue[] => {
    const [joined, apart] = [tracer, writingTracer].map((one) => {
      const span = one.startSpan("work", { attributes: route });
      use(span);
      span.end();
      return spans.at(-1)!;
    });
    assert.equal(
      hex(encodeRequest([joined!])),
      hex(encodeRequest([{ ...joined! }])),
      "as of a copy, which shares nothing",
    );
    assert.equal(written, hex(encodeRequest([apart!])));
    assert.deepEqual(apart!.attributes, joined!.attributes);
    return joined!.attributes;
  };
  const all = ["route", "/v1/books/{id}", "none", [], "peer", "10.0.0.5", "port", 9000, "secure", true];
  for (const _ of ["the first time", "and when the bytes are there"]) {
    assert.deepEqual(
      attributesAfter((span) => span.setAttributes(caller)),
      all,
    );
    assert.deepEqual(
      attributesAfter((span) => span.setAttributes(caller).setAttribute("own", 1)),
      [...all, "own", 1],
    );
  }
  // Said twice, the last word counts.
  const again = all.with(7, 9001);
  const other = Object.freeze({ port: 9001, more: "yes" });
  assert.deepEqual(
    attributesAfter((span) => span.setAttributes(caller).setAttribute("port", 9001)),
    again,
  );
  assert.deepEqual(
    attributesAfter((span) => span.setAttributes(caller).setAttributes(other)),
    [...again, "more", "yes"],
  );
  assert.deepEqual(
    attributesAfter((span) => span.setAttributes(caller).setAttributes({ ...other })),
    [...again, "more", "yes"],
  );
  // Behind what the span has of its own they are like any others.
  const own = all.toSpliced(4, 0, "own", 1);
  assert.deepEqual(
    attributesAfter((span) => span.setAttribute("own", 1).setAttributes(caller)),
    own,
  );
});

test("what a connection says goes with many methods, and is written right with each", () => {
  const { spans, ...processor } = keepSpans();
  const tracer = new TracerProvider({ processor, sampler: alwaysOn }).getTracer("test");
  const callers = ["10.0.0.5", "10.0.0.6"].map((peer) => Object.freeze({ peer }));
  // More than are kept.
  const routes = Array.from({ length: 70 }, (_, index) => Object.freeze({ route: `/v1/${index}` }));
  for (const _ of ["the first time", "and again"]) {
    for (const [index, attributes] of routes.entries()) {
      for (const caller of callers) {
        tracer.startSpan("work", { attributes }).setAttributes(caller).setAttribute("own", 1).end();
        const span = spans.at(-1)!;
        assert.deepEqual(span.attributes, ["route", `/v1/${index}`, "peer", caller.peer, "own", 1]);
        assert.equal(hex(encodeRequest([span])), hex(encodeRequest([{ ...span }])));
      }
    }
  }
});

test("frozen attributes are held to the limits of each provider", () => {
  const attributes = Object.freeze({ a: "12345", b: "12345", c: "12345" });
  for (const [limit, length, expected] of [
    [2, 3, ["a", "123", "b", "123"]],
    [3, 5, ["a", "12345", "b", "12345", "c", "12345"]],
    [3, 4, ["a", "1234", "b", "1234", "c", "1234"]],
  ] as const) {
    const { spans, ...processor } = keepSpans();
    const limits = { attributes: limit, valueLength: length };
    new TracerProvider({ processor, sampler: alwaysOn, limits })
      .getTracer("test")
      .startSpan("work", { attributes })
      .end();
    assert.deepEqual([spans[0]!.attributes, spans[0]!.droppedAttributes], [expected, 3 - expected.length / 2]);
  }
});

test("a span that only is written counts what it shares to its limit", () => {
  const told: unknown[] = [];
  const { spans: _, ...nowhere } = keepSpans();
  const processor = {
    ...nowhere,
    onlyEncodes: true,
    onEnd: (span: SpanData) => void told.push(attributesOf(span), span.droppedAttributes),
  };
  const tracer = new TracerProvider({ processor, sampler: alwaysOn, limits: { attributes: 3 } }).getTracer("test");
  const attributes = Object.freeze({ a: 1, b: 2 });
  tracer.startSpan("work", { attributes }).setAttribute("c", 3).setAttribute("d", 4).setAttribute("b", 5).end();
  assert.deepEqual(told, [["a", 1, "b", 5, "c", 3], 1]);
});

test("a changed copy of a record is written as it is", () => {
  const { spans, ...processor } = keepSpans();
  const tracer = new TracerProvider({ processor, sampler: alwaysOn }).getTracer("test");
  tracer.startSpan("work", { attributes: Object.freeze({ token: "1234" }) }).end();
  const written = encodeRequest([{ ...spans[0]!, attributes: ["token", "****"] }]).toString("latin1");
  assert.ok(written.includes("****") && !written.includes("1234"));
});
