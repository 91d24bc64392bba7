import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRequest, decodeSpans, encodeJsonRequest, type RawBatch, sliceSpans } from "@clew/trace/otel";
import type { ServiceMap, Summary, SummaryPage, TimeRange, TraceQuery, TraceStore } from "./contract.ts";
import { epochMs, jsonOf, spanIdOf, type TestSpan, traceIdOf } from "./test-span.ts";

/** All there is. */
const always: TimeRange = { fromUs: 0, toUs: 1e18 };

/** The batch that a sender of these spans would send. */
export function batchOf(...spans: TestSpan[]): RawBatch {
  return decodeRequest(encodeJsonRequest(jsonOf(...spans)));
}

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
  const check = (what: string, use: (store: TraceStore) => Promise<void>): void => {
    test(`${name}: ${what}`, { timeout: 60_000 }, () => withStore(use));
  };
  const idsOf = async (store: TraceStore, query: TraceQuery): Promise<number[]> =>
    (await store.search(query)).summaries.map((summary) => Number.parseInt(summary.traceId, 16));

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

  check("knows which services there are and who calls whom, within a range", async (store) => {
    await store.ingest(
      batchOf(
        { trace: 1, id: 1, service: "user", ms: 40 },
        { trace: 1, id: 2, parent: 1, service: "user", kind: 3, ms: 30 },
        { trace: 1, id: 3, parent: 2, service: "message", ms: 20, isError: true },
        { trace: 1, id: 4, parent: 2, service: "message", ms: 10 },
        { trace: 1, id: 5, parent: 4, service: "message", kind: 1, ms: 5, isError: true },
        { trace: 1, id: 6, parent: 1, service: "profile", ms: 4 },
        { trace: 1, id: 7, parent: 6, service: "user", ms: 2 },
        { trace: 2, id: 1, service: "late", at: 5000 },
        { trace: 2, id: 2, parent: 1, service: "later", at: 5000 },
      ),
    );
    const stats = (callCount: number, errorCount: number, p50Ms: number, p95Ms: number): object => ({
      callCount,
      errorCount,
      p50Ms,
      p95Ms,
    });
    assert.deepEqual(await store.serviceMap({ fromUs: 0, toUs: (epochMs + 1000) * 1000 }), {
      services: [
        { name: "message", ...stats(2, 1, 10, 20) },
        { name: "profile", ...stats(1, 0, 4, 4) },
        { name: "user", ...stats(2, 0, 2, 40) },
      ],
      dependencies: [
        { parent: "profile", child: "user", ...stats(1, 0, 2, 2) },
        { parent: "user", child: "message", ...stats(2, 1, 10, 20) },
        { parent: "user", child: "profile", ...stats(1, 0, 4, 4) },
      ],
      backings: [],
      backingCalls: [],
      links: [],
      backingCount: 0,
      serviceCount: 3,
      spanCount: 7,
      cutAtMs: null,
    });
    const { services, spanCount } = await store.serviceMap({ fromUs: (epochMs + 1000) * 1000, toUs: 1e18 });
    assert.deepEqual([services.map(({ name }) => name), spanCount], [["late", "later"], 2]);
  });

  check("a call has failed where either end says so; a service has what it says itself", async (store) => {
    await store.ingest(
      batchOf(
        // The first is a failure to its caller alone, as a 404 is; the second to the one that is called alone; the third to both.
        ...[1, 2, 3].flatMap((call): TestSpan[] => [
          { trace: call, id: 1, service: "user" },
          { trace: call, id: 2, parent: 1, service: "user", kind: 3, isError: call !== 2 },
          { trace: call, id: 3, parent: 2, service: "message", isError: call !== 1 },
        ]),
        // What sends may fail where what receives does not.
        { trace: 4, id: 1, service: "message", kind: 4, isError: true },
        { trace: 4, id: 2, parent: 1, service: "mailer", kind: 5 },
        // A server or an inner span that fails does not say that about what it called.
        { trace: 5, id: 1, service: "user", kind: 2, isError: true },
        { trace: 5, id: 2, parent: 1, service: "profile" },
        { trace: 6, id: 1, service: "profile", kind: 1, isError: true },
        { trace: 6, id: 2, parent: 1, service: "user" },
      ),
    );
    const { services, dependencies } = await store.serviceMap(always);
    assert.deepEqual(
      dependencies.map(({ parent, child, callCount, errorCount }) => [parent, child, callCount, errorCount]),
      [
        ["message", "mailer", 1, 1],
        ["profile", "user", 1, 0],
        ["user", "message", 3, 3],
        ["user", "profile", 1, 0],
      ],
    );
    assert.deepEqual(
      services.map(({ name, callCount, errorCount }) => [name, callCount, errorCount]),
      [
        ["mailer", 1, 0],
        ["message", 4, 3],
        ["profile", 2, 1],
        ["user", 5, 1],
      ],
    );
    // As many as are found.
    const failed = await idsOf(store, {
      caller: "user",
      service: "message",
      tags: [{ key: "error", value: "true" }],
    });
    assert.deepEqual(failed.sort(), [1, 2, 3]);
  });

  check("counts a call whose caller has not arrived, and no inner span without its parent", async (store) => {
    await store.ingest(
      batchOf(
        { trace: 1, id: 1, parent: 9, service: "server", kind: 2 },
        { trace: 1, id: 2, parent: 9, service: "consumer", kind: 5 },
        { trace: 1, id: 3, parent: 9, service: "inner", kind: 1 },
        { trace: 1, id: 4, parent: 9, service: "client", kind: 3 },
        { trace: 1, id: 5, parent: 5, service: "own", kind: 1 },
        { trace: 1, id: 6, service: "root", kind: 1 },
      ),
    );
    const { services, dependencies } = await store.serviceMap(always);
    assert.deepEqual(
      services.map(({ name, callCount }) => [name, callCount]),
      [
        ["client", 0],
        ["consumer", 1],
        ["inner", 0],
        ["own", 0],
        ["root", 1],
        ["server", 1],
      ],
    );
    assert.deepEqual(dependencies, []);
    assert.deepEqual([services[0]!.p50Ms, services[0]!.p95Ms], [0, 0]);
    await store.ingest(batchOf({ trace: 1, id: 9, service: "root", kind: 3 }));
    const { dependencies: joined } = await store.serviceMap(always);
    assert.deepEqual(
      joined.map(({ parent, child }) => [parent, child]),
      [
        ["root", "client"],
        ["root", "consumer"],
        ["root", "inner"],
        ["root", "server"],
      ],
    );
  });

  check("percentiles are of the calls as they came, by nearest rank", async (store) => {
    const traces = Array.from({ length: 100 }, (_, index) => index + 1);
    await store.ingest(
      batchOf(
        ...traces.flatMap((trace): TestSpan[] => [
          { trace, id: 1, service: "user", ms: 500 },
          // Not in order.
          { trace, id: 2, parent: 1, service: "message", ms: ((trace * 37) % 100) + 1 },
        ]),
      ),
    );
    const { dependencies } = await store.serviceMap(always);
    assert.deepEqual(dependencies, [
      { parent: "user", child: "message", callCount: 100, errorCount: 0, p50Ms: 50, p95Ms: 95 },
    ]);
  });

  check("a service map keeps to its limits: the newest spans, the busiest services", async (store) => {
    const traces = Array.from({ length: 20 }, (_, index) => index + 1);
    await store.ingest(
      batchOf(
        ...traces.flatMap((trace): TestSpan[] => [
          { trace, id: 1, service: "user", at: trace * 1000 },
          { trace, id: 2, parent: 1, service: "message", at: trace * 1000 },
          { trace, id: 3, parent: 1, service: "message", at: trace * 1000 },
          { trace, id: 4, parent: 3, service: `once-${trace}`, at: trace * 1000 },
        ]),
      ),
    );
    const newest = await store.serviceMap(always, { maxSpans: 8 });
    assert.deepEqual(
      newest.services.map(({ name, callCount }) => [name, callCount]),
      [
        ["message", 4],
        ["once-19", 1],
        ["once-20", 1],
        ["user", 2],
      ],
    );
    assert.deepEqual([newest.spanCount, newest.cutAtMs], [8, epochMs + 18_000]);

    const busiest = await store.serviceMap(always, { maxServices: 2 });
    assert.deepEqual(
      busiest.services.map(({ name }) => name),
      ["message", "user"],
    );
    assert.deepEqual(
      busiest.dependencies.map(({ parent, child }) => [parent, child]),
      [["user", "message"]],
    );
    assert.deepEqual([busiest.serviceCount, busiest.spanCount, busiest.cutAtMs], [22, 80, null]);

    const exact = await store.serviceMap(always, { maxSpans: 80 });
    assert.deepEqual([exact.spanCount, exact.cutAtMs], [80, null]);
  });

  const asked = { maxBackings: 100 };
  const postgres = { "db.system.name": "postgresql", "db.namespace": "shop", "server.address": "db-1" };
  const topic = { "messaging.system": "kafka", "messaging.destination.name": "orders" };

  check("knows the databases that services ask, when it is asked for them", async (store) => {
    await store.ingest(
      batchOf(
        { trace: 1, id: 1, service: "user", ms: 50 },
        { trace: 1, id: 2, parent: 1, service: "user", kind: 3, ms: 10, attributes: postgres },
        { trace: 1, id: 3, parent: 1, service: "user", kind: 3, ms: 20, attributes: postgres, isError: true },
        // A driver below a mapper: the same query.
        { trace: 1, id: 4, parent: 3, service: "user", kind: 3, ms: 18, attributes: { "db.system": "postgresql" } },
        // An agent from before the conventions were stable, with a port that goes without saying.
        {
          trace: 2,
          id: 1,
          service: "billing",
          kind: 3,
          ms: 30,
          attributes: {
            "db.system": "postgresql",
            "db.name": "shop",
            "net.peer.name": "db-1",
            "net.peer.port": "5432",
          },
        },
        { trace: 2, id: 2, service: "billing", kind: 1, ms: 1, attributes: { "db.system.name": "sqlite" } },
        { trace: 2, id: 3, service: "proxy", kind: 2, ms: 1, attributes: postgres },
      ),
    );
    const { backings, backingCalls, dependencies, links, backingCount } = await store.serviceMap(always, asked);
    const shop = { kind: "database", system: "postgresql", name: "shop", host: "db-1" };
    assert.deepEqual(backings, [
      { ...shop, callCount: 3, errorCount: 1, p50Ms: 20, p95Ms: 30 },
      { kind: "database", system: "sqlite", name: "", host: "", callCount: 1, errorCount: 0, p50Ms: 1, p95Ms: 1 },
    ]);
    const tagsOf = (record: Record<string, string>): object[] =>
      Object.entries(record).map(([key, value]) => ({ key, value }));
    assert.deepEqual(backingCalls, [
      {
        service: "billing",
        backing: 0,
        isTaking: false,
        tags: tagsOf({ "db.system": "postgresql", "db.name": "shop", "net.peer.name": "db-1" }),
        ...{ callCount: 1, errorCount: 0, p50Ms: 30, p95Ms: 30 },
      },
      {
        service: "user",
        backing: 0,
        isTaking: false,
        tags: tagsOf(postgres),
        ...{ callCount: 2, errorCount: 1, p50Ms: 10, p95Ms: 20 },
      },
      {
        service: "billing",
        backing: 1,
        isTaking: false,
        tags: tagsOf({ "db.system.name": "sqlite" }),
        ...{ callCount: 1, errorCount: 0, p50Ms: 1, p95Ms: 1 },
      },
    ]);
    assert.deepEqual([dependencies, links, backingCount], [[], [], 2]);
    for (const { service, tags, callCount } of backingCalls) {
      const found = await store.search({ service, tags });
      assert.equal(found.summaries.length, 1, `${callCount} calls of ${service} are found by their tags`);
    }
  });

  const waysOf = ({ backings, backingCalls }: ServiceMap): unknown[][] =>
    backingCalls.map(({ service, backing, isTaking, callCount, errorCount }) => {
      const { name } = backings[backing]!;
      return [...(isTaking ? [name, service] : [service, name]), callCount, errorCount];
    });

  check("knows who sends into a queue and who takes out of it, by parent, by link or by name", async (store) => {
    const sent = { trace: 1, id: 1, service: "shop", kind: 4, ms: 2, attributes: topic };
    await store.ingest(
      batchOf(
        sent,
        { ...sent, id: 2, isError: true },
        // Each names the queue in its own way.
        { trace: 1, id: 3, parent: 1, service: "mailer", kind: 5, ms: 7 },
        {
          trace: 2,
          id: 1,
          service: "stock",
          kind: 5,
          ms: 9,
          links: [
            { trace: 1, id: 1 },
            { trace: 1, id: 2 },
          ],
        },
        { trace: 3, id: 1, service: "audit", kind: 5, ms: 3, attributes: topic, isError: true },
        // A producer that nobody knows.
        { trace: 4, id: 1, service: "lost", kind: 5, links: [{ trace: 99, id: 1 }] },
        { trace: 5, id: 1, service: "shop", kind: 2 },
      ),
    );
    const map = await store.serviceMap(always, asked);
    assert.deepEqual(map.backings, [
      { kind: "queue", system: "kafka", name: "orders", host: "", callCount: 2, errorCount: 1, p50Ms: 2, p95Ms: 2 },
    ]);
    assert.deepEqual(waysOf(map), [
      ["shop", "orders", 2, 1],
      ["orders", "audit", 1, 1],
      ["orders", "mailer", 1, 0],
      ["orders", "stock", 1, 0],
    ]);
    assert.equal(map.backingCalls[3]!.p95Ms, 9, "as it works on what it took");
    assert.deepEqual([map.dependencies, map.links], [[], []]);
    const plain = await store.serviceMap(always);
    assert.deepEqual(
      plain.dependencies.map(({ parent, child, callCount }) => [parent, child, callCount]),
      [["shop", "mailer", 1]],
    );
    assert.deepEqual([plain.services, plain.spanCount], [map.services, map.spanCount]);
    for (const { service, tags } of map.backingCalls) {
      assert.equal((await store.search({ service, tags })).summaries.length, 1, `${service} is found by its tags`);
    }
  });

  check("a message that is created, sent, received and processed counts once at each end", async (store) => {
    const step = (id: number, service: string, kind: number, type: string, more: Partial<TestSpan> = {}): TestSpan => ({
      ...{ trace: 1, id, service, kind, attributes: { ...topic, "messaging.operation.type": type } },
      ...more,
    });
    await store.ingest(
      batchOf(
        step(1, "shop", 4, "create"),
        step(2, "shop", 4, "create"),
        step(3, "shop", 3, "send"),
        step(4, "stock", 3, "receive"),
        step(5, "stock", 5, "process", { parent: 4, ms: 5 }),
        step(6, "stock", 5, "process", { parent: 4, ms: 5 }),
        step(7, "stock", 3, "settle"),
        // Who has no spans of messages has those that move them.
        step(8, "import", 3, "send"),
        step(9, "export", 3, "receive"),
        step(10, "old", 5, "receive"),
      ),
    );
    assert.deepEqual(waysOf(await store.serviceMap(always, asked)), [
      ["import", "orders", 1, 0],
      ["shop", "orders", 2, 0],
      ["orders", "export", 1, 0],
      ["orders", "old", 1, 0],
      ["orders", "stock", 2, 0],
    ]);
  });

  check("a link leads from one service to another where no queue is known", async (store) => {
    await store.ingest(
      batchOf(
        { trace: 1, id: 1, service: "shop", isError: true },
        { trace: 1, id: 2, parent: 1, service: "shop", kind: 4, isError: true },
        // One that begins a trace, and one whose parent is its own.
        {
          trace: 2,
          id: 1,
          service: "batch",
          kind: 1,
          ms: 4,
          links: [
            { trace: 1, id: 1 },
            { trace: 1, id: 2 },
          ],
        },
        { trace: 3, id: 1, service: "mailer" },
        { trace: 3, id: 2, parent: 1, service: "mailer", kind: 5, links: [{ trace: 1, id: 2 }] },
        // These are called by somebody, or link to themselves.
        { trace: 4, id: 1, parent: 9, service: "inner", kind: 1, links: [{ trace: 1, id: 1 }] },
        { trace: 5, id: 1, service: "shop", links: [{ trace: 1, id: 1 }] },
        { trace: 5, id: 2, parent: 1, service: "profile", links: [{ trace: 2, id: 1 }] },
      ),
    );
    const { links, dependencies, spanCount } = await store.serviceMap(always, asked);
    assert.deepEqual(links, [
      { parent: "shop", child: "batch", callCount: 1, errorCount: 1, p50Ms: 4, p95Ms: 4 },
      { parent: "shop", child: "mailer", callCount: 1, errorCount: 1, p50Ms: 1, p95Ms: 1 },
    ]);
    assert.deepEqual(
      dependencies.map(({ parent, child }) => [parent, child]),
      [["shop", "profile"]],
    );
    assert.equal(spanCount, 8);
    assert.deepEqual((await store.serviceMap(always)).links, []);
    // Spans that links lead to are looked at as well.
    const newest = await store.serviceMap(always, { ...asked, maxSpans: 5 });
    assert.ok(newest.cutAtMs !== null && newest.spanCount < 5);
  });

  check("the databases and queues used most are given, of the services that are given", async (store) => {
    const call = (id: number, service: string, name: string): TestSpan => ({
      ...{ trace: 1, id, service, kind: 3, attributes: { "db.system.name": "redis", "db.namespace": name } },
    });
    await store.ingest(
      batchOf(
        { trace: 1, id: 20, service: "user" },
        { trace: 1, id: 21, service: "user" },
        { trace: 1, id: 22, service: "message" },
        ...[call(1, "user", "a"), call(2, "user", "b"), call(3, "user", "b"), call(4, "message", "c")],
      ),
    );
    const one = await store.serviceMap(always, { maxBackings: 1 });
    assert.deepEqual([waysOf(one), one.backingCount], [[["user", "b", 2, 0]], 3]);
    const ofOne = await store.serviceMap(always, { ...asked, maxServices: 1 });
    assert.deepEqual(
      [waysOf(ofOne), ofOne.backingCount],
      [
        [
          ["user", "a", 1, 0],
          ["user", "b", 2, 0],
        ],
        2,
      ],
    );
    // Read again, now that what the spans say is known; and what came since.
    await store.ingest(batchOf({ ...call(1, "user", "d"), trace: 2 }));
    assert.equal((await store.serviceMap(always, asked)).backingCount, 4);
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
