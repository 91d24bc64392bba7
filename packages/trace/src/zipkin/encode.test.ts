import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { FlatAttributes } from "../attributes.ts";
import type { SpanData } from "../span-data.ts";
import { encodeSpans, toZipkinSpan } from "./encode.ts";

function makeSpan(init: Partial<SpanData> = {}): SpanData {
  return {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    parentSpanId: "00f067aa0ba902b7",
    isParentRemote: false,
    traceFlags: 1,
    traceState: "",
    name: "GET /cart",
    kind: SpanKind.SERVER,
    startUs: 1_700_000_000_000_000.5,
    endUs: 1_700_000_000_001_234.5,
    statusCode: SpanStatusCode.UNSET,
    statusMessage: "",
    attributes: [],
    droppedAttributes: 0,
    events: [],
    droppedEvents: 0,
    links: [],
    droppedLinks: 0,
    scope: { name: "", version: "", schemaUrl: "" },
    resource: { attributes: ["service.name", "shop"], schemaUrl: "" },
    ...init,
  };
}

test("a plain span has nothing that is empty", () => {
  assert.deepEqual(JSON.parse(encodeSpans([makeSpan()])), [
    {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      id: "b7ad6b7169203331",
      parentId: "00f067aa0ba902b7",
      name: "GET /cart",
      kind: "SERVER",
      timestamp: 1_700_000_000_000_000,
      duration: 1234,
      localEndpoint: { serviceName: "shop" },
    },
  ]);
});

test("a root has no parent, an internal span no kind, and what took no time took a microsecond", () => {
  const { parentId, kind, duration } = toZipkinSpan(
    makeSpan({ parentSpanId: "", kind: SpanKind.INTERNAL, endUs: 1_700_000_000_000_000.5 }),
  );
  assert.deepEqual([parentId, kind, duration], [undefined, undefined, 1]);
  assert.deepEqual(
    [SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER].map((one) => toZipkinSpan(makeSpan({ kind: one })).kind),
    ["CLIENT", "PRODUCER", "CONSUMER"],
  );
});

test("attributes of span and resource are tags, as text", () => {
  const attributes: FlatAttributes = [
    ...["text", "a", "count", 3, "ratio", 0.5, "ok", true, "big", 2n ** 60n],
    ...[
      "list",
      ["a", 1, 2n],
      "map",
      { deep: [true] },
      "bytes",
      new Uint8Array([1, 2, 3]),
      "none",
      null,
      "region",
      "own",
    ],
  ];
  const resource = {
    attributes: ["service.name", "shop", "service.namespace", "eu", "region", "theirs"],
    schemaUrl: "",
  };
  const scope = { name: "lib", version: "1", schemaUrl: "" };
  assert.deepEqual(
    toZipkinSpan(makeSpan({ attributes, resource, scope, droppedAttributes: 2, droppedLinks: 1 })).tags,
    {
      "service.namespace": "eu",
      region: "own",
      "otel.scope.name": "lib",
      "otel.scope.version": "1",
      text: "a",
      count: "3",
      ratio: "0.5",
      ok: "true",
      big: "1152921504606846976",
      list: '["a",1,"2"]',
      map: '{"deep":[true]}',
      bytes: "AQID",
      none: "",
      "otel.dropped_attributes_count": "2",
      "otel.dropped_links_count": "1",
    },
  );
});

test("an error is a tag, even without words; error=false is none, for Zipkin takes it for one", () => {
  const tagsOf = (init: Partial<SpanData>): unknown => toZipkinSpan(makeSpan(init)).tags;
  const ERROR = SpanStatusCode.ERROR;
  assert.deepEqual(tagsOf({ statusCode: ERROR, statusMessage: "no" }), { "otel.status_code": "ERROR", error: "no" });
  assert.deepEqual(tagsOf({ statusCode: ERROR }), { "otel.status_code": "ERROR", error: "" });
  assert.deepEqual(tagsOf({ statusCode: SpanStatusCode.OK }), { "otel.status_code": "OK" });
  assert.equal(tagsOf({ attributes: ["error", false] }), undefined);
  assert.equal(tagsOf({ attributes: ["error", "false"] }), undefined);
});

test("the remote endpoint is the best that the attributes name, for who calls or sends", () => {
  const remote = (attributes: FlatAttributes, kind: SpanKind = SpanKind.CLIENT): unknown =>
    toZipkinSpan(makeSpan({ kind, attributes })).remoteEndpoint;
  const all: FlatAttributes = [
    "db.name",
    "d",
    "network.peer.address",
    "10.0.0.5",
    "server.address",
    "s",
    "peer.service",
    "p",
    "service.peer.name",
    "q",
  ];
  assert.deepEqual(remote(all), { serviceName: "q" });
  assert.deepEqual(remote(all.slice(0, 8)), { serviceName: "p" });
  assert.deepEqual(remote(all.slice(0, 6)), { serviceName: "s" });
  assert.deepEqual(remote(all.slice(0, 4)), { ipv4: "10.0.0.5" });
  assert.deepEqual(remote(all.slice(0, 2)), { serviceName: "d" });
  assert.deepEqual(remote(["network.peer.address", "10.0.0.5", "network.peer.port", 80]), {
    ipv4: "10.0.0.5",
    port: 80,
  });
  assert.deepEqual(remote(["net.sock.peer.addr", "::1", "net.sock.peer.port", 80], SpanKind.PRODUCER), {
    ipv6: "::1",
    port: 80,
  });
  assert.deepEqual(remote(["network.peer.address", "/run/x.sock", "network.peer.port", 70_000]), {
    serviceName: "/run/x.sock",
  });
  assert.equal(remote(["peer.service", "", "server.port", 80]), undefined);
  assert.equal(remote(all, SpanKind.SERVER), undefined);
  assert.equal(remote(all, SpanKind.CONSUMER), undefined);
});

test("events are annotations, with what they carry behind their name", () => {
  const event = { timeUs: 1_700_000_000_000_001.5, droppedAttributes: 0 };
  const events = [
    { ...event, name: "start", attributes: [] },
    { ...event, name: 'say "hi"', attributes: ["key", "value", "n", 1, "big", 1n] },
  ];
  assert.deepEqual(toZipkinSpan(makeSpan({ events })).annotations, [
    { timestamp: 1_700_000_000_000_001, value: "start" },
    { timestamp: 1_700_000_000_000_001, value: '"say \\"hi\\"": {"key":"value","n":1,"big":"1"}' },
  ]);
});
