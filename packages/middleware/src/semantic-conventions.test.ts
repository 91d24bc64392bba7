import assert from "node:assert/strict";
import { test } from "node:test";
import * as official from "@opentelemetry/semantic-conventions";
import * as ours from "./semantic-conventions.ts";

test("every name is the stable one of the package that defines them", () => {
  const stable = official as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(ours)) {
    assert.equal(value, stable[name.startsWith("METRIC_") ? name : `ATTR_${name}`], name);
  }
});
