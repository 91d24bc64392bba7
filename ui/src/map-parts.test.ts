import assert from "node:assert/strict";
import { test } from "node:test";
import type { Backing, BackingCall, ServiceMap } from "./api.ts";
import { partsOf } from "./map-parts.ts";
import { lastHour } from "./time-range.ts";

const stats = { callCount: 2, errorCount: 1, p50Ms: 1, p95Ms: 2 };

function mapOf(backings: [Backing["kind"], string, string, string][], calls: Partial<BackingCall>[] = []): ServiceMap {
  return {
    ...{ fromMs: 0, toMs: 1, serviceCount: 2, spanCount: 9, cutAtMs: null, backingCount: backings.length },
    services: [
      { name: "shop", ...stats },
      { name: "stock", ...stats },
    ],
    dependencies: [],
    links: [],
    backings: backings.map(([kind, system, name, host]) => ({ kind, system, name, host, ...stats })),
    backingCalls: calls.map((call) => ({ service: "shop", backing: 0, isTaking: false, tags: [], ...stats, ...call })),
  };
}

test("databases and queues are named as shortly as they can be told apart", () => {
  const { nodes } = partsOf(
    mapOf([
      ["database", "postgresql", "shop", "db-1"],
      ["database", "postgresql", "users", "db-1"],
      ["database", "postgresql", "users", "db-2"],
      ["database", "redis", "", "cache:6380"],
      ["database", "sqlite", "", ""],
      ["queue", "kafka", "users", ""],
      ["queue", "", "", ""],
    ]),
    lastHour,
  );
  assert.deepEqual(
    nodes.slice(2).map(({ name, system, title }) => [name, system, title]),
    [
      ["shop", "postgresql", "database shop, postgresql, db-1"],
      ["db-1/users", "postgresql", "database db-1/users, postgresql, db-1"],
      ["db-2/users", "postgresql", "database db-2/users, postgresql, db-2"],
      ["cache:6380", "redis", "database cache:6380, redis"],
      ["sqlite", "", "database sqlite"],
      ["users", "kafka", "queue users, kafka"],
      ["unnamed", "", "queue unnamed"],
    ],
  );
  assert.equal(new Set(nodes.map(({ id }) => id)).size, 9);
});

test("a line leads to the traces of its calls: by service and attributes, by caller, or by the service alone", () => {
  const [system, name, kind] = [
    { key: "messaging.system", value: "kafka" },
    { key: "messaging.destination.name", value: "all orders" },
    { key: "span.kind", value: "consumer" },
  ] as const;
  const map = mapOf(
    [["queue", "kafka", "all orders", ""]],
    [
      // This one was told by its producer alone.
      { service: "stock", isTaking: true, callCount: 9, tags: [kind] },
      { service: "shop", tags: [system, name] },
    ],
  );
  map.dependencies.push({ parent: "shop", child: "stock", ...stats });
  map.links.push({ parent: "stock", child: "shop", ...stats });
  const { nodes, calls } = partsOf(map, lastHour);
  assert.deepEqual(
    calls.map(({ from, to, title }) => [from.name, to.name, title]),
    [
      ["shop", "stock", "shop calls stock"],
      ["stock", "shop", "a link leads from stock to shop"],
      ["all orders", "stock", "stock takes from the queue all orders, kafka"],
      ["shop", "all orders", "shop sends to the queue all orders, kafka"],
    ],
  );
  const askedBy = (url: string): string[] => [...new URLSearchParams(url.slice(2))].map((pair) => pair.join("="));
  const hour = "lookback=1h";
  assert.deepEqual(
    calls.map(({ url }) => askedBy(url)),
    [
      ["service=stock", "caller=shop", hour],
      ["service=shop", hour],
      ["service=stock", "tag=span.kind:consumer", hour],
      ["service=shop", "tag=messaging.system:kafka", "tag=messaging.destination.name:all orders", hour],
    ],
  );
  assert.deepEqual(askedBy(calls[2]!.failedUrl), ["service=stock", "tag=span.kind:consumer", "tag=error:true", hour]);
  const queue = nodes.find(({ kind }) => kind === "queue")!;
  assert.deepEqual(
    askedBy(queue.url),
    ["tag=messaging.system:kafka", "tag=messaging.destination.name:all orders", hour],
    "of the attributes that name it",
  );
});
