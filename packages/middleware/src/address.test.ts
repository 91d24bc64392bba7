import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "./address.ts";

test("an address is a host and a port, where it has one", () => {
  for (const [text, host, port] of [
    ["10.0.0.5:9000", "10.0.0.5", 9000],
    ["shop.example:8443", "shop.example", 8443],
    ["shop.example", "shop.example", undefined],
    ["[::1]:9000", "::1", 9000],
    ["[::1]", "::1", undefined],
    ["2001:db8::1", "2001:db8::1", undefined],
    ["/run/app.sock", "/run/app.sock", undefined],
    ["/run/app:1", "/run/app:1", undefined],
    ["shop:http", "shop:http", undefined],
    [":80", ":80", undefined],
    ["", "", undefined],
  ] as const) {
    assert.deepEqual(parseAddress(text), { host, port }, text);
    assert.equal(parseAddress(text), parseAddress(text));
  }
});

test("addresses without end are not kept without end", () => {
  const first = parseAddress("10.0.0.1:1");
  for (let port = 2; port < 3000; port++) parseAddress(`10.0.0.1:${port}`);
  assert.notEqual(parseAddress("10.0.0.1:1"), first);
  assert.deepEqual(parseAddress("10.0.0.1:1"), first);
});
