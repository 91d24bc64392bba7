import assert from "node:assert/strict";
import { test } from "node:test";
import { formatCorrelation, formatExtension, formatSw8, parseCorrelation, parseExtension, parseSw8 } from "./header.ts";

const b64 = (text: string): string => Buffer.from(text).toString("base64");
const limits = { maxKeys: 3, maxValueLength: 128 };

// As skywalking-go sent it.
const sample = [
  "1",
  b64("6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740003"),
  b64("6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740004"),
  "2",
  b64("sw-test"),
  b64("61657370af6511eebfc75626e1cdcfe2@10.2.130.14"),
  b64("GET:/sayHelloHttp"),
  b64("localhost:18001"),
].join("-");

test("the sample header tells its fields, and is written as it came", () => {
  const found = parseSw8(sample);
  assert.deepEqual(found, {
    place: {
      traceId: "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740003",
      segmentId: "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740004",
      number: 2,
      service: "sw-test",
      instance: "61657370af6511eebfc75626e1cdcfe2@10.2.130.14",
      endpoint: "GET:/sayHelloHttp",
      address: "localhost:18001",
    },
    isSampled: true,
  });
  assert.equal(formatSw8(found!), sample);
  assert.equal(sample.length, 269);
});

test("the header of Go's documentation", () => {
  const header =
    "1-MWYyZDRiZjQ3YmY3MTFlYWI3OTRhY2RlNDgwMDExMjI=-MWU3YzIwNGE3YmY3MTFlYWI4NThhY2RlNDgwMDExMjI=" +
    "-0-c2VydmljZQ==-aW5zdGFuY2U=-cHJvcGFnYXRpb24=-cHJvcGFnYXRpb246NTU2Ng==";
  assert.deepEqual(parseSw8(header)?.place, {
    traceId: "1f2d4bf47bf711eab794acde48001122",
    segmentId: "1e7c204a7bf711eab858acde48001122",
    number: 0,
    service: "service",
    instance: "instance",
    endpoint: "propagation",
    address: "propagation:5566",
  });
});

test("other agents' quirks cost no trace: empty fields at the end, more fields, no padding", () => {
  const trace = b64("t.1.1");
  const segment = b64("s.1.1");
  assert.equal(parseSw8(`1-${trace}-${segment}-0-${b64("svc")}---`)?.place.endpoint, "");
  assert.equal(parseSw8(`${sample}-more-${b64("x")}`)?.place.address, "localhost:18001");
  assert.equal(parseSw8(`1-${trace.replace("=", "")}-${segment}-0-YQ-YQ-YQ-YQ`)?.place.traceId, "t.1.1");
  assert.equal(parseSw8(`0-${trace}-${segment}-0-YQ-YQ-YQ-YQ`)?.isSampled, undefined);
  assert.equal(parseSw8(`1-${trace}-${segment}-0-%%-YQ-YQ-YQ`)?.place.service, "");
});

// Go's agent adds headers where it should set them, and a request that is sent again has them twice.
test("a header that came twice counts as its first, whoever joined them", () => {
  for (const joint of [",", ", "]) {
    assert.deepEqual(parseSw8(sample + joint + sample), parseSw8(sample));
    assert.deepEqual(parseExtension(`1-170${joint}0-180`), { skipAnalysis: true, sentAtMs: 170 });
  }
});

test("no field is empty on sending, and names are cut", () => {
  const header = formatSw8({
    place: {
      traceId: "t",
      segmentId: "s",
      number: 0,
      service: `${"é".repeat(49)}😀`,
      instance: "",
      endpoint: "e".repeat(500),
      address: "",
    },
    isSampled: undefined,
  });
  const fields = header.split("-");
  assert.equal(fields.length, 8);
  assert.ok(fields.every((field) => field !== ""));
  const { place, isSampled } = parseSw8(header)!;
  assert.equal(isSampled, undefined);
  assert.equal(place.service, "é".repeat(49));
  assert.equal(place.endpoint.length, 149);
  assert.equal(place.instance, "unknown");
});

test("what is malformed is no trace", () => {
  const trace = b64("t.1.1");
  for (const header of [
    "",
    "1",
    "-------",
    "1-YQ==-YQ==-0-YQ==-YQ==-YQ==",
    `1-${trace}-${trace}-x-YQ-YQ-YQ-YQ`,
    `1-${trace}-${trace}--1-YQ-YQ-YQ-YQ`,
    `1-${trace}-${trace}-99999999999-YQ-YQ-YQ-YQ`,
    `1-${trace}-${trace}-4294967296-YQ-YQ-YQ-YQ`,
    `1--${trace}-0-YQ-YQ-YQ-YQ`,
    `1-${trace}--0-YQ-YQ-YQ-YQ`,
    `1-%%%-${trace}-0-YQ-YQ-YQ-YQ`,
    "-".repeat(100_000),
    `1-${"YWFh".repeat(5000)}-${trace}-0-YQ-YQ-YQ-YQ`,
  ])
    assert.equal(parseSw8(header), undefined, header.slice(0, 100));
});

test("the correlation: golden bytes, limits, malformed pairs", () => {
  const header = formatCorrelation(
    [
      ["a", "1"],
      ["user", "zoë"],
    ],
    limits,
  );
  assert.equal(header, "YQ==:MQ==,dXNlcg==:em/Dqw==");
  assert.deepEqual(
    [...parseCorrelation(header, limits)],
    [
      ["a", "1"],
      ["user", "zoë"],
    ],
  );
  assert.deepEqual(
    [...parseCorrelation(`x,:,a:b:c,YQ==,YQ==:${b64("v".repeat(129))}, Yg==:MQ==`, limits)],
    [["b", "1"]],
  );
  const many = Array.from({ length: 5 }, (_, index) => [`k${index}`, "v"] as const);
  assert.equal(formatCorrelation(many, limits).split(",").length, 3);
  assert.equal(parseCorrelation(formatCorrelation(many, { ...limits, maxKeys: 5 }), limits).size, 3);
  assert.equal(formatCorrelation([["k", "v".repeat(129)]], limits), "");
  assert.equal(parseCorrelation("YQ==:MQ==,".repeat(10_000), limits).size, 0);
});

test("the extension: Java's blank, missing fields, nonsense", () => {
  assert.deepEqual(parseExtension("0- "), { skipAnalysis: false, sentAtMs: undefined });
  assert.deepEqual(parseExtension("1"), { skipAnalysis: true, sentAtMs: undefined });
  assert.deepEqual(parseExtension(""), { skipAnalysis: false, sentAtMs: undefined });
  assert.deepEqual(parseExtension("1-1700000000000"), { skipAnalysis: true, sentAtMs: 1_700_000_000_000 });
  assert.deepEqual(parseExtension("x-y-z"), { skipAnalysis: false, sentAtMs: undefined });
  assert.equal(formatExtension({ skipAnalysis: true, sentAtMs: undefined }), "1-");
  assert.equal(formatExtension({ skipAnalysis: false, sentAtMs: 5 }), "0-5");
});
