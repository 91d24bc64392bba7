// What a call is on every transport: its message there and back, its ends, its chain, what is announced of it.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { Context, createKey, current, run } from "@clew/context";
import { currentCall, type Middleware, ServiceError } from "@clew/rpc";
import type { CallAnnouncement } from "@clew/transport";
import { hearCalls } from "./hear-calls.ts";
import { type EchoInit, type Implementations, type TransportUnderTest, withEcho } from "./transport-under-test.ts";

export function testCalls(transport: TransportUnderTest): void {
  test("carries a message both ways, also one without a field, and a large one", async () => {
    await withEcho(transport, {}, async (client) => {
      const payload = Buffer.alloc(1_000_000, "x");
      for (const init of [{ text: "é\0\u{1F600}", count: -1 }, {}, { payload }] as EchoInit[]) {
        const reply = await client.unary(init);
        assert.equal(reply.$typeName, "test.v1.EchoMessage");
        assert.deepEqual([reply.text, reply.count], [init.text ?? "", init.count ?? 0]);
        assert.equal(reply.payload.length, init.payload?.length ?? 0);
      }
    });
  });

  test("each end knows where the other is", async () => {
    const addresses: string[] = [];
    const tell: Middleware = (next) => (call) => next(call).finally(() => addresses.push(call.peer.address));
    await withEcho(transport, { middleware: [tell], clientMiddleware: [tell] }, async (client) => {
      await client.unary({});
      const known = transport.isForeign ? addresses.slice(0, 1) : addresses;
      assert.ok(known.length > 0);
      for (const address of known) assert.match(address, /^(?:memory|127\.0\.0\.1:\d+|\/.+)$/);
    });
  });

  test("many calls at a time get their own replies", async () => {
    const methods = { unary: async (request: EchoInit) => request } as Implementations;
    await withEcho(transport, { methods }, async (client) => {
      const counts = Array.from({ length: 100 }, (_, count) => count);
      const replies = await Promise.all(counts.map((count) => client.unary({ count })));
      assert.deepEqual(
        replies.map((reply) => reply.count),
        counts,
      );
    });
  });

  test("neither end sees what the other does to its message", async () => {
    const kept: { text: string }[] = [];
    const methods: Implementations = {
      unary: (request) => {
        request.text += " changed";
        kept.push(request);
        return request;
      },
    };
    await withEcho(transport, { methods }, async (client) => {
      const request = { text: "a", payload: new Uint8Array([1]) };
      const reply = await client.unary(request);
      assert.equal(request.text, "a");
      reply.text = "mine";
      assert.equal(kept[0]!.text, "a changed");
      assert.notEqual(reply.payload.buffer, request.payload.buffer);
    });
  });

  test("the chain runs around the handler, in the call's own context and not the caller's", async () => {
    const key = createKey<string>("contract");
    const storage = new AsyncLocalStorage<string>();
    const order: string[] = [];
    const note =
      (label: string): Middleware =>
      (next) =>
      async (call) => {
        order.push(`${label} ${call.side} ${call.operation}`);
        if (call.side === "server") call.context = call.context.setValue(key, "server's");
        return next(call);
      };
    const seen: unknown[] = [];
    let isCurrent = false;
    const methods: Implementations = {
      unary: async (request, call) => {
        await undefined;
        isCurrent = currentCall() === call;
        seen.push(current().getValue(key), storage.getStore(), call.side, call.peer.address !== "");
        return request;
      },
    };
    const setup = { methods, middleware: [note("a"), note("b")], clientMiddleware: [note("c")] };
    await withEcho(transport, setup, async (client) => {
      const context = Context.root.setValue(key, "client's");
      await storage.run("client's", () => run(context, () => client.unary({})));
      const operation = "/test.v1.Echo/Unary";
      assert.deepEqual(order, [`c client ${operation}`, `a server ${operation}`, `b server ${operation}`]);
      assert.equal(isCurrent, true);
      assert.deepEqual(seen, ["server's", undefined, "server", true]);
    });
  });

  test("both ends announce each call once, and show its messages", async () => {
    const seen: string[] = [];
    const listen = ({ stage, call, error }: CallAnnouncement): void => {
      seen.push(`${call.side} ${stage}${error === undefined ? "" : ` ${error.reason}`}`);
      if (stage === "begin") call.onMessage((direction) => seen.push(`${call.side} ${direction}`));
    };
    const methods: Implementations = {
      unary: (request) => {
        if (request.text === "fail") throw new ServiceError(409, "BUSY", "later");
        return request;
      },
    };
    await hearCalls(["server", "client"], listen, () =>
      withEcho(transport, { methods }, async (client) => {
        await client.unary({ text: "ok" });
        await client.unary({ text: "fail" }).catch(() => {});
      }),
    );
    const of = (side: string): string[] => seen.filter((line) => line.startsWith(side)).map((line) => line.slice(7));
    const server = ["begin", "received", "sent", "end", "begin", "received", "end BUSY"];
    assert.deepEqual(of("server"), server);
    const client = ["begin", "sent", "received", "end", "begin", "sent", "end BUSY"];
    assert.deepEqual(of("client"), transport.isForeign ? [] : client);
  });
}
