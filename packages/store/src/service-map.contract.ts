import assert from "node:assert/strict";
import type { ServiceMap } from "./contract.ts";
import { always, batchOf, type Check, epochMs, idsOf, type TestSpan } from "./test-span.ts";

/** What every trace store promises of its map of services. */
export function checkServiceMaps(check: Check): void {
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
}
