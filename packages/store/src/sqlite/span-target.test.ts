import assert from "node:assert/strict";
import { test } from "node:test";
import type { DecodedAttribute } from "@clew/trace/otel";
import { type SpanTarget, targetOf } from "./span-target.ts";

const [internal, server, client, producer, consumer] = [1, 2, 3, 4, 5];

function targetWith(kind: number, record: Record<string, string | number | boolean>): SpanTarget | null {
  const attributes = Object.entries(record).map(([key, value]): DecodedAttribute => {
    return { key, type: typeof value === "string" ? "string" : typeof value === "number" ? "int64" : "bool", value };
  });
  return targetOf({ kind, attributes });
}

/** "database postgresql shop db-1"; what is not said is "-". */
function named(kind: number, record: Record<string, string | number | boolean>): string | null {
  const target = targetWith(kind, record);
  if (target === null) return null;
  const { backing } = target;
  return [backing.kind, backing.system, backing.name, backing.host].map((part) => part || "-").join(" ");
}

test("a database is named by its system, its namespace and its host", () => {
  const cases: [Record<string, string | number>, string][] = [
    [{ "db.system.name": "postgresql", "db.namespace": "shop", "server.address": "db-1" }, "postgresql shop db-1"],
    [{ "db.system": "postgresql", "db.name": "shop", "net.peer.name": "db-1" }, "postgresql shop db-1"],
    [{ "db.system.name": "redis", "db.namespace": 0, "server.address": "r", "server.port": 6379 }, "redis 0 r"],
    [{ "db.system.name": "redis", "server.address": "r", "server.port": 6380 }, "redis - r:6380"],
    [{ "db.system": "mssql", "net.peer.name": "s", "net.peer.port": "1433" }, "microsoft.sql_server - s"],
    [{ "db.system.name": "mysql", "network.peer.address": "10.0.0.7" }, "mysql - 10.0.0.7"],
    [{ "db.system.name": "sqlite", "db.namespace": "" }, "sqlite - -"],
  ];
  for (const [record, name] of cases) assert.equal(named(client, record), `database ${name}`);
  assert.equal(named(internal, { "db.system.name": "sqlite" }), "database sqlite - -");
  assert.equal(named(server, { "db.system.name": "sqlite" }), null);
  assert.equal(named(client, { "db.namespace": "shop" }), null);
});

test("a queue is named by its system and its destination", () => {
  const kafka = { "messaging.system": "kafka" };
  assert.equal(named(producer, { ...kafka, "messaging.destination.name": "orders" }), "queue kafka orders -");
  assert.equal(named(consumer, { ...kafka, "messaging.destination": "orders" }), "queue kafka orders -");
  const templated = { "messaging.destination.name": "user/7", "messaging.destination.template": "user/{id}" };
  assert.equal(named(producer, { ...kafka, ...templated }), "queue kafka user/{id} -");
  const temporary = { "messaging.destination.name": "amq.gen-8f3", "messaging.destination.temporary": true };
  assert.equal(named(producer, { "messaging.system": "rabbitmq", ...temporary }), "queue rabbitmq - -");
  assert.equal(named(producer, { "messaging.destination.name": "orders" }), "queue - orders -");
  assert.equal(named(client, { "messaging.destination.name": "orders" }), null);
  assert.equal(named(producer, kafka), null);
  assert.equal(named(server, { ...kafka, "messaging.destination.name": "orders" }), null);
});

test("which way a message goes, and whether it has a span of its own", () => {
  const waysOf = (kind: number, operation: Record<string, string>): [boolean, boolean] | null => {
    const target = targetWith(kind, { "messaging.system": "kafka", "messaging.destination.name": "o", ...operation });
    return target && [target.isTaking, target.isTransfer];
  };
  const [toItself, toMany, fromItself, fromMany] = [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ];
  assert.deepEqual(waysOf(producer, {}), toItself);
  assert.deepEqual(waysOf(producer, { "messaging.operation": "publish" }), toItself);
  assert.deepEqual(waysOf(client, { "messaging.operation.type": "send" }), toMany);
  assert.deepEqual(waysOf(consumer, { "messaging.operation.type": "process" }), fromItself);
  assert.deepEqual(waysOf(consumer, { "messaging.operation": "receive" }), fromMany);
  assert.deepEqual(waysOf(client, { "messaging.operation.type": "receive" }), fromMany);
  assert.equal(waysOf(client, { "messaging.operation.type": "settle" }), null);
});

test("the attributes by which such spans are found are those that they have", () => {
  const record = { "db.system": "postgresql", "db.name": "shop", "net.peer.name": "db-1", "net.peer.port": 5433 };
  const { "net.peer.port": _, ...found } = record;
  assert.deepEqual(
    targetWith(client, record)!.tags,
    Object.entries(found).map(([key, value]) => ({ key, value })),
  );
  assert.deepEqual(targetWith(producer, { "messaging.system": "kafka", "messaging.destination": "o" })!.tags, [
    { key: "messaging.system", value: "kafka" },
    { key: "messaging.destination", value: "o" },
    { key: "span.kind", value: "producer" },
  ]);
});
