import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { describe, it } from "node:test";
import { type Call, createServiceClient, type Middleware, service } from "@clew/rpc";
import { GrpcClient, GrpcServer } from "@clew/transport/grpc";
import { Echo } from "./gen/test/v1/test_pb.ts";
import {
  collect,
  connectTo,
  createEchoClient,
  echo,
  echoImplementation,
  failureOf,
  startServer,
  texts,
  until,
} from "./grpc-echo.ts";

const soon = (): AbortSignal => AbortSignal.timeout(60_000);

/** Keeps every call that comes in. */
function recordCalls(calls: Call[]): Middleware {
  return (next) => (call) => {
    calls.push(call);
    return next(call);
  };
}

describe("cancelling", () => {
  it("from the client reaches the handler, whatever it waits for", async () => {
    const calls: Call[] = [];
    const server = await startServer({ middleware: [recordCalls(calls)], timeoutMs: 0 });
    const client = createEchoClient(connectTo(server));
    const starts: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => client.unary({ text: "wait" }, { signal }),
      (signal) => collect(client.serverStream({ text: "wait", count: 1 }, { signal })),
      (signal) => client.clientStream(endless(), { signal }),
      (signal) => collect(client.bidiStream(endless(), { signal })),
    ];
    for (const [i, start] of starts.entries()) {
      const controller = new AbortController();
      const failure = failureOf(start(controller.signal));
      await until(() => calls.length === i + 1, "the call arrived");
      controller.abort();
      assert.equal((await failure).code, 499);
      const call = calls[i]!;
      await until(() => call.cancelled !== undefined, `${call.operation} was cancelled`);
      assert.equal(call.cancelled?.code, 499);
      assert.ok(call.signal.aborted);
    }
    await server.stop(soon());
  });

  it("of a signal that was aborted before sends nothing", async () => {
    const calls: Call[] = [];
    const server = await startServer({ middleware: [recordCalls(calls)] });
    const client = createEchoClient(connectTo(server));
    assert.equal((await failureOf(client.unary({}, { signal: AbortSignal.abort() }))).code, 499);
    await client.unary({ text: "after" });
    assert.equal(calls.length, 1);
    await server.stop(soon());
  });

  it("happens when the reader of a stream gives it up", async () => {
    const calls: Call[] = [];
    let hasEnded = false;
    const counting = service(Echo, {
      ...echoImplementation,
      async *serverStream() {
        try {
          for (let count = 0; ; count++) yield { count };
        } finally {
          hasEnded = true;
        }
      },
    });
    const server = await startServer({ services: [counting], middleware: [recordCalls(calls)] });
    const client = createEchoClient(connectTo(server));
    for await (const reply of client.serverStream({})) if (reply.count === 3) break;
    await until(() => hasEnded, "the generator ended");
    assert.equal(calls[0]?.cancelled?.code, 499);
    await server.stop(soon());
  });

  it("ends the stream of requests when the server has enough, and when the call fails", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    for (const [text, code] of [
      ["enough", undefined],
      ["fail", 404],
    ] as const) {
      let hasEnded = false;
      async function* requests(): AsyncIterable<{ text: string }> {
        try {
          yield { text };
          for (;;) yield { text: "more" };
        } finally {
          hasEnded = true;
        }
      }
      const outcome = client.clientStream(requests());
      if (code === undefined) assert.equal((await outcome).count, 0);
      else assert.equal((await failureOf(outcome)).code, code);
      await until(() => hasEnded, "the generator ended");
    }
    await server.stop(soon());
  });

  it("happens when the stream of requests fails", async () => {
    const calls: Call[] = [];
    const server = await startServer({ middleware: [recordCalls(calls)] });
    const client = createEchoClient(connectTo(server));
    async function* requests(): AsyncIterable<{ text: string }> {
      yield { text: "a" };
      throw new Error("disk full");
    }
    const error = await failureOf(client.clientStream(requests()));
    assert.equal(error.code, 499);
    assert.equal((error.cause as Error).message, "disk full");
    await until(() => calls[0]?.cancelled !== undefined, "the server knows");
    await server.stop(soon());
  });

  it("a deadline on the client tells the server, and both end", async () => {
    const calls: Call[] = [];
    const server = await startServer({ middleware: [recordCalls(calls)], timeoutMs: 0 });
    const client = createEchoClient(connectTo(server));
    const starts: ((timeoutMs: number) => Promise<unknown>)[] = [
      (timeoutMs) => client.unary({ text: "wait" }, { timeoutMs }),
      (timeoutMs) => collect(client.serverStream({ text: "wait", count: 1 }, { timeoutMs })),
    ];
    for (const start of starts) {
      calls.length = 0;
      // A deadline may pass before its call has reached the server: then one that is later has to show it.
      for (let timeoutMs = 250; calls.length === 0; timeoutMs *= 2) {
        assert.equal((await failureOf(start(timeoutMs))).code, 504);
      }
      await until(() => calls.every((call) => call.cancelled !== undefined), "the server knows");
    }
    await server.stop(soon());
  });
});

