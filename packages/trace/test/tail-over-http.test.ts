// Two servers of ours in one process, nothing sampled: of the requests that go well nothing is kept, of the others everything.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { alwaysOff, findAttribute, parentBased, TailProcessor, TracerProvider, withSpan } from "@clew/trace";
import { HttpServer, ServiceError, tracing } from "clew";
import { keepSpans } from "./keep-spans.ts";

const kept = keepSpans();
const tail = new TailProcessor(kept, { slowMs: 60_000 });
const provider = new TracerProvider({ processor: tail, sampler: parentBased(alwaysOff), env: {} });
const server = new HttpServer({
  address: "127.0.0.1:0",
  middleware: [tracing()],
  routes: [
    {
      verb: "GET",
      path: "/orders/{id}",
      handle: async (_request, response, { id }) => {
        await withSpan("query", async () => {
          if (id === "broken") throw new ServiceError(503, "DATABASE_AWAY", "no connection");
        });
        response.end("an order");
      },
    },
  ],
});
const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-00`;

before(async () => {
  provider.register();
  await server.start();
});
after(async () => {
  await server.stop(AbortSignal.timeout(2000));
  await provider.shutdown();
});
beforeEach(() => {
  kept.spans.length = 0;
});

async function ask(id: string, headers: Record<string, string> = {}): Promise<number> {
  const ended = tail.stats().ended + 2;
  const response = await fetch(new URL(`/orders/${id}`, server.endpoint()), { headers });
  await response.text();
  const deadline = performance.now() + 60_000;
  while (tail.stats().ended < ended) {
    assert.ok(performance.now() < deadline, "the spans do not end");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return response.status;
}

test("a request that goes well is forgotten", async () => {
  assert.equal(await ask("7"), 200);
  assert.deepEqual(kept.spans, []);
});

test("one that fails is kept with all that was done for it, also where the caller did not want it", async () => {
  for (const headers of [{}, { traceparent }]) {
    kept.spans.length = 0;
    assert.equal(await ask("broken", headers), 503);
    assert.deepEqual(
      kept.spans.map((span) => [span.name, span.statusCode, span.traceFlags & 1]),
      [
        ["query", 2, 1],
        ["GET /orders/{id}", 2, 1],
      ],
    );
    const [query, request] = kept.spans;
    assert.equal(query!.parentSpanId, request!.spanId);
    assert.equal(findAttribute(request!.attributes, "clew.kept"), "error");
    if ("traceparent" in headers)
      assert.deepEqual([request!.traceId, request!.parentSpanId], ["a".repeat(32), "b".repeat(16)]);
  }
  assert.equal(tail.stats().keptTraces.error, 2);
});
