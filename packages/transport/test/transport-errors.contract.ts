// What a caller gets of an error, on every transport.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BadRequestSchema, badRequest, createServiceClient, ErrorDetail, ServiceError } from "@clew/rpc";
import { failureOf } from "./failure-of.ts";
import { Echo, Shelves } from "./gen/test/v1/test_pb.ts";
import { type Implementations, type TransportUnderTest, withEcho } from "./transport-under-test.ts";

export function testErrors(transport: TransportUnderTest): void {
  test("an error arrives with code, reason, message and metadata, and without its cause", async () => {
    let given: ServiceError | undefined;
    const methods: Implementations = {
      unary: (request) => {
        const metadata = { shelf: "höher" };
        given = new ServiceError(request.count, "BOOK_NOT_FOUND", "no “ü” at 100%", {
          metadata,
          cause: new Error("x"),
        });
        throw given;
      },
    };
    await withEcho(transport, { methods }, async (client) => {
      // 405 and 422 have no gRPC status of their own.
      for (const code of [400, 401, 404, 405, 409, 422, 429, 500, 503]) {
        const error = await failureOf(client.unary({ count: code }));
        assert.deepEqual(error.toJSON(), given!.toJSON());
        assert.notEqual(error, given);
        assert.equal(error.cause, undefined);
      }
    });
  });

  test("an error's details arrive as messages", async () => {
    const methods: Implementations = {
      unary: () => {
        throw new ServiceError(422, "BAD", "bad", {
          details: [badRequest({ text: "is taken" }), ErrorDetail.of(Echo.method.unary.input, { count: 7 })],
        });
      },
    };
    await withEcho(transport, { methods }, async (client) => {
      const error = await failureOf(client.unary({}));
      assert.equal(error.code, 422);
      const [violation] = error.detail(BadRequestSchema)?.fieldViolations ?? [];
      assert.deepEqual([violation?.field, violation?.description], ["text", "is taken"]);
      assert.equal(error.detail(Echo.method.unary.input)?.count, 7);
    });
  });

  test("what is thrown and no ServiceError is 500 UNKNOWN and gives nothing away", async () => {
    const methods: Implementations = {
      unary: () => {
        throw new TypeError("secret");
      },
    };
    await withEcho(transport, { methods }, async (client) => {
      const error = await failureOf(client.unary({}));
      assert.deepEqual([error.code, error.reason], [500, "UNKNOWN"]);
      assert.doesNotMatch(JSON.stringify(error), /secret/);
    });
  });

  test("a service that is not there is an error", async () => {
    await withEcho(transport, {}, async (_client, ends) => {
      const shelves = createServiceClient(Shelves, ends.client);
      const { code } = await failureOf(shelves.getBook({ shelf: "s", book: { id: "b" } }));
      assert.ok(code === 404 || code === 501, String(code));
    });
  });
}
