import assert from "node:assert/strict";
import { test } from "node:test";
import * as official from "@opentelemetry/semantic-conventions";
import * as developed from "@opentelemetry/semantic-conventions/incubating";
import * as ours from "./semantic-conventions.ts";

test("every name is the stable one of the package that defines them, but for what has none yet", () => {
  const { ATTR_SERVICE_PEER_NAME } = developed;
  const stable = { ...official, ATTR_SERVICE_PEER_NAME } as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(ours)) {
    assert.equal(value, stable[name.startsWith("METRIC_") ? name : `ATTR_${name}`], name);
  }
});
