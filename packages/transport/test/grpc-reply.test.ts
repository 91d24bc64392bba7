import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, describe, it, mock } from "node:test";
import { type Call, type CallOptions, type Metadata, type Middleware, type ServiceError, service } from "@clew/rpc";
import { GrpcClient } from "@clew/transport/grpc";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, connectTo, createEchoClient, echoImplementation, startServer } from "./grpc-echo.ts";

const grpc = { "content-type": "application/grpc" };
const emptyMessage = Buffer.alloc(5);

let answer: (stream: ServerHttp2Stream) => void = () => {};
const peer = createServer();
peer.on("stream", (stream) => {
  stream.on("error", () => {});
  stream.resume();
  answer(stream);
});
peer.listen(0, "127.0.0.1");
await once(peer, "listening");
const client = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${(peer.address() as AddressInfo).port}` }));
after(() => peer.close());

/** What a client makes of an answer: the error, and what it had heard by then. */
async function read(
  given: typeof answer,
  options: CallOptions = {},
): Promise<{ error: ServiceError; headers: Metadata | undefined; trailers: Metadata | undefined }> {
  answer = given;
  let headers: Metadata | undefined;
  let trailers: Metadata | undefined;
  const error = await failureOf(
    client.unary(
      {},
      {
        ...options,
        onHeaders: (metadata) => {
          headers = metadata;
        },
        onTrailers: (metadata) => {
          trailers = metadata;
        },
      },
    ),
  );
  return { error, headers, trailers };
}

function endWith(stream: ServerHttp2Stream, trailers: Record<string, string>, body?: Buffer): void {
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(body);
}

describe("a reply", () => {
  it("with a status in its only headers ends there, and what else they say is trailers", async () => {
    const { error, headers, trailers } = await read((stream) =>
      stream.respond({ ...grpc, "grpc-status": "9", "x-a": "1" }, { endStream: true }),
    );
    assert.equal(error.code, 400);
    assert.equal(headers, undefined);
    assert.equal(trailers?.get("x-a"), "1");
    assert.equal(trailers.get("grpc-status"), "9");
  });

  it("with a status in its headers and another in its trailers has the one of the trailers", async () => {
    const { error, headers, trailers } = await read((stream) => {
      stream.respond({ ...grpc, "grpc-status": "8", "x-a": "1" }, { waitForTrailers: true });
      endWith(stream, { "grpc-status": "5", "x-b": "2" });
    });
    assert.equal(error.code, 404);
    assert.equal(headers?.get("x-a"), "1");
    assert.equal(trailers?.get("x-b"), "2");
  });

  it("with a status in its headers, and a message, has no status", async () => {
    const { error } = await read((stream) => {
      stream.respond({ ...grpc, "grpc-status": "9" });
      stream.end(emptyMessage);
    });
    assert.equal(error.code, 500);
    assert.match(error.message, /without a status/);
  });

  it("that is an error has its headers told as well", async () => {
    const { error, headers } = await read((stream) => {
      stream.respond({ ...grpc, "x-a": "1" }, { waitForTrailers: true });
      endWith(stream, { "grpc-status": "7" });
    });
    assert.equal(error.code, 403);
    assert.equal(headers?.get("x-a"), "1");
  });

  it("that is not gRPC is UNKNOWN where its HTTP status stands for nothing else", async () => {
    for (const [status, expected] of [
      [418, "2"],
      [412, "2"],
      [400, "13"],
      [401, "16"],
    ] as const) {
      const { trailers } = await read((stream) => stream.respond({ ":status": status }, { endStream: true }));
      assert.equal(trailers?.get("grpc-status"), expected);
    }
  });

  it("that ends because the time is over says so with its reason, whoever sees it first", async () => {
    const ends: Record<string, (stream: ServerHttp2Stream) => void> = {
      "a reset": (stream) => stream.close(8),
      "a bare status": (stream) => stream.respond({ ...grpc, "grpc-status": "4" }, { endStream: true }),
    };
    // Our own timer never fires.
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      for (const [name, end] of Object.entries(ends)) {
        const { error } = await read(
          (stream) => {
            const giveUpAt = performance.now() + 20;
            const look = (): void => {
              if (performance.now() < giveUpAt) setImmediate(look);
              else end(stream);
            };
            look();
          },
          { timeoutMs: 10 },
        );
        assert.deepEqual([error.code, error.reason], [504, "GATEWAY_TIMEOUT"], name);
      }
    } finally {
      mock.timers.reset();
    }
    // There is time left: it is the server's own.
    const { error } = await read((stream) => ends["a bare status"]!(stream));
    assert.deepEqual([error.code, error.reason], [504, ""]);
  });

  it("whose headers are over the limit is RESOURCE_EXHAUSTED", async () => {
    const { error } = await read((stream) => stream.respond({ ...grpc, "x-long": "x".repeat(20_000) }));
    assert.equal(error.code, 429);
  });
});

describe("a client", () => {
  it("that gives up a stream reads nothing more of it, even if it is there", async () => {
    const server = await startServer();
    const echo = createEchoClient(connectTo(server));
    const controller = new AbortController();
    const replies = echo.serverStream({ count: 3 }, { signal: controller.signal })[Symbol.asyncIterator]();
    assert.equal((await replies.next()).value?.count, 0);
    await echo.unary({ text: "by now all have arrived" });
    controller.abort();
    assert.equal((await failureOf(replies.next())).code, 499);
  });

  it("that allows endless time says so to nobody", async () => {
    const calls: Call[] = [];
    const watch: Middleware = (next) => (call) => {
      calls.push(call);
      return next(call);
    };
    const server = await startServer({ middleware: [watch], timeoutMs: 0 });
    const echo = createEchoClient(connectTo(server));
    await echo.unary({}, { timeoutMs: Number.POSITIVE_INFINITY });
    assert.equal(calls[0]?.deadline, undefined);
  });
});

describe("a stream of replies that never waits", () => {
  it("lets others have their turn", async () => {
    let isStopped = false;
    const flood = service(Echo, {
      ...echoImplementation,
      async *serverStream() {
        while (!isStopped) yield { text: "more" };
      },
    });
    const server = await startServer({ services: [flood] });
    const echo = createEchoClient(connectTo(server));
    let read = 0;
    const reading = (async () => {
      for await (const _ of echo.serverStream({})) read++;
    })();
    for (let i = 0; i < 20; i++) await echo.unary({});
    isStopped = true;
    // A few hundred in each turn of the loop, and a few turns for each call; 64 KiB a turn would be 360_000.
    assert.ok(read < 100_000, `${read} messages went before`);
    await reading;
    assert.equal((await collect(echo.serverStream({}))).length, 0);
  });
});
