import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { service } from "@clew/rpc";
import { until } from "../../http2/test/until.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, connectTo, createEchoClient, echoImplementation, startServer, texts } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";
import { createPushQueue } from "./push-queue.ts";
import { standstill } from "./standstill.ts";

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
    await server.stop(AbortSignal.timeout(patientMs));
  });

  it("is seen by the server only when the client is done, while replies flow", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    const queue = createPushQueue<{ text: string }>();
    const replies = client.bidiStream(queue.items)[Symbol.asyncIterator]();
    for (const text of ["a", "b", "c"]) {
      queue.push({ text });
      assert.equal((await replies.next()).value?.text, text);
    }
    queue.end();
    assert.equal((await replies.next()).value?.text, "end");
    assert.equal((await replies.next()).done, true);
    await server.stop(AbortSignal.timeout(patientMs));
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
    await server.stop(AbortSignal.timeout(patientMs));
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
    await server.stop(AbortSignal.timeout(patientMs));
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
    await server.stop(AbortSignal.timeout(patientMs));
  });
});
