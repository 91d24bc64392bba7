import assert from "node:assert/strict";
import { test } from "node:test";
import { readBoolean, readCount, readWords, warnOfVariable } from "./environment.ts";

test("counts, booleans and words are read; what is not set says nothing", () => {
  assert.equal(readCount({ A: " 7 " }, "A", 1, 5), 7);
  assert.equal(readCount({ A: "0" }, "A", 0, 5), 0);
  for (const env of [{}, { A: "" }, { A: " " }]) assert.equal(readCount(env, "A", 1, 5), undefined);
  assert.deepEqual(
    ["TRUE", "true", "false", "", undefined].map((text) => readBoolean({ A: text }, "A")),
    [true, true, false, false, false],
  );
  assert.deepEqual(readWords({ A: " b3, TraceContext ,,b3" }, "A"), ["b3", "tracecontext"]);
  assert.equal(readWords({ A: " , " }, "A"), undefined);
});

test("what is wrong is told once, as a warning that can be caught, and is cut where it is long", async () => {
  const warnings: (Error & { code?: string })[] = [];
  const listen = (warning: Error): void => void warnings.push(warning);
  process.on("warning", listen);
  for (let count = 0; count < 3; count++) {
    assert.equal(readCount({ TEST_COUNT: "1.5" }, "TEST_COUNT", 1, 5), undefined);
    assert.equal(readCount({ TEST_COUNT: "-1" }, "TEST_COUNT", 0, 5), undefined);
    assert.equal(readBoolean({ TEST_BOOLEAN: "yes" }, "TEST_BOOLEAN"), false);
    warnOfVariable("TEST_LONG", "x".repeat(10_000), "less", "nothing");
  }
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  assert.deepEqual(
    warnings.slice(0, 3).map((warning) => warning.message),
    [
      'TEST_COUNT is "1.5"; accepted: a whole number from 1. Now 5 holds.',
      'TEST_COUNT is "-1"; accepted: a whole number from 0. Now 5 holds.',
      'TEST_BOOLEAN is "yes"; accepted: true, false. Now false holds.',
    ],
  );
  assert.equal(warnings.length, 4);
  assert.ok(warnings[3]!.message.length < 300);
  assert.deepEqual([warnings[0]!.name, warnings[0]!.code], ["ConfigurationWarning", "CLEW_TRACE_VARIABLE"]);
});