describe("half-close", () => {
  it("lets the server answer long after the last request", async () => {
    let finish!: () => void;
    const late = service(Echo, {
      ...echoImplementation,
      async *bidiStream(requests) {
        const all = await collect(requests);
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        yield { count: all.length };
        yield { text: "end" };
      },
    });
    const server = await startServer({ services: [late] });
    const client = createEchoClient(connectTo(server));
    const replies = collect(client.bidiStream(texts("a", "b", "c")));
    await until(() => finish !== undefined, "all requests were read");
    finish();
    assert.deepEqual(
      (await replies).map((reply) => reply.count),
      [3, 0],
    );
    await server.stop(soon());
  });

  it("is seen by the server only when the client is done, while replies flow", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    const queue = createQueue<{ text: string }>();
    const replies = client.bidiStream(queue.items)[Symbol.asyncIterator]();
    for (const text of ["a", "b", "c"]) {
      queue.push({ text });
      assert.equal((await replies.next()).value?.text, text);
    }
    queue.end();
    assert.equal((await replies.next()).value?.text, "end");
    assert.equal((await replies.next()).done, true);
    await server.stop(soon());
  });
});

describe("back-pressure", () => {
  it("keeps what waits of a stream of replies bounded when its reader is slow", async () => {
    const payload = new Uint8Array(32 * 1024);
    let produced = 0;
    const flood = service(Echo, {
      ...echoImplementation,
      async *serverStream() {
        for (; produced < 2000; produced++) yield { payload };
      },
    });
    const server = await startServer({ services: [flood] });
    const client = createEchoClient(connectTo(server));
    const replies = client.serverStream({})[Symbol.asyncIterator]();
    await replies.next();
    // It stands still once the windows and buffers are full: far below the 64 MB that are to come.
    const stoodAt = await standstill(() => produced);
    assert.ok(stoodAt * payload.length < 2_000_000, `${stoodAt} messages were made for the one that was read`);
    let read = 1;
    while (!(await replies.next()).done) read++;
    assert.equal(read, 2000);
    await server.stop(soon());
  });

  it("keeps what waits of a stream of requests bounded when its reader is slow", async () => {
    const payload = new Uint8Array(32 * 1024);
    let goOn!: () => void;
    const slow = service(Echo, {
      ...echoImplementation,
      async clientStream(requests) {
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        return { count: (await collect(requests)).length };
      },
    });
    const server = await startServer({ services: [slow] });
    const client = createEchoClient(connectTo(server));
    let produced = 0;
    async function* requests(): AsyncIterable<{ payload: Uint8Array }> {
      for (; produced < 2000; produced++) yield { payload };
    }
    const reply = client.clientStream(requests());
    await until(() => produced > 0, "requests are sent");
    const stoodAt = await standstill(() => produced);
    assert.ok(stoodAt * payload.length < 2_000_000, `${stoodAt} messages were made and none was read`);
    goOn();
    assert.equal((await reply).count, 2000);
    await server.stop(soon());
  });

  it("does not stop a connection for the others", async () => {
    const payload = new Uint8Array(32 * 1024);
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    // More streams stand still than a connection's window could hold if each kept its share.
    const idle = Array.from({ length: 8 }, () => client.serverStream({ count: 500, payload })[Symbol.asyncIterator]());
    for (const replies of idle) await replies.next();
    assert.equal((await client.unary({ text: "through" })).text, "through");
    for (const replies of idle) await replies.return?.();
    await server.stop(soon());
  });
});

