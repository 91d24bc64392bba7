import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT } from "@opentelemetry/api";
import { formatGrpcTraceBin, GrpcTraceBinPropagator, parseGrpcTraceBin } from "./propagator.ts";

// The example of BinaryEncoding.md: trace id 40..4f, span id 61..68, sampled.
const traceId = "404142434445464748494a4b4c4d4e4f";
const spanId = "6162636465666768";
const bytes = Buffer.from(`0000${traceId}01${spanId}0201`, "hex");

test("writes the specification's example, and reads it", () => {
  const text = formatGrpcTraceBin({ traceId, spanId, traceFlags: 1 });
  assert.deepEqual(Buffer.from(text, "base64"), bytes);
  assert.deepEqual(parseGrpcTraceBin(text), { traceId, spanId, traceFlags: 1, isRemote: true });
});

test("what comes in goes out, with or without padding", () => {
  const propagator = new GrpcTraceBinPropagator();
  for (const header of [bytes.toString("base64"), bytes.toString("base64").replace(/=+$/, "")]) {
    const sent: Record<string, string> = {};
    const context = propagator.extract(ROOT_CONTEXT, { "grpc-trace-bin": header }, defaultTextMapGetter);
    propagator.inject(context, sent, defaultTextMapSetter);
    assert.deepEqual(Buffer.from(sent["grpc-trace-bin"]!, "base64"), bytes);
  }
});

test("without options, or with the bit off, it is not sampled", () => {
  assert.equal(parseGrpcTraceBin(bytes.subarray(0, 27).toString("base64"))?.traceFlags, 0);
  const off = Buffer.from(bytes);
  off[28] = 0xfe;
  assert.equal(parseGrpcTraceBin(off.toString("base64"))?.traceFlags, 0);
});

test("what is malformed is no trace", () => {
  const change = (at: number, to: number): string => {
    const changed = Buffer.from(bytes);
    changed[at] = to;
    return changed.toString("base64");
  };
  const bad = ["", "!", change(0, 1), change(1, 1), change(18, 7), bytes.subarray(0, 26).toString("base64")];
  bad.push(Buffer.from(`0000${"00".repeat(16)}01${spanId}0201`, "hex").toString("base64"), "A".repeat(10_000));
  for (const header of bad) assert.equal(parseGrpcTraceBin(header), undefined, header);
});
