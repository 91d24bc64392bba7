// How a call ends before its reply, on every transport: by its deadline, its caller, its server.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Call, Middleware, ServiceError } from "@clew/rpc";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { type Implementations, type TransportUnderTest, withEcho } from "./transport-under-test.ts";

export function testEnd(transport: TransportUnderTest): void {
  test("a deadline that passes ends the call at both ends", async () => {
    const calls: Call[] = [];
    const keep: Middleware = (next) => (call) => {
      calls.push(call);
      return next(call);
    };
    const methods: Implementations = { unary: () => new Promise(() => {}) };
    await withEcho(transport, { methods, middleware: [keep], timeoutMs: 0 }, async (client) => {
      // A deadline may pass before there is a connection: then one that is later has to show it.
      for (let timeoutMs = 50; calls.length === 0; timeoutMs *= 2) {
        assert.equal((await failureOf(client.unary({}, { timeoutMs }))).code, 504);
      }
      await until(() => calls.every((call) => call.signal.aborted), "the server's end is cancelled");
    });
    calls.length = 0;
    await withEcho(transport, { methods, middleware: [keep], timeoutMs: 30 }, async (client) => {
      const error = await failureOf(client.unary({}));
      assert.deepEqual([error.code, error.reason], [504, "GATEWAY_TIMEOUT"]);
      assert.equal(calls[0]!.cancelled?.code, 504);
    });
  });

  test("a caller that gives up cancels the call at both ends", async () => {
    const calls: Call[] = [];
    const methods: Implementations = {
      unary: (_request, call) => {
        calls.push(call);
        return new Promise(() => {});
      },
    };
    await withEcho(transport, { methods, timeoutMs: 0 }, async (client) => {
      const controller = new AbortController();
      const failure = failureOf(client.unary({}, { signal: controller.signal }));
      await until(() => calls.length === 1, "the call arrives");
      controller.abort();
      assert.equal((await failure).code, 499);
      await until(() => calls[0]!.cancelled !== undefined, "the server's end is cancelled");
      assert.equal(calls[0]!.cancelled?.code, 499);
      const early = await failureOf(client.unary({}, { signal: AbortSignal.abort() }));
      assert.equal(early.code, 499);
      assert.equal(calls.length, 1);
    });
  });

  test("stop lets an open call end and takes no other; its signal cuts off", async () => {
    for (const isCutOff of [false, true]) {
      const calls: Call[] = [];
      let release = (): void => {};
      const methods: Implementations = {
        unary: (request, call) => {
          calls.push(call);
          return new Promise((resolve) => {
            release = () => resolve(request);
          });
        },
      };
      await withEcho(transport, { methods, timeoutMs: 0 }, async (client, ends) => {
        const outcome = client.unary({ text: "late" }).then(
          (reply) => reply.text,
          (error: ServiceError) => error.code,
        );
        await until(() => calls.length === 1, "the call arrives");
        const cut = new AbortController();
        const stopped = ends.stop(cut.signal);
        if (isCutOff) cut.abort();
        else release();
        assert.equal(await outcome, isCutOff ? 503 : "late");
        await stopped;
        if (isCutOff) await until(() => calls[0]!.cancelled !== undefined, "the call is cancelled");
        else assert.equal(calls[0]!.cancelled, undefined);
        const after = await failureOf(client.unary({}));
        assert.equal(after.code, 503);
        assert.equal(calls.length, 1);
      });
    }
  });
}
