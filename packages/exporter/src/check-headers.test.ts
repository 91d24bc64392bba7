import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveOtlpOptions } from "./otlp-options.ts";
import { resolveSkyWalkingOptions } from "./skywalking-options.ts";
import { resolveZipkinOptions } from "./zipkin.ts";

const odd: readonly Readonly<Record<string, string>>[] = [
  { "x a": "b" },
  { "x-a": "b\r\nx-b: c" },
  { "x-a": "\u20ac" },
  { "": "b" },
];

test("a header that cannot be sent is told when the exporter is made, with where it came from", () => {
  for (const headers of odd) {
    const error = {
      code: "CLEW_EXPORTER_OPTION",
      message: /^headers has the header ".*" with ".*"; a name is one word/,
    };
    assert.throws(() => resolveOtlpOptions("traces", { headers, env: {} }), error);
    assert.throws(() => resolveZipkinOptions({ headers, env: {} }), error);
  }
  for (const name of ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"]) {
    assert.throws(() => resolveOtlpOptions("traces", { env: { [name]: "x-a=b%0Ac" } }), {
      code: "CLEW_EXPORTER_OPTION",
      message: new RegExp(`^${name} has the header "x-a" with "b\\\\nc"; `),
    });
  }
  const service = "orders";
  for (const name of ["SW_AGENT_AUTHENTICATION", "SW_AGENT_REPORTER_GRPC_AUTHENTICATION"]) {
    assert.throws(() => resolveSkyWalkingOptions({ service, env: { [name]: "a\nb" } }), {
      message: new RegExp(`^${name} has the header "authentication" with `),
    });
  }
  assert.throws(
    () => resolveSkyWalkingOptions({ service, authentication: "a\nb", env: {} }),
    /^TypeError: skywalking has /,
  );
});

test("others are", () => {
  const headers = { authorization: "Bearer a1b2", "X-Key": "caf\xe9", "x-empty": "" };
  assert.deepEqual(resolveOtlpOptions("traces", { headers, env: {} }).headers, headers);
  assert.deepEqual(resolveZipkinOptions({ headers, env: {} }).headers, headers);
  const { headers: sent } = resolveSkyWalkingOptions({ service: "orders", authentication: "a b", env: {} });
  assert.equal(sent.authentication, "a b");
});
