import assert from "node:assert/strict";
import { test } from "node:test";
import { Collector } from "@clew/collector";

test("an option that there is not, or of another kind, is refused by its name before anything opens", () => {
  const cases: [unknown, RegExp][] = [
    [":4319", /^the options of Collector are ":4319"; they must be an object with any of address, /],
    [{ adress: ":1" }, /^Collector has no option adress; its options are address, otlpAddress, /],
    [{ address: 4319 }, /^option address is 4319; it must be a string$/],
    [{ otlpAddress: 4318 }, /^option otlpAddress is 4318; it must be a string$/],
    [{ otlpGrpcAddress: 4317 }, /^option otlpGrpcAddress is 4317; it must be a string$/],
    [{ skywalkingGrpcAddress: false }, /^option skywalkingGrpcAddress is false; it must be a string$/],
    [{ skywalkingHttpAddress: false }, /^option skywalkingHttpAddress is false; it must be a string$/],
    [{ zipkinAddress: 9411 }, /^option zipkinAddress is 9411; it must be a string$/],
    [{ data: "" }, /^option data is ""; it must be the path of a file$/],
    [{ maxBytes: 5 }, /^option maxBytes is 5; it must be a number from 1048576$/],
    [{ maxAgeMs: "7d" }, /^option maxAgeMs is "7d"; it must be a number from 1$/],
    [{ maxWaitingBytes: 0 }, /^option maxWaitingBytes is 0; it must be a number from 1$/],
    [{ bodyLimitBytes: 0 }, /^option bodyLimitBytes is 0; it must be a number from 1$/],
    [{ allowedHosts: "shop" }, /^option allowedHosts is "shop"; it must be a list of names$/],
    [{ allowedHosts: [5] }, /^option allowedHosts\[0\] is 5; it must be a string$/],
    [{ logger: {} }, /^option logger is an object; it must be a logger, which has /],
    [{ now: 5 }, /^option now is 5; it must be a function$/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new Collector(options as never), { code: "CLEW_COLLECTOR_OPTION", message }, String(message));
  }
});

test("what is undefined is not given", () => {
  new Collector({ address: undefined, bodyLimitBytes: undefined, logger: undefined } as never);
});
