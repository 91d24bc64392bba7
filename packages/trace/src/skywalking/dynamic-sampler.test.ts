import assert from "node:assert/strict";
import { test } from "node:test";
import { createTraceId } from "../ids.ts";
import { createRemoteContext } from "../remote-context.ts";
import { DynamicSampler, type DynamicSamplerOptions } from "./dynamic-sampler.ts";

const spanId = "b7ad6b7169203331";
function sampler(options: DynamicSamplerOptions = {}): DynamicSampler {
  return new DynamicSampler({ env: {}, ...options });
}
function asks(of: DynamicSampler, name: string, parent?: ReturnType<typeof createRemoteContext>): boolean {
  return of.shouldSample(parent, createTraceId(), name, 1, undefined);
}

test("images are not traced, nor what matches a pattern, whoever calls; the rest is", () => {
  const own = sampler({ ignorePaths: ["/health/**", "/a/*/b", "/x/**/y", "/v?/z"] });
  const parent = createRemoteContext(createTraceId(), spanId, true);
  for (const name of ["GET /logo.png", "GET /health/live", "GET:/a/1/b", "/x/y", "/x/1/2/y", "GET /v1/z"]) {
    assert.equal(asks(own, name), false, name);
    assert.equal(asks(own, name, parent), false, name);
  }
  for (const name of ["GET /users", "/a/1/2/b", "/health", "/v12/z", "/pkg.Service/Method.x"]) {
    assert.equal(asks(own, name), true, name);
  }
});

test("what the caller traces is traced, and what he leaves to us is ours", () => {
  const never = sampler({ rate: 0 });
  assert.equal(asks(never, "a"), false);
  assert.equal(asks(never, "a", createRemoteContext(createTraceId(), spanId, true)), true);
  assert.equal(asks(sampler(), "a", createRemoteContext(createTraceId(), spanId, false)), false);
  assert.equal(asks(sampler(), "a", createRemoteContext(createTraceId(), spanId, undefined)), true);
});

test("the collector's wishes are taken, nonsense and what is taken back leave the start's", () => {
  const own = sampler();
  own.configure(
    new Map([
      ["agent.sample_rate", "0"],
      ["agent.ignore_suffix", ".do"],
    ]),
  );
  assert.equal(asks(own, "a"), false);
  own.configure(
    new Map([
      ["agent.sample_rate", "many"],
      ["agent.ignore_suffix", ".do"],
    ]),
  );
  assert.equal(asks(own, "a"), true);
  assert.equal(asks(own, "/a.do"), false);
  assert.equal(asks(own, "/a.png"), true);
  own.configure(new Map([["agent.sample_n_per_3_secs", "2"]]));
  assert.deepEqual([asks(own, "a"), asks(own, "a"), asks(own, "a")], [true, true, false]);
  own.configure(
    new Map([
      ["agent.sample_n_per_3_secs", "2"],
      ["agent.trace.ignore_path", "/q/**"],
    ]),
  );
  assert.equal(asks(own, "a"), false);
  own.configure(new Map());
  assert.equal(asks(own, "/a.png"), false);
  assert.equal(asks(own, "a"), true);
});

test("requests by some methods are not traced", () => {
  const own = sampler({ env: { SW_HTTP_IGNORE_METHOD: "options, HEAD" } });
  assert.equal(asks(own, "OPTIONS /a"), false);
  assert.equal(asks(own, "GET /a"), true);
  assert.equal(asks(own, "OPTIONS"), true);
  const asksFor = (method: string): boolean =>
    own.shouldSample(undefined, createTraceId(), "/shop.Orders/Get", 1, { "http.request.method": method });
  assert.deepEqual([asksFor("HEAD"), asksFor("GET")], [false, true]);
});

test("SW_AGENT_SAMPLE is a share as Go's agent has it, or so many in 3 seconds as Java's", () => {
  const two = sampler({ env: { SW_AGENT_SAMPLE: "2" } });
  assert.deepEqual([asks(two, "a"), asks(two, "a"), asks(two, "a")], [true, true, false]);
  const all = sampler({ env: { SW_AGENT_SAMPLE: "-1" } });
  assert.deepEqual([asks(all, "a"), asks(all, "a")], [true, true]);
  assert.equal(asks(sampler({ env: { SW_AGENT_SAMPLE: "0" } }), "a"), false);
});

test("the agents' variables", () => {
  const own = sampler({ env: { SW_AGENT_SAMPLE: "0", SW_AGENT_TRACE_IGNORE_PATH: "/a, /b" } });
  assert.equal(asks(own, "c"), false);
  assert.equal(asks(sampler({ env: { SW_AGENT_SAMPLE: "x", SW_IGNORE_SUFFIX: ".q" } }), "/a.png"), true);
});
