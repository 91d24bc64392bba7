import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { decodeRequest } from "../otel/decode.ts";
import { encodeRequest } from "../otel/encode.ts";
import type { SpanData } from "../span-data.ts";
import { decodeProtobufSpans, decodeSpans } from "./decode.ts";
import { encodeSpans } from "./encode.ts";

const client = {
  traceId: "86154a4ba6e91385",
  parentId: "86154a4ba6e91385",
  id: "4d1e00c0db9010db",
  kind: "CLIENT",
  name: "get /api",
  timestamp: 1472470996199000,
  duration: 207000,
  localEndpoint: { serviceName: "frontend", ipv4: "127.0.0.1" },
  remoteEndpoint: { serviceName: "backend", ipv4: "192.168.99.101", port: 9000 },
  annotations: [{ timestamp: 1472470996238000, value: "foo" }],
  tags: { "http.path": "/api" },
};
const server = {
  traceId: "86154a4ba6e91385",
  parentId: "86154a4ba6e91385",
  id: "4d1e00c0db9010db",
  kind: "SERVER",
  name: "get /api",
  timestamp: 1472470996250000,
  duration: 100000,
  localEndpoint: { serviceName: "backend", ipv6: "2001:db8::c01", port: 9000 },
  tags: { error: "" },
  debug: true,
  shared: true,
};

/** As Google's protobuf for Python writes the two, by zipkin.proto. */
const golden =
  "0a80010a0886154a4ba6e91385120886154a4ba6e913851a084d1e00c0db9010db20012a08676574202f6170693158a6ab5e343b05003898d10c42100a" +
  "0866726f6e74656e6412047f0000014a120a076261636b656e641204c0a8636520a846520e09b03eac5e343b05001203666f6f5a110a09687474702e70" +
  "61746812042f6170690a660a0886154a4ba6e91385120886154a4ba6e913851a084d1e00c0db9010db20022a08676574202f61706931906dac5e343b05" +
  "0038a08d06421e0a076261636b656e641a1020010db8000000000000000000000c0120a8465a090a056572726f72120060016801";

const decode = (...spans: unknown[]): SpanData[] => {
  const { spans: decoded, rejected, message } = decodeSpans(JSON.stringify(spans));
  assert.deepEqual([rejected, message], [0, ""]);
  return decoded;
};
const record = ({ attributes }: SpanData): Record<string, unknown> =>
  Object.fromEntries(attributes.flatMap((key, index) => (index % 2 === 0 ? [[key, attributes[index + 1]]] : [])));

test("JSON and protobuf are the same spans: kinds, padded ids, endpoints, annotations, tags, a shared server below its client", () => {
  const spans = decode(client, server);
  assert.deepEqual(decodeProtobufSpans(Buffer.from(golden, "hex")), { spans, rejected: 0, message: "" });
  const [ours, theirs] = spans as [SpanData, SpanData];
  assert.deepEqual(ours, {
    traceId: "000000000000000086154a4ba6e91385",
    spanId: "4d1e00c0db9010db",
    parentSpanId: "86154a4ba6e91385",
    isParentRemote: false,
    traceFlags: 1,
    traceState: "",
    name: "get /api",
    kind: SpanKind.CLIENT,
    startUs: 1472470996199000,
    endUs: 1472470996406000,
    statusCode: SpanStatusCode.UNSET,
    statusMessage: "",
    attributes: [
      "http.path",
      "/api",
      "service.peer.name",
      "backend",
      "network.peer.address",
      "192.168.99.101",
      "network.peer.port",
      9000,
      "network.local.address",
      "127.0.0.1",
    ],
    droppedAttributes: 0,
    events: [{ name: "foo", timeUs: 1472470996238000, attributes: [], droppedAttributes: 0 }],
    droppedEvents: 0,
    links: [],
    droppedLinks: 0,
    scope: { name: "", version: "", schemaUrl: "" },
    resource: { attributes: ["service.name", "frontend"], schemaUrl: "" },
  });
  assert.equal(theirs.kind, SpanKind.SERVER);
  assert.equal(theirs.parentSpanId, ours.spanId);
  assert.match(theirs.spanId, /^[0-9a-f]{16}$/);
  assert.notEqual(theirs.spanId, ours.spanId);
  assert.equal(theirs.isParentRemote, true);
  assert.deepEqual([theirs.statusCode, theirs.statusMessage], [SpanStatusCode.ERROR, ""]);
  assert.deepEqual(record(theirs), { "network.local.address": "2001:db8::c01", "network.local.port": 9000 });
});

