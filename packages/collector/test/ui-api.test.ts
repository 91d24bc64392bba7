import assert from "node:assert/strict";
import { test } from "node:test";
import { epochMs, spanIdOf, traceIdOf } from "../../store/src/test-span.ts";
import { postSpans, protobufOf } from "./otlp-sender.ts";
import { get, withCollector } from "./running-collector.ts";

test("answers the UI: summaries by page and filter, skeletons, spans, errors in the error shape", () =>
  withCollector(async (collector) => {
    const attributes = { "http.request.method": "GET", "url.path": "/v1/users/1/messages" };
    await postSpans(
      collector,
      protobufOf(
        { trace: 1, id: 1, name: "/user.v1.User/List", ms: 40, attributes },
        { trace: 1, id: 2, parent: 1, service: "message", at: 2, ms: 10, isError: true },
        { trace: 2, id: 2, parent: 1, at: 50, ms: 5 },
        { trace: 3, id: 1, at: 60, ms: 5 },
      ),
    );
    const { json: page, headers } = await get(collector, "/api/ui/summaries?limit=2");
    assert.equal(headers["cache-control"], "no-store");
    const { summaries, next } = page as { summaries: { traceId: string; complete: boolean }[]; next: string };
    assert.deepEqual(
      summaries.map(({ traceId, complete }) => [traceId, complete]),
      [
        [traceIdOf(3), true],
        [traceIdOf(2), false],
      ],
    );
    assert.deepEqual((await get(collector, `/api/ui/summaries?limit=2&before=${encodeURIComponent(next)}`)).json, {
      summaries: [
        {
          traceId: traceIdOf(1),
          rootService: "user",
          rootOperation: "/user.v1.User/List",
          path: "GET /v1/users/1/messages",
          startMs: epochMs,
          durationMs: 40,
          spanCount: 2,
          errorCount: 1,
          services: [
            { name: "user", spanCount: 1, errorCount: 0 },
            { name: "message", spanCount: 1, errorCount: 1 },
          ],
          complete: true,
        },
      ],
      next: null,
    });
    const found = async (query: string): Promise<number> =>
      ((await get(collector, `/api/ui/summaries?${query}`)).json as { summaries: unknown[] }).summaries.length;
    assert.equal(await found("errors=true"), 1);
    assert.equal(await found("service=message"), 1);
    assert.equal(await found("operation=op"), 3);
    assert.equal(await found("minDurationMs=5&maxDurationMs=30"), 2);
    assert.equal(await found("tag=url.path:/v1/users/1/messages"), 1);
    assert.equal(await found("tag=url.path:/v1/users/1/messages&tag=error:true"), 0);

    const { json: skeleton } = await get(collector, `/api/ui/traces/${traceIdOf(1)}`);
    assert.deepEqual(skeleton, {
      traceId: traceIdOf(1),
      startMs: epochMs,
      durationMs: 40,
      services: (skeleton as { services: string[] }).services,
      operations: (skeleton as { operations: string[] }).operations,
      spans: {
        spanId: [spanIdOf(1), spanIdOf(2)],
        parent: [-1, 0],
        service: ["user", "message"].map((name) => (skeleton as { services: string[] }).services.indexOf(name)),
        operation: ["/user.v1.User/List", "op"].map((name) =>
          (skeleton as { operations: string[] }).operations.indexOf(name),
        ),
        startUs: [0, 2000],
        durationUs: [40_000, 10_000],
        kind: [2, 2],
        error: [0, 1],
      },
    });
    assert.deepEqual((await get(collector, `/api/ui/traces/${traceIdOf(1)}/spans/${spanIdOf(2)}`)).json, {
      spanId: spanIdOf(2),
      parentSpanId: spanIdOf(1),
      service: "message",
      operation: "op",
      kind: 2,
      startMs: epochMs + 2,
      durationMs: 10,
      status: { code: 2, message: "no" },
      attributes: [],
      events: [],
      links: [],
      resource: [
        { key: "service.name", value: "message" },
        { key: "host.name", value: "message-host" },
      ],
      scope: { name: "test", version: "1" },
    });
    const root = (await get(collector, `/api/ui/traces/1/spans/${spanIdOf(1)}`)).json as { parentSpanId: null };
    assert.equal(root.parentSpanId, null);

    const failures: [string, number, string][] = [
      ["/api/ui/traces/77", 404, "TRACE_NOT_FOUND"],
      ["/api/ui/traces/xyz", 400, "INVALID_ARGUMENT"],
      [`/api/ui/traces/1/spans/${spanIdOf(9)}`, 404, "SPAN_NOT_FOUND"],
      ["/api/ui/traces/1/spans/9", 400, "INVALID_ARGUMENT"],
      ["/api/ui/summaries?before=x", 400, "INVALID_ARGUMENT"],
      ["/api/ui/summaries?minDurationMs=x", 400, "INVALID_ARGUMENT"],
      ["/api/nothing", 404, "NOT_FOUND"],
    ];
    for (const [path, status, reason] of failures) {
      const reply = await get(collector, path);
      assert.deepEqual([reply.status, (reply.json as { reason: string }).reason], [status, reason], path);
    }
  }));

