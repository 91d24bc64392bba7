import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT } from "@opentelemetry/api";
import { isSamplingDeferred } from "../remote-context.ts";
import { parseAmznTraceId, XRayPropagator } from "./propagator.ts";

const header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

test("what comes in goes out", () => {
  const propagator = new XRayPropagator();
  const sent: Record<string, string> = {};
  const context = propagator.extract(ROOT_CONTEXT, { "x-amzn-trace-id": header }, defaultTextMapGetter);
  propagator.inject(context, sent, defaultTextMapSetter);
  assert.deepEqual(sent, { "x-amzn-trace-id": header });
});

test("fields come in any order, and those we do not know are passed over", () => {
  const context = parseAmznTraceId(
    "Self=1-67891234-12456789abcdef012345678; Sampled=0; Parent=53995c3f42cd8ad8 ;Lineage=a87bd80c:0; Root=1-5759e988-bd862e3fe1be46a994272793",
  );
  assert.deepEqual(context, {
    traceId: "5759e988bd862e3fe1be46a994272793",
    spanId: "53995c3f42cd8ad8",
    traceFlags: 0,
    isRemote: true,
  });
});

test("without Sampled, or with a question mark, the decision is ours", () => {
  for (const text of [header.replace("Sampled=1", "Sampled=?"), header.replace(";Sampled=1", "")]) {
    assert.equal(isSamplingDeferred(parseAmznTraceId(text)!), true);
  }
});

test("what is malformed is no trace", () => {
  const bad = [
    "",
    ";;;=",
    "Root=1-5759e988-bd862e3fe1be46a994272793",
    header.replace("Root=1", "Root=2"),
    header.replace("5759e988", "5759e98"),
    header.replace("5759e988-bd862e3fe1be46a994272793", `${"0".repeat(8)}-${"0".repeat(24)}`),
    header.replace("53995c3f42cd8ad8", "53995c3f42cd8ad"),
    header.replace("bd86", "gd86"),
    ";".repeat(10_000),
  ];
  for (const text of bad) assert.equal(parseAmznTraceId(text), undefined, text);
});
