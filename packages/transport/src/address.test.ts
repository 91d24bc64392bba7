import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { endpointOf, listen, parseAddress } from "./address.ts";

test("reads host and port; without a host it is every interface", () => {
  assert.deepEqual(parseAddress(":8000"), { host: undefined, port: 8000, text: ":8000" });
  assert.deepEqual(parseAddress("127.0.0.1:0"), { host: "127.0.0.1", port: 0, text: "127.0.0.1:0" });
  assert.deepEqual(parseAddress("localhost:80"), { host: "localhost", port: 80, text: "localhost:80" });
  assert.deepEqual(parseAddress("[::1]:80"), { host: "::1", port: 80, text: "[::1]:80" });
});

test("refuses what is no address, and says what would work", () => {
  for (const text of [
    "",
    "8000",
    "localhost",
    ":",
    ":65536",
    "::1:80",
    "http://a:80",
    "a b:80",
    ":-1",
    ":1.5",
    "[]:80",
  ]) {
    assert.throws(() => parseAddress(text), { code: "CLEW_TRANSPORT_ADDRESS", message: /":8000"/ }, text);
  }
});

test("an endpoint has the real port, and a host that others can reach", () => {
  const bound = { address: "::", family: "IPv6", port: 8000 };
  assert.equal(endpointOf("grpc", { ...bound, address: "127.0.0.1" }).href, "grpc://127.0.0.1:8000");
  assert.equal(endpointOf("http", { ...bound, address: "::1" }).href, "http://[::1]:8000/");
  assert.equal(endpointOf("http", bound, parseAddress("localhost:0")).href, "http://localhost:8000/");
  assert.doesNotMatch(endpointOf("http", bound).hostname, /^(\[::\]|0\.0\.0\.0)$/);
  assert.equal(endpointOf("http", bound).port, "8000");
});

test("a port in use is an error that names the address and keeps the cause", async () => {
  const first = createServer();
  await listen(first, parseAddress("127.0.0.1:0"));
  const { port } = first.address() as { port: number };
  await assert.rejects(listen(createServer(), parseAddress(`127.0.0.1:${port}`)), (error: Error & { code: string }) => {
    assert.equal(error.code, "CLEW_TRANSPORT_ADDRESS_IN_USE");
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} is in use`));
    assert.equal((error.cause as { code: string }).code, "EADDRINUSE");
    return true;
  });
  first.close();
});

test("an address of another machine is an error of its own", async () => {
  await assert.rejects(listen(createServer(), parseAddress("192.0.2.1:0")), { code: "CLEW_TRANSPORT_ADDRESS_REFUSED" });
});
