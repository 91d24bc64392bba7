import assert from "node:assert/strict";
import { test } from "node:test";
import { readAdvertise } from "./advertise.ts";

const endpoints = [new URL("http://172.17.0.2:8000/base"), new URL("grpc://172.17.0.2:9000")];

function advertised(option: Parameters<typeof readAdvertise>[0], variables = {}): string[] {
  return readAdvertise(option, variables)(endpoints).map(({ href }) => href);
}

test("a host takes the place of the servers' own; ports and paths stay", () => {
  assert.deepEqual(advertised(undefined), ["http://172.17.0.2:8000/base", "grpc://172.17.0.2:9000"]);
  assert.deepEqual(advertised("10.0.0.5"), ["http://10.0.0.5:8000/base", "grpc://10.0.0.5:9000"]);
  assert.deepEqual(advertised("fd00::1"), ["http://[fd00::1]:8000/base", "grpc://[fd00::1]:9000"]);
  assert.deepEqual(advertised("[fd00::1]"), ["http://[fd00::1]:8000/base", "grpc://[fd00::1]:9000"]);
  assert.deepEqual(advertised("$POD_IP", { POD_IP: "10.1.1.1" }), [
    "http://10.1.1.1:8000/base",
    "grpc://10.1.1.1:9000",
  ]);
});

test("whole URLs take the place of all endpoints", () => {
  assert.deepEqual(advertised("https://api.example.com"), ["https://api.example.com/"]);
  assert.deepEqual(advertised([new URL("http://a:1"), "grpc://b:2"]), ["http://a:1/", "grpc://b:2"]);
  assert.deepEqual(advertised("$URL", { URL: "grpc://c:3" }), ["grpc://c:3"]);
});

test("a socket in the file system keeps its endpoint", () => {
  assert.deepEqual(readAdvertise("10.0.0.5", {})([new URL("unix:///run/a.sock")]).map(String), ["unix:///run/a.sock"]);
});

test("what is neither is refused at once, and says what would work", () => {
  assert.throws(() => advertised("$POD_IP"), {
    code: "CLEW_APP_OPTION",
    message: "option advertise is $POD_IP: the environment variable POD_IP is not set: set it, or advertise a host",
  });
  for (const wrong of ["10.0.0.5:8000", "a b", "a/b", "", "me@here"]) {
    assert.throws(() => advertised(wrong), { code: "CLEW_APP_OPTION" }, wrong);
  }
  assert.throws(() => advertised(["10.0.0.5"]), /it must be a URL such as/);
  assert.throws(() => advertised([]), /an empty list/);
});
