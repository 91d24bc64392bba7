import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";
import { addVary, beforeHead, toList } from "./response-head.ts";

function createResponse(): ServerResponse {
  return new ServerResponse(new IncomingMessage(new Socket()));
}

test("however a head goes out, it is seen whole and once, inner filters first", () => {
  const ways: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(201, { "X-One": "1", "x-two": ["2", "3"] }),
    (response) => response.writeHead(201, "Made", { "X-One": "1", "x-two": ["2", "3"] }),
    (response) => response.writeHead(201, ["X-One", "1", "x-two", "2", "X-Two", "3"]),
    (response) =>
      response.writeHead(201, [
        ["X-One", "1"],
        ["x-two", "2"],
        ["x-two", "3"],
      ] as never),
    (response) => {
      response.statusCode = 201;
      response.setHeader("x-one", "1").setHeader("x-two", ["2", "3"]);
      response.write("body");
    },
    (response) => {
      response.statusCode = 201;
      response.setHeader("x-one", "1").setHeader("x-two", ["2", "3"]);
      response.flushHeaders();
      response.end();
    },
  ];
  for (const [at, way] of ways.entries()) {
    const response = createResponse();
    const seen: unknown[] = [];
    beforeHead(response, () => seen.push("outer"));
    beforeHead(response, () => {
      seen.push([response.statusCode, response.getHeader("x-one"), response.getHeader("x-two")]);
      response.statusCode = 202;
    });
    way(response);
    assert.deepEqual(seen, [[201, "1", ["2", "3"]], "outer"], `way ${at}`);
    assert.equal(response.statusCode, 202);
  }
});

test("Vary has each name once, and a star says it all", () => {
  const response = createResponse();
  addVary(response, "Origin");
  addVary(response, "origin", "Accept");
  assert.equal(response.getHeader("vary"), "Origin, Accept");
  response.setHeader("vary", ["*"]);
  addVary(response, "Origin");
  assert.deepEqual(response.getHeader("vary"), ["*"]);
  assert.deepEqual(toList([" a,b ", "", "c"]), ["a", "b", "c"]);
});