describe("limits of the client", () => {
  it("refuses a reply over the limit, also one that inflates to it", async () => {
    const payload = new Uint8Array(5000);
    const server = await startServer({ compression: "gzip" });
    const client = createEchoClient(connectTo(server, { maxMessageBytes: 1000 }));
    const error = await failureOf(client.unary({ payload }));
    assert.equal(error.code, 429);
    assert.equal((await failureOf(collect(client.serverStream({ count: 2, payload })))).code, 429);
    assert.equal((await client.unary({ text: "small" })).text, "small");
    await server.stop(soon());
  });

  it("the server takes messages up to 4 MiB", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    const size = 4 * 1024 * 1024;
    // The field's tag and its length, of four bytes, count.
    const reply = await client.unary({ payload: new Uint8Array(size - 5) });
    assert.equal(reply.payload.length, size - 5);
    assert.equal((await failureOf(client.unary({ payload: new Uint8Array(size - 4) }))).code, 429);
    await server.stop(soon());
  });

  it("metadata that cannot be sent fails the call before it is sent", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    assert.equal((await failureOf(client.unary({}, { metadata: { "x-a": "ü" } }))).reason, "METADATA");
    await server.stop(soon());
  });
});

describe("stopping", () => {
  it("lets calls in flight end, of every kind, and takes no new connection", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    const queue = createQueue<{ text: string }>();
    const stream = client.bidiStream(queue.items)[Symbol.asyncIterator]();
    queue.push({ text: "a" });
    await stream.next();
    const stopped = server.stop(new AbortController().signal);
    queue.push({ text: "b" });
    assert.equal((await stream.next()).value?.text, "b");
    await assert.rejects(once(connect(Number(server.endpoint().port), "127.0.0.1"), "connect"), {
      code: "ECONNREFUSED",
    });
    queue.end();
    assert.equal((await stream.next()).value?.text, "end");
    await stopped;
  });

  it("loses no call while a client keeps calling: each is answered, or sent again to the next server", async () => {
    // A rolling restart behind one address: the next server listens before the first is told to go.
    const first = await startServer();
    const second = await startServer();
    const relay = await startRelay(Number(first.endpoint().port), Number(second.endpoint().port));
    const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${relay.port}` }));
    let answered = 0;
    let isOver = false;
    const call = async (): Promise<void> => {
      while (!isOver) {
        await client.unary({ text: "x" });
        answered++;
      }
    };
    const callers = Promise.all(Array.from({ length: 20 }, call));
    const flowing = async (): Promise<void> => {
      const atStart = answered;
      await Promise.race([callers, until(() => answered > atStart + 50, "calls flow")]);
    };
    try {
      await flowing();
      relay.switch();
      await first.stop(soon());
      await flowing();
    } finally {
      isOver = true;
    }
    await callers;
    await client[Symbol.asyncDispose]();
    await relay.close();
  });

  it("cuts off what is still open when its signal aborts, and tells the callers", async () => {
    const server = await startServer({ timeoutMs: 0 });
    const client = createEchoClient(connectTo(server));
    const unary = failureOf(client.unary({ text: "wait" }, { timeoutMs: 60_000 }));
    const replies = client.serverStream({ text: "wait", count: 1 })[Symbol.asyncIterator]();
    await replies.next();
    const controller = new AbortController();
    const stopped = server.stop(controller.signal);
    controller.abort();
    await stopped;
    assert.equal((await unary).code, 503);
    assert.equal((await failureOf(replies.next())).code, 503);
  });

  it("ends at once with nothing open, and before it was started", async () => {
    await new GrpcServer().stop(soon());
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    await client.unary({});
    await server.stop(new AbortController().signal);
  });
});

describe("losing the connection", () => {
  it("fails what is in flight with UNAVAILABLE, and connects again", async () => {
    const server = await startServer();
    const relay = await startRelay(Number(server.endpoint().port));
    const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${relay.port}` }));
    const replies = client.serverStream({ text: "wait", count: 1 })[Symbol.asyncIterator]();
    await replies.next();
    const unary = failureOf(client.unary({ text: "wait" }));
    const next = failureOf(replies.next());
    await until(() => relay.sockets.size === 2, "connected");
    await client.unary({ text: "both are on their way" });
    for (const socket of relay.sockets) socket.resetAndDestroy();
    for (const error of [await unary, await next]) {
      assert.equal(error.code, 503);
      assert.ok(error.cause instanceof Error);
    }
    assert.equal((await client.unary({ text: "again" })).text, "again");
    await client[Symbol.asyncDispose]();
    await server.stop(soon());
    await relay.close();
  });

  it("and finding nobody fails with UNAVAILABLE and the cause, at once during the back-off", async () => {
    const server = await startServer();
    const endpoint = server.endpoint();
    await server.stop(soon());
    const client = createEchoClient(new GrpcClient({ endpoint }));
    for (let i = 0; i < 2; i++) {
      const error = await failureOf(client.unary({}));
      assert.equal(error.code, 503);
      assert.equal((error.cause as NodeJS.ErrnoException).code, "ECONNREFUSED");
    }
    assert.equal((await failureOf(collect(client.serverStream({})))).code, 503);
    assert.equal((await failureOf(client.clientStream(texts("a")))).code, 503);
  });

  it("a peer that accepts and says nothing does not outlast the deadline", async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const client = createServiceClient(Echo, new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
    assert.equal((await failureOf(client.unary({}, { timeoutMs: 30 }))).code, 504);
    // The connection can be there, and never answer to being closed.
    const closed = client[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    await closed;
    silent.close();
  });

  it("a peer that speaks no HTTP/2 is UNAVAILABLE", async () => {
    const other = createServer((socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
    assert.equal((await failureOf(client.unary({}))).code, 503);
    other.close();
  });
});

describe("a refused stream", () => {
  it("is sent once more, of every kind, and not twice", async () => {
    const refusing = createHttp2Server();
    let refusals = 1;
    let streams = 0;
    refusing.on("stream", (stream) => {
      streams++;
      stream.on("error", () => {});
      if (refusals-- > 0) {
        stream.close(7);
        return;
      }
      stream.resume();
      stream.on("end", () => {
        stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(Buffer.from([0, 0, 0, 0, 0]));
      });
    });
    refusing.listen(0, "127.0.0.1");
    await once(refusing, "listening");
    const { port } = refusing.address() as AddressInfo;
    {
      const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
      await client.unary({});
      refusals = 1;
      assert.equal((await collect(client.serverStream({}))).length, 1);
      refusals = 1;
      await client.clientStream(texts("a", "b"));
      refusals = 1;
      assert.equal((await collect(client.bidiStream(texts("a")))).length, 1);
      assert.equal(streams, 8);
      refusals = 2;
      assert.equal((await failureOf(client.unary({}))).code, 503);
      assert.equal(streams, 10);
    }
    refusing.close();
  });

  it("after GOAWAY goes to a new connection", async () => {
    const leaving = createHttp2Server();
    const sessions: ServerHttp2Session[] = [];
    leaving.on("session", (session) => sessions.push(session));
    leaving.on("stream", (stream) => {
      stream.resume();
      stream.on("error", () => {});
      stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    });
    leaving.listen(0, "127.0.0.1");
    await once(leaving, "listening");
    const { port } = leaving.address() as AddressInfo;
    {
      const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
      await client.unary({});
      for (let i = 1; i <= 20; i++) {
        sessions.at(-1)!.close();
        await Promise.all([client.unary({}), client.unary({}), client.unary({})]);
      }
      assert.ok(sessions.length > 1);
    }
    leaving.close();
  });
});

describe("replies that are no gRPC", () => {
  it("become the status their HTTP status stands for", async () => {
    const http = createHttp2Server();
    let answer: (stream: import("node:http2").ServerHttp2Stream) => void = () => {};
    http.on("stream", (stream) => {
      stream.on("error", () => {});
      answer(stream);
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    {
      const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}` }));
      const codeFor = async (given: typeof answer): Promise<number> => {
        answer = given;
        return (await failureOf(client.unary({}))).code;
      };
      const html = { "content-type": "text/html" };
      const grpc = { "content-type": "application/grpc" };
      assert.equal(await codeFor((stream) => stream.respond({ ":status": 503, ...html }, { endStream: true })), 503);
      assert.equal(await codeFor((stream) => stream.respond({ ":status": 404, ...html }, { endStream: true })), 501);
      assert.equal(await codeFor((stream) => stream.respond({ ":status": 200, ...html }, { endStream: true })), 500);
      // A reply that ends without a status, with no message, with two, with an unknown encoding, with a status HTTP knows not.
      assert.equal(await codeFor((stream) => stream.respond(grpc, { endStream: true })), 500);
      assert.equal(
        await codeFor((stream) => {
          stream.respond(grpc);
          stream.end(Buffer.alloc(5));
        }),
        500,
      );
      assert.equal(
        await codeFor((stream) => stream.respond({ ...grpc, "grpc-status": "0" }, { endStream: true })),
        501,
      );
      assert.equal(
        await codeFor((stream) => stream.respond({ ...grpc, "grpc-status": "99" }, { endStream: true })),
        500,
      );
      assert.equal(await codeFor((stream) => stream.respond({ ...grpc, "grpc-encoding": "snappy" })), 500);
      assert.equal(await codeFor((stream) => stream.close(8)), 499);
      assert.equal(await codeFor((stream) => stream.close(11)), 429);
      const twice = Buffer.alloc(10);
      assert.equal(
        await codeFor((stream) => {
          stream.respond(grpc, { waitForTrailers: true });
          stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
          stream.end(twice);
        }),
        501,
      );
    }
    http.close();
  });
});

describe("starting", () => {
  it("on a port in use says so", async () => {
    const server = await startServer();
    const other = new GrpcServer({ address: server.endpoint().host });
    await assert.rejects(other.start(), { code: "CLEW_TRANSPORT_ADDRESS_IN_USE" });
    await server.stop(soon());
  });

  it("tells the real port, after it started and not before", async () => {
    const server = new GrpcServer({ address: "127.0.0.1:0" });
    assert.throws(() => server.endpoint(), { code: "CLEW_TRANSPORT_NOT_STARTED" });
    await server.start();
    assert.match(server.endpoint().href, /^grpc:\/\/127\.0\.0\.1:[1-9]\d+$/);
    await assert.rejects(server.start(), { code: "CLEW_TRANSPORT_STARTED" });
    await server.stop(soon());
  });

  it("with options that cannot work says so", () => {
    for (const options of [
      { timeoutMs: -1 },
      { maxMessageBytes: 0 },
      { headerLimitBytes: Number.NaN },
      { compression: "lzw" as "gzip" },
    ]) {
      assert.throws(() => new GrpcServer(options), { code: "CLEW_TRANSPORT_OPTION" });
    }
    assert.throws(() => new GrpcServer({ address: "nowhere" }), { code: "CLEW_TRANSPORT_ADDRESS" });
    assert.throws(() => new GrpcServer({ services: [echo, echo] }), { code: "CLEW_TRANSPORT_SERVICE_CONFLICT" });
    for (const endpoint of ["", "localhost", "ftp://a:1", "grpc://a"]) {
      assert.throws(() => new GrpcClient({ endpoint }), { code: "CLEW_TRANSPORT_ENDPOINT" }, endpoint);
    }
    assert.throws(() => new GrpcClient({ endpoint: "a:1", maxMessageBytes: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
  });
});

async function* endless(): AsyncIterable<{ text: string }> {
  yield { text: "first" };
  await new Promise(() => {});
}

/** What `read` gives once it no longer changes. */
async function standstill(read: () => number): Promise<number> {
  let last = -1;
  let same = 0;
  while (same < 20) {
    const now = read();
    same = now === last ? same + 1 : 0;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return last;
}

interface Queue<T> {
  items: AsyncIterable<T>;
  push(item: T): void;
  end(): void;
}

function createQueue<T>(): Queue<T> {
  const waiting: (T | undefined)[] = [];
  let wake: () => void = () => {};
  const add = (item: T | undefined): void => {
    waiting.push(item);
    wake();
  };
  async function* items(): AsyncIterable<T> {
    for (;;) {
      while (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const item = waiting.shift();
      if (item === undefined) return;
      yield item;
    }
  }
  return { items: items(), push: add, end: () => add(undefined) };
}

interface Relay {
  readonly port: number;
  readonly sockets: Set<Socket>;
  /** New connections go to the second port from now on. */
  switch(): void;
  close(): Promise<void>;
}

/** Passes connections on to a port, so that they can be cut. */
async function startRelay(port: number, secondPort = port): Promise<Relay> {
  let target = port;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const relay: Server = createServer((socket) => {
    const onward = connect(target, "127.0.0.1");
    keep(socket);
    keep(onward);
    socket.pipe(onward).pipe(socket);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  return {
    port: (relay.address() as AddressInfo).port,
    sockets,
    switch: () => {
      target = secondPort;
    },
    async close() {
      relay.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
