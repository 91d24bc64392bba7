import assert from "node:assert/strict";
import { test } from "node:test";
import * as stable from "@opentelemetry/semantic-conventions";
import * as developed from "@opentelemetry/semantic-conventions/incubating";
import * as ours from "./semantic-conventions.ts";

const notStable = new Set([
  "SERVICE_PEER_NAME",
  "EVENT_RPC_MESSAGE",
  "HTTP_REQUEST_BODY_SIZE",
  "RPC_MESSAGE_ID",
  "RPC_MESSAGE_TYPE",
  "RPC_MESSAGE_UNCOMPRESSED_SIZE",
]);

test("every name is the stable one of the package that defines them, but for what has none yet", () => {
  for (const [name, value] of Object.entries(ours)) {
    const official = (notStable.has(name) ? developed : stable) as unknown as Record<string, unknown>;
    assert.equal(value, official[/^(METRIC|EVENT)_/.test(name) ? name : `ATTR_${name}`], name);
  }
});