test("a shared server has the same id in every body; its own children in the same body follow it, its client's do not", () => {
  const local = { serviceName: "backend" };
  const work = { ...client, id: "a", parentId: server.id, kind: undefined, localEndpoint: local };
  const next = { ...client, id: "b", parentId: server.id, localEndpoint: local };
  const other = { ...client, id: "c", parentId: server.id, localEndpoint: { serviceName: "frontend" } };
  const [below, joined, further, apart] = decode(work, server, next, other) as [SpanData, SpanData, SpanData, SpanData];
  assert.equal(decode(server)[0]!.spanId, joined.spanId);
  assert.deepEqual([below.parentSpanId, further.parentSpanId], [joined.spanId, joined.spanId]);
  assert.equal(apart.parentSpanId, client.id);
  assert.equal(below.spanId, "000000000000000a");
});

test("an error is any value of its tag; an OpenTelemetry status is a status again", () => {
  const status = (tags: object): unknown => {
    const [span] = decode({ ...client, tags });
    return [span!.statusCode, span!.statusMessage, record(span!).error, record(span!)["otel.status_code"]];
  };
  const { OK, ERROR, UNSET } = SpanStatusCode;
  assert.deepEqual(status({}), [UNSET, "", undefined, undefined]);
  assert.deepEqual(status({ error: "" }), [ERROR, "", undefined, undefined]);
  assert.deepEqual(status({ error: "true" }), [ERROR, "", undefined, undefined]);
  assert.deepEqual(status({ error: "no such item" }), [ERROR, "no such item", undefined, undefined]);
  assert.deepEqual(status({ "otel.status_code": "OK" }), [OK, "", undefined, undefined]);
  assert.deepEqual(status({ "otel.status_code": "ERROR", "otel.status_description": "no" }), [
    ERROR,
    "no",
    undefined,
    undefined,
  ]);
});

test("what our encoder writes comes back", () => {
  const span: SpanData = {
    ...decode(client)[0]!,
    isParentRemote: false,
    parentSpanId: "",
    name: "GET /cart",
    statusCode: SpanStatusCode.ERROR,
    statusMessage: "NOT_FOUND",
    attributes: ["server.address", "stock", "service.peer.name", "stock-service", "text", "ä€😀"],
    events: [
      { name: "plain", timeUs: 1472470996238000, attributes: [], droppedAttributes: 0 },
      { name: 'say "hi": {', timeUs: 1472470996238001, attributes: ["n", 1, "list", ["a"]], droppedAttributes: 0 },
    ],
    scope: { name: "lib", version: "4.5", schemaUrl: "" },
    droppedEvents: 2,
  };
  assert.deepEqual(decodeSpans(encodeSpans([span])), { spans: [span], rejected: 0, message: "" });
  const named = { ...span, attributes: ["server.address", "stock"] };
  assert.deepEqual(decodeSpans(encodeSpans([named])).spans[0]!.attributes, named.attributes);
});

