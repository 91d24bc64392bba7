// What every transport has to do, whatever is between its two ends.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Context, createKey, current, run } from "@clew/context";
import {
  BadRequestSchema,
  badRequest,
  type Call,
  type Client,
  createServiceClient,
  currentCall,
  ErrorDetail,
  type Implementation,
  Metadata,
  type Middleware,
  type Service,
  type ServiceClient,
  ServiceError,
  service,
} from "@clew/rpc";
import type { CallAnnouncement } from "@clew/transport";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { Echo, type EchoMessageSchema, Shelves } from "./gen/test/v1/test_pb.ts";
import { collect, texts } from "./grpc-echo.ts";
import { hearCalls } from "./hear-calls.ts";
import { patientMs } from "./patient-ms.ts";

/** What servers of any transport take. */
export interface ServerInit {
  readonly services: readonly Service[];
  readonly middleware?: readonly Middleware[];
  readonly timeoutMs?: number;
}

/** The two ends of a transport, connected. */
export interface Ends {
  readonly client: Client;
  stop(signal: AbortSignal): Promise<void>;
}

export interface TransportUnderTest {
  /** Whether it carries streams. */
  readonly streams: boolean;
  /** Whether its client is a test's own, which announces nothing. */
  readonly isForeign?: boolean;
  connect(server: ServerInit): Promise<Ends>;
}

type Implementations = Partial<Implementation<typeof Echo>>;
type EchoInit = MessageInitShape<typeof EchoMessageSchema>;

interface Setup extends Omit<ServerInit, "services"> {
  readonly methods?: Implementations;
  readonly clientMiddleware?: readonly Middleware[];
}

/** Runs the suite against a transport. */
export function testTransport(name: string, transport: TransportUnderTest): void {
  /** Connects both ends for as long as `use` runs. */
  async function withEcho<R>(
    { methods = {}, clientMiddleware = [], ...server }: Setup,
    use: (client: ServiceClient<typeof Echo>, ends: Ends) => Promise<R>,
  ): Promise<R> {
    const implementation: Implementation<typeof Echo> = {
      unary: (request) => request,
      async *serverStream() {},
      clientStream: async () => ({}),
      async *bidiStream() {},
      ...methods,
    };
    const ends = await transport.connect({
      services: [service(Echo, implementation)],
      timeoutMs: patientMs,
      ...server,
    });
    const client = createServiceClient(Echo, ends.client, { timeoutMs: patientMs, middleware: clientMiddleware });
    try {
      return await use(client, ends);
    } finally {
      await client[Symbol.asyncDispose]();
      await ends.stop(AbortSignal.abort());
    }
  }

  describe(name, () => {
    test("carries a message both ways, also one without a field, and a large one", async () => {
      await withEcho({}, async (client) => {
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
      await withEcho({ middleware: [tell], clientMiddleware: [tell] }, async (client) => {
        await client.unary({});
        const known = transport.isForeign ? addresses.slice(0, 1) : addresses;
        assert.ok(known.length > 0);
        for (const address of known) assert.match(address, /^(?:memory|127\.0\.0\.1:\d+|\/.+)$/);
      });
    });

    test("many calls at a time get their own replies", async () => {
      const methods = { unary: async (request: EchoInit) => request } as Implementations;
      await withEcho({ methods }, async (client) => {
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
      await withEcho({ methods }, async (client) => {
        const request = { text: "a", payload: new Uint8Array([1]) };
        const reply = await client.unary(request);
        assert.equal(request.text, "a");
        reply.text = "mine";
        assert.equal(kept[0]!.text, "a changed");
        assert.notEqual(reply.payload.buffer, request.payload.buffer);
      });
    });

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
      await withEcho({ methods }, async (client) => {
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
      await withEcho({ methods }, async (client) => {
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
      await withEcho({ methods }, async (client) => {
        const error = await failureOf(client.unary({}));
        assert.deepEqual([error.code, error.reason], [500, "UNKNOWN"]);
        assert.doesNotMatch(JSON.stringify(error), /secret/);
      });
    });

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
      await withEcho({ methods, clientMiddleware: [keep] }, async (client) => {
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
      await withEcho({ methods, clientMiddleware: [keep] }, async (client) => {
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
      await withEcho(setup, async (client) => {
        const context = Context.root.setValue(key, "client's");
        await storage.run("client's", () => run(context, () => client.unary({})));
        const operation = "/test.v1.Echo/Unary";
        assert.deepEqual(order, [`c client ${operation}`, `a server ${operation}`, `b server ${operation}`]);
        assert.equal(isCurrent, true);
        assert.deepEqual(seen, ["server's", undefined, "server", true]);
      });
    });

    test("a deadline that passes ends the call at both ends", async () => {
      const calls: Call[] = [];
      const keep: Middleware = (next) => (call) => {
        calls.push(call);
        return next(call);
      };
      const methods: Implementations = { unary: () => new Promise(() => {}) };
      await withEcho({ methods, middleware: [keep], timeoutMs: 0 }, async (client) => {
        // A deadline may pass before there is a connection: then one that is later has to show it.
        for (let timeoutMs = 50; calls.length === 0; timeoutMs *= 2) {
          assert.equal((await failureOf(client.unary({}, { timeoutMs }))).code, 504);
        }
        await until(() => calls.every((call) => call.signal.aborted), "the server's end is cancelled");
      });
      calls.length = 0;
      await withEcho({ methods, middleware: [keep], timeoutMs: 30 }, async (client) => {
        const error = await failureOf(client.unary({}));
        assert.equal(error.code, 504);
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
      await withEcho({ methods, timeoutMs: 0 }, async (client) => {
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

    test("a service that is not there is an error", async () => {
      await withEcho({}, async (_client, ends) => {
        const shelves = createServiceClient(Shelves, ends.client);
        const { code } = await failureOf(shelves.getBook({ shelf: "s", book: { id: "b" } }));
        assert.ok(code === 404 || code === 501, String(code));
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
        withEcho({ methods }, async (client) => {
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
        await withEcho({ methods, timeoutMs: 0 }, async (client, ends) => {
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

    if (transport.streams) testStreams(withEcho);
  });
}

type WithEcho = <R>(setup: Setup, use: (client: ServiceClient<typeof Echo>, ends: Ends) => Promise<R>) => Promise<R>;

function testStreams(withEcho: WithEcho): void {
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

  test("carries streams of both directions, empty ones and long ones too", async () => {
    await withEcho({ methods }, async (client) => {
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
    await withEcho({ methods }, async (client) => {
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
    await withEcho({ methods }, async (client) => {
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
    await withEcho({ methods }, async (client) => {
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
    await withEcho({ methods }, async (client) => {
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
    await withEcho({ methods: endless }, async (client) => {
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
    await withEcho({ methods: flood }, async (client) => {
      const stream = client.serverStream({})[Symbol.asyncIterator]();
      await stream.next();
      let before = -1;
      await until(() => {
        const isSame = before === sent;
        before = sent;
        return isSame;
      }, "the sender waits");
      assert.ok(sent < 10_000, `${sent} messages were sent to a reader that took one`);
      await stream.return?.();
    });
  });
}