test("answers the UI with a map of the services in a time, within limits", () =>
  withCollector(
    async (collector) => {
      await postSpans(
        collector,
        protobufOf(
          { trace: 1, id: 1, ms: 40 },
          { trace: 1, id: 2, parent: 1, kind: 3, at: 1, ms: 20 },
          { trace: 1, id: 3, parent: 2, service: "message", at: 2, ms: 10, isError: true },
          { trace: 2, id: 1, service: "late", at: 5000, ms: 5 },
        ),
      );
      const ask = async (query: string): Promise<object> =>
        (await get<object>(collector, `/api/ui/services${query}`)).json;
      const user = { name: "user", callCount: 1, errorCount: 0, p50Ms: 40, p95Ms: 40 };
      const message = { callCount: 1, errorCount: 1, p50Ms: 10, p95Ms: 10 };
      const late = { name: "late", callCount: 1, errorCount: 0, p50Ms: 5, p95Ms: 5 };
      const dependencies = [{ parent: "user", child: "message", ...message }];
      const services = [{ name: "message", ...message }, user];
      const none = { backings: [], backingCalls: [], links: [], backingCount: 0 };
      const hour = 60 * 60_000;
      assert.deepEqual(await ask(""), {
        fromMs: epochMs + 1000,
        toMs: epochMs + 1000 + hour,
        services: [late],
        dependencies: [],
        ...none,
        serviceCount: 1,
        spanCount: 1,
        cutAtMs: null,
      });
      assert.deepEqual(await ask(`?toMs=${epochMs + 1000}&lookback=1s`), {
        fromMs: epochMs,
        toMs: epochMs + 1000,
        services,
        dependencies,
        ...none,
        serviceCount: 2,
        spanCount: 3,
        cutAtMs: null,
      });
      assert.deepEqual(await ask("?lookback=all&maxSpans=1&maxServices=1"), {
        fromMs: 0,
        toMs: epochMs + 1000 + hour,
        services: [late],
        dependencies: [],
        ...none,
        serviceCount: 1,
        spanCount: 1,
        cutAtMs: epochMs,
      });
      for (const name of ["fromMs", "toMs", "maxSpans", "maxServices", "maxBackings"]) {
        const { status, json } = await get<{ message: string }>(collector, `/api/ui/services?${name}=x`);
        assert.deepEqual([status, json.message], [400, `${name} is "x"; it must be a number of 0 or more`]);
      }
    },
    // So that the hour ends just before the last trace.
    { now: () => epochMs + 1000 + 60 * 60_000 },
  ));

test("answers the UI with databases, queues and links, each with what finds its traces; Jaeger with services alone", () =>
  withCollector(
    async (collector) => {
      const orders = { "messaging.system": "kafka", "messaging.destination.name": "orders" };
      const shop = { "db.system": "mssql", "db.name": "shop" };
      await postSpans(
        collector,
        protobufOf(
          { trace: 1, id: 1, service: "shop" },
          { trace: 1, id: 2, parent: 1, service: "shop", kind: 3, ms: 3, attributes: shop, isError: true },
          { trace: 1, id: 3, parent: 1, service: "shop", kind: 4, ms: 2, attributes: orders },
          { trace: 1, id: 4, parent: 3, service: "mailer", kind: 5, ms: 6, attributes: orders },
          { trace: 2, id: 1, service: "stock", kind: 5, ms: 8, links: [{ trace: 1, id: 3 }] },
          { trace: 3, id: 1, service: "report", kind: 1, ms: 9, links: [{ trace: 1, id: 1 }] },
        ),
      );
      const stats = (errorCount: number, ms: number): object => ({ callCount: 1, errorCount, p50Ms: ms, p95Ms: ms });
      const { json: map } = await get<{
        backings: object[];
        backingCalls: { service: string; tags: { key: string; value: string }[] }[];
      }>(collector, "/api/ui/services?lookback=all");
      const database = { kind: "database", system: "microsoft.sql_server", name: "shop", host: "" };
      const { backings, backingCalls, ...rest } = map;
      assert.deepEqual(backings, [
        { ...database, ...stats(1, 3) },
        { kind: "queue", system: "kafka", name: "orders", host: "", ...stats(0, 2) },
      ]);
      assert.deepEqual(
        backingCalls.map(({ tags: _, ...call }) => call),
        [
          { service: "shop", backing: 0, isTaking: false, ...stats(1, 3) },
          { service: "shop", backing: 1, isTaking: false, ...stats(0, 2) },
          { service: "mailer", backing: 1, isTaking: true, ...stats(0, 6) },
          { service: "stock", backing: 1, isTaking: true, ...stats(0, 8) },
        ],
      );
      for (const { service, tags } of backingCalls) {
        const query = new URLSearchParams({ service });
        for (const { key, value } of tags) query.append("tag", `${key}:${value}`);
        const { json } = await get<{ summaries: object[] }>(collector, `/api/ui/summaries?${query}`);
        assert.equal(json.summaries.length, 1, String(query));
      }
      assert.deepEqual(rest, {
        ...rest,
        dependencies: [],
        links: [{ parent: "shop", child: "report", ...stats(0, 9) }],
        backingCount: 2,
      });
      const one = (await get<typeof map>(collector, "/api/ui/services?lookback=all&maxBackings=1")).json;
      assert.deepEqual([one.backings.length, (one as { backingCount?: number }).backingCount], [1, 2]);
      const { json: jaeger } = await get<{ data: unknown }>(collector, "/api/dependencies");
      assert.deepEqual(jaeger.data, [{ parent: "shop", child: "mailer", callCount: 1 }]);
    },
    { now: () => epochMs + 180_000 },
  ));

