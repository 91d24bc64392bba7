// Streams, on every transport that carries them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Call, type Metadata, ServiceError } from "@clew/rpc";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { collect, texts } from "./grpc-echo.ts";
import { standstill } from "./standstill.ts";
import { type EchoInit, type Implementations, type TransportUnderTest, withEcho } from "./transport-under-test.ts";

const methods: Implementations = {
  async *serverStream(request, call) {
    call.replyMetadata.set("x-head", "1");
    call.replyTrailers.set("x-tail", "2");
    for (let count = 0; count < request.count; count++) yield { text: request.text, count };
    if (request.text === "fail") throw new ServiceError(404, "BOOK_NOT_FOUND", "no book", { metadata: { a: "b" } });
  },
  async clientStream(requests) {
    const all: string[] = [];
    for await (const { text } of requests) {
      if (text === "enough") break;
      if (text === "fail") throw new ServiceError(409, "BUSY", "later");
      all.push(text);
    }
    return { text: all.join(","), count: all.length };
  },
  async *bidiStream(requests) {
    for await (const { text } of requests) yield { text: text.toUpperCase() };
    yield { text: "end" };
  },
};

export function testStreams(transport: TransportUnderTest): void {
  test("carries streams of both directions, empty ones and long ones too", async () => {
    await withEcho(transport, { methods }, async (client) => {
      for (const count of [0, 1, 1000]) {
        const replies = await collect(client.serverStream({ text: "a", count }));
        assert.deepEqual(
          replies.map((reply) => reply.count),
          Array.from({ length: count }, (_, index) => index),
        );
        const many = Array.from({ length: count }, (_, index) => String(index));
        assert.equal((await client.clientStream(texts(...many))).text, many.join(","));
        const both = await collect(client.bidiStream(texts(...many)));
        assert.deepEqual(
          both.map((reply) => reply.text),
          [...many, "end"],
        );
      }
    });
  });

  test("streams both ways are alive at the same time", async () => {
    await withEcho(transport, { methods }, async (client) => {
      // What is asked next waits for the reply to what was asked before.
      const asked = ["a", "b", "c"];
      let allow = (): void => {};
      async function* requests(): AsyncIterable<EchoInit> {
        for (const text of asked) {
          const answered = new Promise<void>((resolve) => (allow = resolve));
          yield { text };
          await answered;
        }
      }
      const replies = client.bidiStream(requests())[Symbol.asyncIterator]();
      for (const text of asked) {
        assert.equal((await replies.next()).value?.text, text.toUpperCase());
        allow();
      }
      assert.equal((await replies.next()).value?.text, "end");
      assert.equal((await replies.next()).done, true);
    });
  });

  test("headers come before the first message, trailers after the last", async () => {
    await withEcho(transport, { methods }, async (client) => {
      const order: string[] = [];
      const options = {
        onHeaders: (headers: Metadata) => order.push(`headers ${headers.get("x-head")}`),
        onTrailers: (trailers: Metadata) => order.push(`trailers ${trailers.get("x-tail")}`),
      };
      for await (const reply of client.serverStream({ count: 2 }, options)) order.push(`message ${reply.count}`);
      assert.deepEqual(order, ["headers 1", "message 0", "message 1", "trailers 2"]);
    });
  });

  test("an error ends a stream after the messages before it", async () => {
    await withEcho(transport, { methods }, async (client) => {
      for (const count of [0, 3]) {
        const got: number[] = [];
        const failure = await failureOf(
          (async () => {
            for await (const reply of client.serverStream({ text: "fail", count })) got.push(reply.count);
          })(),
        );
        assert.deepEqual(failure.toJSON(), {
          code: 404,
          reason: "BOOK_NOT_FOUND",
          message: "no book",
          metadata: { a: "b" },
        });
        assert.equal(got.length, count);
      }
      const error = await failureOf(client.clientStream(texts("a", "fail", "b")));
      assert.deepEqual([error.code, error.reason], [409, "BUSY"]);
    });
  });

  test("a reply that comes before the requests end stops them", async () => {
    await withEcho(transport, { methods }, async (client) => {
      let isReleased = false;
      async function* endless(): AsyncIterable<EchoInit> {
        try {
          yield { text: "a" };
          for (;;) yield { text: "enough" };
        } finally {
          isReleased = true;
        }
      }
      assert.equal((await client.clientStream(endless())).text, "a");
      await until(() => isReleased, "the requests are released");
    });
  });

  test("a caller that stops reading, or whose requests fail, cancels the call", async () => {
    const calls: Call[] = [];
    let releases = 0;
    const endless: Implementations = {
      async *serverStream(_request, call) {
        calls.push(call);
        try {
          for (let count = 0; ; count++) yield { count, payload: Buffer.alloc(10_000) };
        } finally {
          releases++;
        }
      },
      async *bidiStream(requests, call) {
        calls.push(call);
        try {
          for await (const request of requests) yield request;
        } finally {
          releases++;
        }
      },
    };
    await withEcho(transport, { methods: endless }, async (client) => {
      for await (const reply of client.serverStream({})) if (reply.count === 3) break;
      await until(() => calls[0]?.cancelled !== undefined && releases === 1, "the stream is cancelled and released");
      assert.equal(calls[0]!.cancelled?.code, 499);
      let fail = (): void => {};
      async function* failing(): AsyncIterable<EchoInit> {
        const answered = new Promise<void>((resolve) => (fail = resolve));
        yield { text: "a" };
        await answered;
        throw new Error("the caller's own");
      }
      const broken = client.bidiStream(failing())[Symbol.asyncIterator]();
      assert.equal((await broken.next()).value?.text, "a");
      fail();
      await assert.rejects(broken.next(), ServiceError);
      await until(() => calls[1]?.cancelled !== undefined && releases === 2, "the second is as well");
      const controller = new AbortController();
      const stream = client.serverStream({}, { signal: controller.signal })[Symbol.asyncIterator]();
      await stream.next();
      controller.abort();
      const error = await failureOf(
        (async () => {
          for (;;) if ((await stream.next()).done) return;
        })(),
      );
      assert.equal(error.code, 499);
      await until(() => calls[2]?.cancelled !== undefined && releases === 3, "and the third");
    });
  });

  test("a fast sender waits for a slow reader", async () => {
    let sent = 0;
    const flood: Implementations = {
      async *serverStream() {
        for (; sent < 100_000; sent++) yield { payload: Buffer.alloc(10_000) };
      },
    };
    await withEcho(transport, { methods: flood }, async (client) => {
      const stream = client.serverStream({})[Symbol.asyncIterator]();
      await stream.next();
      const stoodAt = await standstill(() => sent);
      assert.ok(stoodAt < 10_000, `${stoodAt} messages were sent to a reader that took one`);
      await stream.return?.();
    });
  });
}
