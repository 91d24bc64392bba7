// Metadata, on every transport.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata, type Middleware, ServiceError } from "@clew/rpc";
import { failureOf } from "./failure-of.ts";
import { type Implementations, type TransportUnderTest, withEcho } from "./transport-under-test.ts";

export function testMetadata(transport: TransportUnderTest): void {
  test("metadata arrives in both directions, with all its values, and copied", async () => {
    const travelling = {
      "x-md-global-tag": ["a", "b, c", "d"],
      "x-md-local-tag": ["e", "f"],
      "x-md-service-name": ["shop"],
      "x-md-global-key-bin": ["AQI", "Aw"],
    };
    let received: Metadata | undefined;
    let replied: Metadata | undefined;
    const methods: Implementations = {
      unary: (request, call) => {
        received = call.metadata;
        call.replyMetadata.set("X-Reply", ["1", "2"]);
        if (request.text === "fail") throw new ServiceError(409, "BUSY", "later");
        return request;
      },
    };
    const keep: Middleware = (next) => async (call) => {
      try {
        return await next(call);
      } finally {
        replied = call.replyMetadata;
      }
    };
    await withEcho(transport, { methods, clientMiddleware: [keep] }, async (client) => {
      for (const text of ["ok", "fail"]) {
        const metadata = new Metadata({ "X-One": "1", "x-list": ["a", "b"], "x-empty": "", ...travelling });
        const headers: (string | undefined)[] = [];
        const options = { metadata, onHeaders: (given: Metadata) => headers.push(given.get("x-reply")) };
        await client.unary({ text }, options).catch(() => {});
        assert.equal(received?.get("x-one"), "1");
        assert.equal(received?.getAll("x-list").join(", "), "a, b");
        // Those of Kratos stay apart, whatever the transport makes of others.
        for (const [name, values] of Object.entries(travelling)) {
          assert.deepEqual(received?.getAll(name), values, name);
        }
        assert.equal(replied?.getAll("x-reply").join(", "), "1, 2", text);
        if (text === "ok") assert.match(headers[0] ?? "", /^1/);
        received?.set("x-one", "2");
        assert.equal(metadata.get("x-one"), "1");
      }
    });
  });

  test("metadata cannot frame the reply, and what no header can hold is an error", async () => {
    let metadata: Record<string, string> = {};
    const methods: Implementations = {
      unary: (request, call) => {
        call.replyMetadata = new Metadata(metadata);
        return request;
      },
    };
    let replied: Metadata | undefined;
    const keep: Middleware = (next) => async (call) => {
      const reply = await next(call);
      replied = call.replyMetadata;
      return reply;
    };
    await withEcho(transport, { methods, clientMiddleware: [keep] }, async (client) => {
      metadata = { connection: "close", "content-length": "1", "transfer-encoding": "x", "x-ok": "1" };
      assert.equal((await client.unary({ text: "a" })).text, "a");
      assert.equal(replied?.get("x-ok"), "1");
      assert.notEqual(replied?.get("connection"), "close");
      assert.notEqual(replied?.get("content-length"), "1");
      for (metadata of [{ "x-a": "1\r\nx-evil: 1" }, { "x a": "1" }, { "": "1" }, { "x-a": "\u{1F600}" }]) {
        const error = await failureOf(client.unary({ text: "a" }));
        assert.equal(error.code, 500, JSON.stringify(metadata));
      }
      metadata = {};
      // The caller's own fault stays with the caller.
      await assert.rejects(client.unary({}, { metadata: { "x-a": "1\r\nx-evil: 1" } }), ServiceError);
      assert.equal((await client.unary({ text: "b" })).text, "b");
    });
  });
}