test("answers the UI with the traces of a time, and with those in which one service calls another", () =>
  withCollector(
    async (collector) => {
      await postSpans(
        collector,
        protobufOf(
          { trace: 1, id: 1, at: 0 },
          // An error to its caller alone.
          { trace: 2, id: 1, at: 60_000 },
          { trace: 2, id: 2, parent: 1, kind: 3, at: 60_000, isError: true },
          { trace: 2, id: 3, parent: 2, service: "message", at: 60_000 },
          { trace: 3, id: 1, service: "message", at: 120_000 },
          { trace: 3, id: 2, parent: 1, at: 120_000 },
          // By a clock that is ahead.
          { trace: 4, id: 1, at: 190_000 },
        ),
      );
      const cases: [string, number[]][] = [
        ["", [4, 3, 2, 1]],
        ["lookback=all", [4, 3, 2, 1]],
        ["lookback=2m", [4, 3, 2]],
        ["lookback=90s&service=message", [3]],
        [`fromMs=${epochMs + 60_000}`, [4, 3, 2]],
        [`toMs=${epochMs + 60_000}`, [2, 1]],
        [`fromMs=${epochMs + 1}&toMs=${epochMs + 120_001}`, [3, 2]],
        [`lookback=61s&toMs=${epochMs + 120_001}`, [3, 2]],
        ["caller=user&service=message", [2]],
        ["caller=message&service=user", [3]],
        ["caller=user", [2]],
        ["caller=user&service=message&tag=error:true", [2]],
        ["caller=user&service=message&lookback=1m", []],
      ];
      for (const [query, ids] of cases) {
        const { json } = await get<{ summaries: { traceId: string }[] }>(collector, `/api/ui/summaries?${query}`);
        assert.deepEqual(
          json.summaries.map(({ traceId }) => Number.parseInt(traceId, 16)),
          ids,
          query,
        );
      }
      const { status, json } = await get<{ reason: string; message: string }>(
        collector,
        "/api/ui/summaries?lookback=yesterday",
      );
      assert.deepEqual(
        [status, json.reason, json.message],
        [400, "INVALID_ARGUMENT", 'lookback is "yesterday"; it must be all, or a duration like 15m or 6h'],
      );
      const { json: map } = await get<{ dependencies: { child: string; errorCount: number }[] }>(
        collector,
        "/api/ui/services?lookback=all",
      );
      assert.deepEqual(
        map.dependencies.map(({ child, errorCount }) => [child, errorCount]),
        [
          ["user", 0],
          ["message", 1],
        ],
      );
      const { json: jaeger } = await get<{ data: unknown }>(collector, "/api/dependencies");
      assert.deepEqual(jaeger.data, [
        { parent: "message", child: "user", callCount: 1 },
        { parent: "user", child: "message", callCount: 1 },
      ]);
    },
    { now: () => epochMs + 180_000 },
  ));

/** The events of a text/event-stream, as they come. */
async function* readEvents(response: Response): AsyncGenerator<{ event: string; data: unknown }> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const match = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end));
      text = text.slice(end + 2);
      if (match !== null) yield { event: match[1]!, data: JSON.parse(match[2]!) };
    }
  }
}

test(
  "the tail brings stats, new traces and growing ones, and ends when the collector stops",
  { timeout: 300_000 },
  () =>
    withCollector(async (collector) => {
      const response = await fetch(new URL("/api/ui/tail", collector.endpoint()));
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      const events = readEvents(response);
      const nextSummary = async (): Promise<{ traceId: string; spanCount: number }> => {
        for (;;) {
          const { value } = await events.next();
          if (value!.event === "summary") return value!.data as { traceId: string; spanCount: number };
        }
      };
      const first = await events.next();
      assert.equal(first.value!.event, "stats");
      await postSpans(collector, protobufOf({ trace: 5, id: 1 }));
      const created = await nextSummary();
      assert.deepEqual([created.traceId, created.spanCount], [traceIdOf(5), 1]);
      await postSpans(collector, protobufOf({ trace: 5, id: 2, parent: 1 }));
      assert.equal((await nextSummary()).spanCount, 2);
      await collector.stop(AbortSignal.timeout(20_000));
      for await (const { event } of events) assert.equal(event, "stats");
    }),
);