test("a span that is malformed costs only itself, and the first of them is named", () => {
  const bad: [unknown, string][] = [
    [null, "span 1: not an object"],
    [{ ...client, traceId: "xyz" }, 'span 1: traceId must be up to 32 hex digits, not all zero, not "xyz"'],
    [{ ...client, traceId: undefined }, 'span 1: traceId must be up to 32 hex digits, not all zero, not ""'],
    [{ ...client, traceId: 7 }, "span 1: traceId must be a string, not 7"],
    [{ ...client, id: "0000" }, 'span 1: id must be up to 16 hex digits, not all zero, not "0000"'],
    [
      { ...client, parentId: "12345678901234567" },
      'span 1: parentId must be up to 16 hex digits, not all zero, not "12345678901234567"',
    ],
    [{ ...client, timestamp: -1 }, "span 1: timestamp must be a whole number, not -1"],
    [{ ...client, duration: "1s" }, 'span 1: duration must be a whole number, not "1s"'],
    [
      { ...client, timestamp: undefined, annotations: [] },
      "span 1: timestamp must be microseconds since 1970, not undefined",
    ],
    [{ ...client, annotations: [{ value: {} }] }, "span 1: an annotation's value must be a string, not {}"],
    [{ ...client, tags: [] }, "span 1: tags must be an object, not []"],
    [{ ...client, localEndpoint: "frontend" }, 'span 1: localEndpoint must be an object, not "frontend"'],
  ];
  for (const [span, message] of bad) {
    const decoded = decodeSpans(JSON.stringify([client, span, span, server]));
    assert.deepEqual([decoded.spans.length, decoded.rejected, decoded.message], [2, 2, message]);
  }
  // The second span's id field says that it has 127 bytes.
  const bytes = Buffer.from(golden, "hex");
  bytes[bytes.indexOf("1a08", bytes.length - 100, "hex") + 1] = 0x7f;
  const decoded = decodeProtobufSpans(bytes);
  assert.deepEqual([decoded.spans.length, decoded.rejected], [1, 1]);
  assert.match(decoded.message, /^span 1: at byte \d+: a field of 127 bytes runs \d+ past the end of its message$/);
  for (const body of ["", "{}", "null", "[", "7"]) {
    assert.throws(() => decodeSpans(body), { code: "CLEW_TRACE_MALFORMED" });
  }
  assert.throws(() => decodeProtobufSpans(bytes.subarray(0, 100)), { code: "CLEW_TRACE_MALFORMED" });
});

test("what senders leave out or write in their own way is no reason to lose a span", () => {
  const [span] = decode({
    traceId: "463AC35C9F6413AD48485A3953BB6124",
    id: "1",
    parentId: "0000000000000000",
    name: null,
    kind: "NEW",
    timestamp: "1472470996199000",
    localEndpoint: null,
    annotations: [{ timestamp: 1472470996199001, value: '"odd": {not json}' }],
    tags: { count: 3, ok: true, none: null, list: [1] },
  });
  assert.deepEqual(
    [span!.traceId, span!.spanId, span!.parentSpanId, span!.name, span!.kind, span!.startUs, span!.endUs],
    [
      "463ac35c9f6413ad48485a3953bb6124",
      "0000000000000001",
      "",
      "",
      SpanKind.INTERNAL,
      1472470996199000,
      1472470996199000,
    ],
  );
  assert.deepEqual(span!.resource.attributes, ["service.name", "unknown_service"]);
  assert.deepEqual(record(span!), { count: "3", ok: "true", list: "[1]" });
  assert.equal(span!.events[0]!.name, '"odd": {not json}');
  const [late] = decode({ ...client, timestamp: undefined, duration: undefined });
  assert.equal(late!.startUs, client.annotations[0]!.timestamp);
  const [own] = decode({ ...client, id: client.parentId });
  assert.equal(own!.parentSpanId, "");
  // Also what is deep or large can be written on.
  const deep = `"e": ${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;
  const hostile = decode({
    ...client,
    annotations: [{ timestamp: 1, value: deep }],
    tags: { __proto__x: "y".repeat(1e5) },
  });
  assert.ok(encodeRequest(hostile).length > 1e5);
});

test("whatever the bytes, it is spans that can be written on, or MalformedError", () => {
  const bodies = [Buffer.from(golden, "hex"), Buffer.from(JSON.stringify([client, server]))];
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  let kept = 0;
  for (let round = 0; round < 4000; round++) {
    const isProtobuf = round % 2 === 0;
    const body = Buffer.from(bodies[round % 2]!);
    for (let changes = 1 + random(4); changes > 0; changes--) body[random(body.length)] = random(256);
    const cut = body.subarray(0, random(4) === 0 ? random(body.length) : body.length);
    try {
      const { spans, rejected } = isProtobuf ? decodeProtobufSpans(cut) : decodeSpans(cut.toString());
      const batch = decodeRequest(encodeRequest(spans));
      assert.deepEqual([batch.size, batch.rejected], [spans.length, 0]);
      if (spans.length + rejected > 0) kept++;
    } catch (error) {
      assert.equal((error as { code?: string }).code, "CLEW_TRACE_MALFORMED");
    }
  }
  assert.ok(kept > 500, `only ${kept} were spans`);
});
