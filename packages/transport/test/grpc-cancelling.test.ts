import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Call, type Middleware, service } from "@clew/rpc";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, connectTo, createEchoClient, echoImplementation, startServer } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

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
    await server.stop(AbortSignal.timeout(patientMs));
  });

  it("of a signal that was aborted before sends nothing", async () => {
    const calls: Call[] = [];
    const server = await startServer({ middleware: [recordCalls(calls)] });
    const client = createEchoClient(connectTo(server));
    assert.equal((await failureOf(client.unary({}, { signal: AbortSignal.abort() }))).code, 499);
    await client.unary({ text: "after" });
    assert.equal(calls.length, 1);
    await server.stop(AbortSignal.timeout(patientMs));
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
    await server.stop(AbortSignal.timeout(patientMs));
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
    await server.stop(AbortSignal.timeout(patientMs));
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
    await server.stop(AbortSignal.timeout(patientMs));
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
    await server.stop(AbortSignal.timeout(patientMs));
  });
});

async function* endless(): AsyncIterable<{ text: string }> {
  yield { text: "first" };
  await new Promise(() => {});
}
