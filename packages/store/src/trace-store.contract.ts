import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRequest, decodeSpans, encodeJsonRequest, sliceSpans } from "@clew/trace/otel";
import type { Summary, SummaryPage, TraceQuery, TraceStore } from "./contract.ts";
import { checkServiceMaps } from "./service-map.contract.ts";
import { always, batchOf, type Check, epochMs, idsOf, spanIdOf, type TestSpan, traceIdOf } from "./test-span.ts";

/** Every page of a search, one behind another. */
export async function allPages(store: TraceStore, query: TraceQuery, limit: number): Promise<Summary[]> {
  const summaries: Summary[] = [];
  let page: SummaryPage = await store.search(query, { limit });
  summaries.push(...page.summaries);
  while (page.next !== null) {
    page = await store.search(query, { limit, before: page.next });
    summaries.push(...page.summaries);
  }
  return summaries;
}

/** What is true of every trace store. `withStore` opens an empty one, calls back, and closes it. */
export function testTraceStore(
  name: string,
  withStore: (use: (store: TraceStore) => Promise<void>) => Promise<void>,
): void {
  const check: Check = (what, use) => {
    test(`${name}: ${what}`, { timeout: 60_000 }, () => withStore(use));
  };
  checkServiceMaps(check);

  check("an empty store has nothing and says so", async (store) => {
    assert.deepEqual(await store.search({}), { summaries: [], next: null });
    assert.equal(await store.trace(traceIdOf(1)), null);
    assert.equal(await store.skeleton(traceIdOf(1)), null);
    assert.equal(await store.span(traceIdOf(1), spanIdOf(1)), null);
    assert.deepEqual(await store.services(), []);
    assert.deepEqual(await store.operations(), []);
    assert.deepEqual(await store.serviceMap(always), {
      services: [],
      dependencies: [],
      backings: [],
      backingCalls: [],
      links: [],
      backingCount: 0,
      serviceCount: 0,
      spanCount: 0,
      cutAtMs: null,
    });
    const { bytes, ...stats } = await store.stats();
    assert.ok(bytes >= 0);
    assert.deepEqual(stats, { spans: 0, traces: 0, oldestMs: null, droppedSpans: 0, rejectedSpans: 0 });
  });

  check("summarises a trace across services", async (store) => {
    const result = await store.ingest(
      batchOf(
        {
          trace: 1,
          id: 1,
          name: "/user.v1.User/ListMessages",
          ms: 30,
          attributes: { "http.request.method": "GET", "url.path": "/v1/users/1/messages" },
        },
        { trace: 1, id: 2, parent: 1, kind: 3, name: "/message.v1.Message/List", at: 1, ms: 10 },
        {
          trace: 1,
          id: 3,
          parent: 2,
          service: "message",
          name: "/message.v1.Message/List",
          at: 2,
          ms: 50,
          isError: true,
        },
      ),
    );
    assert.deepEqual(result, { isFull: false, stored: 3, duplicates: 0 });
    assert.deepEqual(await store.search({}), {
      summaries: [
        {
          traceId: traceIdOf(1),
          rootService: "user",
          rootOperation: "/user.v1.User/ListMessages",
          path: "GET /v1/users/1/messages",
          startMs: epochMs,
          durationMs: 52,
          spanCount: 3,
          errorCount: 1,
          services: [
            { name: "user", spanCount: 2, errorCount: 0 },
            { name: "message", spanCount: 1, errorCount: 1 },
          ],
          complete: true,
        },
      ],
      next: null,
    });
    assert.deepEqual(await store.services(), ["message", "user"]);
    assert.deepEqual(await store.operations("message"), [
      { service: "message", name: "/message.v1.Message/List", kind: 2 },
    ]);
    assert.equal((await store.operations()).length, 3);
    const { spans, traces, oldestMs } = await store.stats();
    assert.deepEqual({ spans, traces, oldestMs }, { spans: 3, traces: 1, oldestMs: epochMs });
  });

  check("joins late spans to their trace, the root last", async (store) => {
    await store.ingest(batchOf({ trace: 1, id: 3, parent: 2, service: "message", name: "late", at: 20, ms: 5 }));
    const [first] = (await store.search({})).summaries;
    assert.equal(first!.complete, false);
    assert.equal(first!.rootOperation, "late");
    assert.deepEqual((await store.skeleton(traceIdOf(1)))!.spans.parent, [-2]);
    await store.ingest(batchOf({ trace: 1, id: 2, parent: 1, service: "user", name: "middle", at: 15, ms: 12 }));
    assert.equal((await store.search({})).summaries[0]!.rootOperation, "middle");
    await store.ingest(batchOf({ trace: 1, id: 1, service: "user", name: "root", at: 16, ms: 100 }));
    const [whole] = (await store.search({})).summaries;
    assert.deepEqual(
      [whole!.complete, whole!.rootOperation, whole!.startMs - epochMs, whole!.durationMs, whole!.spanCount],
      [true, "root", 15, 101, 3],
    );
    assert.deepEqual((await store.skeleton(traceIdOf(1)))!.spans.parent, [1, -1, 0]);
    assert.equal(decodeSpans((await store.trace(traceIdOf(1)))!).length, 3);
  });

  check("counts a span that comes twice once, in one batch and in the next", async (store) => {
    const spans = [
      { trace: 1, id: 1 },
      { trace: 1, id: 2, parent: 1, isError: true },
    ];
    assert.deepEqual(await store.ingest(batchOf(...spans, spans[1]!)), { isFull: false, stored: 2, duplicates: 1 });
    assert.deepEqual(await store.ingest(batchOf(...spans)), { isFull: false, stored: 0, duplicates: 2 });
    const more = batchOf(...spans, { trace: 1, id: 3, parent: 1 }, { trace: 2, id: 1 });
    assert.deepEqual(await store.ingest(more), { isFull: false, stored: 2, duplicates: 2 });
    const summaries = (await store.search({})).summaries;
    assert.deepEqual(
      summaries.map(({ spanCount, errorCount }) => [spanCount, errorCount]),
      [
        [1, 0],
        [3, 1],
      ],
    );
    assert.equal((await store.stats()).spans, 4);
    assert.equal((await store.stats()).traces, 2);
  });

  check("batches sent at once are all stored, each with its own count", async (store) => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        store.ingest(batchOf({ trace: index, id: 0 }, { trace: index + 1, id: 1, name: `op${index}` })),
      ),
    );
    // Span id 0 and trace id 0 are no ids: the batch has them rejected already.
    assert.deepEqual(
      results.map((result) => result.stored),
      Array(20).fill(1),
    );
    assert.equal((await store.stats()).rejectedSpans, 20);
    for (let trace = 1; trace <= 20; trace++) {
      assert.equal((await store.span(traceIdOf(trace), spanIdOf(1)))!.name, `op${trace - 1}`);
    }
  });

  check("gives one span in full", async (store) => {
    await store.ingest(
      batchOf(
        { trace: 1, id: 1 },
        { trace: 1, id: 2, parent: 1, name: "query", kind: 3, attributes: { a: "b" }, isError: true },
      ),
    );
    assert.deepEqual(await store.span(traceIdOf(1), spanIdOf(2)), {
      traceId: traceIdOf(1),
      spanId: spanIdOf(2),
      parentSpanId: spanIdOf(1),
      traceState: "",
      flags: 0,
      name: "query",
      kind: 3,
      startUs: epochMs * 1000,
      durationUs: 1000,
      status: { code: 2, message: "no" },
      attributes: [{ key: "a", type: "string", value: "b" }],
      events: [],
      links: [],
      service: "user",
      resource: [
        { key: "service.name", type: "string", value: "user" },
        { key: "host.name", type: "string", value: "user-host" },
      ],
      scope: { name: "test", version: "1" },
    });
    assert.equal(await store.span(traceIdOf(1), spanIdOf(3)), null);
    assert.equal(await store.span(traceIdOf(2), spanIdOf(2)), null);
  });

  check("gives a trace as a request that holds its spans and no others", async (store) => {
    await store.ingest(
      batchOf({ trace: 1, id: 1 }, { trace: 2, id: 1 }, { trace: 1, id: 2, parent: 1, service: "message", at: 1 }),
    );
    await store.ingest(batchOf({ trace: 1, id: 3, parent: 1, at: 2, attributes: { a: "b" } }));
    const spans = decodeSpans((await store.trace(traceIdOf(1)))!);
    assert.deepEqual(
      spans.map(({ traceId, spanId, service }) => [traceId, spanId, service]),
      [
        [traceIdOf(1), spanIdOf(1), "user"],
        [traceIdOf(1), spanIdOf(3), "user"],
        [traceIdOf(1), spanIdOf(2), "message"],
      ],
    );
    assert.deepEqual(spans[1]!.attributes, [{ key: "a", type: "string", value: "b" }]);
  });

  check("gives the schemas of resources and scopes with a trace", async (store) => {
    const times = { startTimeUnixNano: "1000", endTimeUnixNano: "2000" };
    const ofResource = (schemaUrl: string, ...ofScopes: string[]): object => ({
      resource: { attributes: [{ key: "service.name", value: { stringValue: "user" } }] },
      scopeSpans: ofScopes.map((schemaUrl, index) => ({
        spans: [{ traceId: traceIdOf(1), spanId: spanIdOf(index + 1), ...times }],
        schemaUrl,
      })),
      schemaUrl,
    });
    for (const resourceSpans of [[ofResource("r1", "s1", "s2")], [ofResource("r2", "", "", "s1")]]) {
      await store.ingest(decodeRequest(encodeJsonRequest(JSON.stringify({ resourceSpans }))));
    }
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
    assert.deepEqual(
      sliceSpans((await store.trace(traceIdOf(1)))!).map((raw) => [text(raw.resourceSchema), text(raw.scopeSchema)]),
      [
        ["r1", "s1"],
        ["r1", "s2"],
        ["r2", "s1"],
      ],
    );
  });

  check("gives the skeleton of a trace, by start", async (store) => {
    await store.ingest(
      batchOf(
        { trace: 1, id: 2, parent: 1, service: "message", name: "list", at: 2, ms: 3, isError: true },
        { trace: 1, id: 1, name: "get", ms: 10 },
        { trace: 1, id: 3, parent: 9, name: "get", kind: 1, at: 4.5 },
        { trace: 1, id: 4, parent: 4, name: "get", kind: 1, at: 5 },
      ),
    );
    const { services, operations, spans, ...rest } = (await store.skeleton(traceIdOf(1)))!;
    assert.deepEqual(rest, { traceId: traceIdOf(1), startMs: epochMs, durationMs: 10 });
    assert.deepEqual(
      {
        ...spans,
        service: spans.service.map((index) => services[index]),
        operation: spans.operation.map((index) => operations[index]),
      },
      {
        spanId: [spanIdOf(1), spanIdOf(2), spanIdOf(3), spanIdOf(4)],
        parent: [-1, 0, -2, -2],
        service: ["user", "message", "user", "user"],
        operation: ["get", "list", "get", "get"],
        startUs: [0, 2000, 4500, 5000],
        durationUs: [10000, 3000, 1000, 1000],
        kind: [2, 2, 1, 1],
        error: [0, 1, 0, 0],
      },
    );
  });

  check("searches by service, operation, errors, duration, start and attributes", async (store) => {
    await store.ingest(
      batchOf(
        { trace: 1, id: 1, service: "user", name: "get", at: 100, ms: 10, attributes: { "user.id": "1" } },
        { trace: 1, id: 2, parent: 1, service: "message", name: "list", at: 101, ms: 5 },
        { trace: 2, id: 1, service: "user", name: "list", at: 200, ms: 20, attributes: { "user.id": "2" } },
        { trace: 3, id: 1, service: "profile", name: "get", at: 300, ms: 30, isError: true, kind: 1 },
      ),
    );
    const cases: [TraceQuery, number[]][] = [
      [{}, [3, 2, 1]],
      [{ service: "user" }, [2, 1]],
      [{ service: "nobody" }, []],
      [{ operation: "list" }, [2, 1]],
      [{ service: "user", operation: "list" }, [2]],
      [{ hasError: true }, [3]],
      [{ minDurationUs: 20_000 }, [3, 2]],
      [{ minDurationUs: 10_000, maxDurationUs: 20_000 }, [2, 1]],
      [{ start: { fromUs: (epochMs + 100) * 1000, toUs: (epochMs + 200) * 1000 } }, [2, 1]],
      [{ spanMaxUs: 5000 }, [1]],
      [{ service: "user", spanMaxUs: 5000 }, []],
      [{ spanMinUs: 30_000 }, [3]],
      [{ tags: [{ key: "user.id", value: "2" }] }, [2]],
      [{ tags: [{ key: "host.name", value: "message-host" }] }, [1]],
      [{ service: "message", tags: [{ key: "user.id", value: "1" }] }, []],
      [{ tags: [{ key: "error", value: "true" }] }, [3]],
      [{ tags: [{ key: "span.kind", value: "internal" }] }, [3]],
      [
        {
          tags: [
            { key: "error", value: "false" },
            { key: "user.id", value: "1" },
          ],
        },
        [1],
      ],
      [{ tags: [{ key: "user.id", value: "3" }] }, []],
    ];
    for (const [query, expected] of cases) assert.deepEqual(await idsOf(store, query), expected, JSON.stringify(query));
  });

  check("searches for the calls of one service by another, and for those that failed at either end", async (store) => {
    await store.ingest(
      batchOf(
        // user calls message by a client's span of its own, message answers what is an error for its caller alone.
        { trace: 1, id: 1, service: "user", at: 100, ms: 40 },
        { trace: 1, id: 2, parent: 1, service: "user", kind: 3, name: "list", at: 100, ms: 30, isError: true },
        { trace: 1, id: 3, parent: 2, service: "message", name: "list", at: 100, ms: 20 },
        // Both, and profile calls message; user fails, and none of its calls.
        { trace: 2, id: 1, service: "user", at: 200, isError: true },
        { trace: 2, id: 2, parent: 1, service: "profile", at: 200 },
        { trace: 2, id: 3, parent: 2, service: "message", name: "list", at: 200, attributes: { shard: "1" } },
        // message calls user and fails, its queue is read by an inner span of user.
        { trace: 3, id: 1, service: "message", kind: 4, name: "send", at: 300 },
        { trace: 3, id: 2, parent: 1, service: "user", kind: 5, name: "read", at: 300, ms: 7, isError: true },
        { trace: 3, id: 3, parent: 2, service: "user", kind: 1, name: "inner", at: 300 },
      ),
    );
    const calls = (caller: string, service: string, error?: "true" | "false"): TraceQuery => ({
      caller,
      service,
      ...(error && { tags: [{ key: "error", value: error }] }),
    });
    const cases: [TraceQuery, number[]][] = [
      [calls("user", "message"), [1]],
      [calls("user", "profile"), [2]],
      [calls("profile", "message"), [2]],
      [calls("message", "user"), [3]],
      [calls("message", "profile"), []],
      [calls("profile", "user"), []],
      [calls("nobody", "user"), []],
      // Spans of one service in one another are no calls.
      [calls("user", "user"), []],
      [{ caller: "user" }, [2, 1]],
      [{ caller: "message" }, [3]],
      [{ caller: "nobody" }, []],
      [calls("user", "message", "true"), [1]],
      [calls("user", "message", "false"), []],
      // A server that fails has not failed to call.
      [calls("user", "profile", "true"), []],
      [calls("user", "profile", "false"), [2]],
      [calls("message", "user", "true"), [3]],
      // Without a caller it is the span's own word.
      [{ service: "message", tags: [{ key: "error", value: "true" }] }, []],
      // All of it must hold for the span that is called.
      [{ caller: "user", service: "message", operation: "list" }, [1]],
      [{ caller: "message", operation: "inner" }, []],
      [{ caller: "message", spanMinUs: 7000 }, [3]],
      [{ caller: "message", spanMinUs: 7001 }, []],
      [{ caller: "profile", tags: [{ key: "shard", value: "1" }] }, [2]],
      [{ caller: "profile", tags: [{ key: "shard", value: "2" }] }, []],
      [{ ...calls("user", "message"), start: { fromUs: (epochMs + 101) * 1000, toUs: 1e18 } }, []],
      [{ ...calls("profile", "message"), hasError: true }, [2]],
    ];
    for (const [query, expected] of cases) assert.deepEqual(await idsOf(store, query), expected, JSON.stringify(query));
  });

  check("a call is found when the span that called arrives after it", async (store) => {
    await store.ingest(batchOf({ trace: 1, id: 2, parent: 1, service: "message" }));
    assert.deepEqual(await idsOf(store, { caller: "user", service: "message" }), []);
    await store.ingest(batchOf({ trace: 1, id: 1, service: "user" }));
    assert.deepEqual(await idsOf(store, { caller: "user", service: "message" }), [1]);
  });

  check("pages through the calls of one service by another as through any traces", async (store) => {
    const traces = Array.from({ length: 200 }, (_, index) => index + 1);
    await store.ingest(
      batchOf(
        ...traces.flatMap((trace): TestSpan[] => [
          { trace, id: 1, service: "user", at: trace },
          // In every other trace it is profile that calls message.
          { trace, id: 2, parent: 1, service: "profile", at: trace },
          { trace, id: 3, parent: trace % 2 === 0 ? 1 : 2, service: "message", at: trace },
        ]),
      ),
    );
    const found = await allPages(store, { caller: "user", service: "message" }, 7);
    assert.deepEqual(
      found.map(({ traceId }) => Number.parseInt(traceId, 16)),
      traces.filter((trace) => trace % 2 === 0).reverse(),
    );
  });

  check("pages 10,000 spans newest first, without gaps or repeats", async (store) => {
    const traces = 2000;
    // Starts collide on purpose: four traces to each.
    const startOf = (trace: number): number => Math.floor(((trace * 7919) % traces) / 4);
    for (let batch = 0; batch < 20; batch++) {
      const spans: TestSpan[] = [];
      for (let trace = batch * 100 + 1; trace <= (batch + 1) * 100; trace++) {
        for (let id = 1; id <= 5; id++) {
          const parent = id === 1 ? {} : { parent: 1 };
          spans.push({ trace, id, ...parent, at: startOf(trace), attributes: { odd: String(trace % 2) } });
        }
      }
      assert.equal((await store.ingest(batchOf(...spans))).stored, 500);
    }
    assert.equal((await store.stats()).spans, 10_000);
    for (const query of [{}, { tags: [{ key: "odd", value: "1" }] }]) {
      const summaries = await allPages(store, query, 37);
      assert.equal(summaries.length, "tags" in query ? 1000 : 2000);
      assert.equal(new Set(summaries.map((summary) => summary.traceId)).size, summaries.length);
      const starts = summaries.map((summary) => summary.startMs);
      assert.deepEqual(
        starts,
        starts.toSorted((a, b) => b - a),
      );
    }
    assert.equal((await store.search({}, { limit: 2000 })).summaries.length, 1000);
  });

  check("refuses a cursor it did not give", async (store) => {
    await assert.rejects(store.search({}, { before: "1; DROP TABLE trace" }), { code: "CLEW_STORE_CURSOR" });
  });

  check("tells a listener of traces that come and grow, until it leaves", async (store) => {
    // A store that nobody asks anything does not keep the process running, and a listener asks nothing.
    const alive = setInterval(() => {}, 1000);
    let heard: Summary[] = [];
    let wake = (): void => {};
    const leave = store.tail((summaries) => {
      heard.push(...summaries);
      wake();
    });
    const next = async (): Promise<Summary[]> => {
      while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const all = heard;
      heard = [];
      return all;
    };
    await store.ingest(batchOf({ trace: 1, id: 2, parent: 1 }));
    const [first] = await next();
    assert.deepEqual([first!.traceId, first!.spanCount, first!.complete], [traceIdOf(1), 1, false]);
    await store.ingest(batchOf({ trace: 1, id: 1 }));
    const [second] = await next();
    assert.deepEqual([second!.traceId, second!.spanCount, second!.complete], [traceIdOf(1), 2, true]);
    leave();
    let others = 0;
    const done = new Promise<void>((resolve) => {
      store.tail(() => {
        others++;
        resolve();
      });
    });
    await store.ingest(batchOf({ trace: 2, id: 1 }));
    await done;
    clearInterval(alive);
    assert.deepEqual([heard.length, others], [0, 1]);
  });

  check("writes what it took before it closes", async (store) => {
    const results = Array.from({ length: 5 }, (_, index) => store.ingest(batchOf({ trace: index + 1, id: 1 })));
    await store.close();
    assert.deepEqual(
      (await Promise.all(results)).map((result) => result.stored),
      [1, 1, 1, 1, 1],
    );
  });

  check("refuses work once it is closed, and closes twice", async (store) => {
    await store.ingest(batchOf({ trace: 1, id: 1 }));
    await store.close();
    await store.close();
    await assert.rejects(store.ingest(batchOf({ trace: 1, id: 2 })), { code: "CLEW_STORE_CLOSED" });
    await assert.rejects(store.search({}), { code: "CLEW_STORE_CLOSED" });
    await assert.rejects(store.stats(), { code: "CLEW_STORE_CLOSED" });
  });
}
