import assert from "node:assert/strict";
import { test } from "node:test";
import { isResolvable, parseTarget } from "./target.ts";

const overGrpc = { schemes: ["grpc"], transport: "grpc" } as const;
const overHttp = { schemes: ["http"], transport: "http" } as const;

test("a service of a registry, by its endpoints of gRPC or those of the scheme", () => {
  const name = "helloworld.grpc";
  assert.deepEqual(parseTarget("discovery:///helloworld.grpc"), {
    kind: "discovery",
    name,
    schemes: ["grpcs", "grpc"],
    transport: "grpc",
  });
  assert.deepEqual(parseTarget("discovery:///helloworld.grpc?scheme=http"), { kind: "discovery", name, ...overHttp });
  assert.deepEqual(parseTarget("discovery:///a%20b?scheme=grpc"), { kind: "discovery", name: "a b", ...overGrpc });
});

test("addresses, in plain gRPC or of the scheme, or whole endpoints", () => {
  assert.deepEqual(parseTarget("direct:///10.0.0.5:9000,[::1]:9001"), {
    kind: "direct",
    endpoints: ["grpc://10.0.0.5:9000", "grpc://[::1]:9001"],
    ...overGrpc,
  });
  assert.deepEqual(parseTarget("direct:///a:1,b:2?scheme=http"), {
    kind: "direct",
    endpoints: ["http://a:1", "http://b:2"],
    ...overHttp,
  });
  assert.deepEqual(parseTarget("direct:///https://a/base,https://b/base"), {
    kind: "direct",
    endpoints: ["https://a/base", "https://b/base"],
    schemes: ["https"],
    transport: "http",
  });
});

test("a name of the DNS", () => {
  assert.deepEqual(parseTarget("dns:///users.svc:9000"), { kind: "dns", host: "users.svc", port: 9000, ...overGrpc });
  assert.deepEqual(parseTarget("dns:///[::1]:80?scheme=http"), { kind: "dns", host: "::1", port: 80, ...overHttp });
});

test("one endpoint", () => {
  const endpoint = "grpc://10.0.0.5:9000";
  assert.deepEqual(parseTarget(endpoint), { kind: "direct", endpoints: [endpoint], ...overGrpc });
  assert.equal(parseTarget("https://api.example.com/base").transport, "http");
});

test("what leads nowhere is refused with what would work", () => {
  const bad = [
    "",
    "helloworld",
    "discovery://helloworld",
    "discovery:///",
    "discovery:///%zz",
    "discovery:///x?scheme=ws",
    "discovery:///x?transport=http",
    "direct:///",
    "direct:///a",
    "direct:///a:1,",
    "direct:///a:99999",
    "direct:///grpc://a:1,http://b:1",
    "direct:///grpc://a:1?scheme=http",
    "dns:///users",
    "dns:///users:99999",
    "grpc://a",
    "ftp://a:1",
    "etcd:///x",
  ];
  for (const target of bad) {
    const message = /is not valid; it must be like one of .+/;
    assert.throws(() => parseTarget(target), { code: "CLEW_REGISTRY_TARGET", message }, target);
  }
});

test("endpoints are none of what is resolved", () => {
  assert.ok(isResolvable("discovery:///x") && isResolvable("dns:///x:1") && isResolvable("DIRECT:///x:1"));
  assert.ok(!isResolvable("grpc://x:1") && !isResolvable("x:1"));
});
