import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { type KafkaMessage, KafkaMessages, SkyWalkingExporter, SkyWalkingLogs, startTracing } from "@clew/exporter";
import { createLogger } from "@clew/log";
import { withSpan } from "@clew/trace";
import { decodeSegment, type SegmentData } from "@clew/trace/skywalking";
import { SpanKind } from "@opentelemetry/api";
import { until } from "../../http2/test/until.ts";
import { InstancePropertiesSchema, LogDataSchema } from "../src/gen/skywalking/v3/agent_pb.ts";

const who = { service: "shop", instance: "shop-1" };
const segment: SegmentData = { traceId: "t", segmentId: "s", spans: [], ...who, isSizeLimited: false };

/** A client of Kafka's that keeps what it is given. */
function createProducer() {
  const sent: KafkaMessage[] = [];
  let isClosed = false;
  return {
    sent,
    isClosed: () => isClosed,
    async send(messages: readonly KafkaMessage[]): Promise<void> {
      sent.push(...messages);
    },
    async close(): Promise<void> {
      isClosed = true;
    },
  };
}

test("messages have the topics and keys that the collector's fetcher reads", () => {
  const messages = new KafkaMessages({ namespace: "ns", env: { SW_AGENT_REPORTER_KAFKA_TOPIC_METER: "m" } });
  assert.deepEqual([messages.segment(segment).topic, messages.segment(segment).key], ["ns-skywalking-segments", "s"]);
  const meters = messages.meters([{ name: "a", labels: [], value: 1 }], who, 5);
  assert.deepEqual([meters.topic, meters.key], ["ns-m", "shop-1"]);
  assert.equal(messages.properties({ ...who, properties: [], layer: "GENERAL" }).key, "register-shop-1");
  assert.equal(messages.ping(who, "GENERAL").key, "shop-1");
});

test("startTracing sends segments, properties, heartbeats, meters and logs through a producer", async () => {
  const producer = createProducer();
  const env = { SW_AGENT_METER_COLLECT_INTERVAL: "1" };
  const tracing = startTracing({ exporter: [], env, skywalking: { ...who, heartbeatMs: 20, kafka: { producer } } });
  const logs = new SkyWalkingLogs(tracing.skywalking!, { env: {} });
  withSpan("GET /orders", { kind: SpanKind.SERVER }, () => logs.write("info", "looked up", {}, undefined));
  await Promise.all([logs.forceFlush(), tracing.flush()]);
  const topics = (): Set<string> => new Set(producer.sent.map(({ topic, key }) => `${topic} ${key}`));
  const [segments] = producer.sent.filter(({ topic }) => topic === "skywalking-segments");
  const sent = decodeSegment(segments!.value);
  assert.equal(segments!.key, sent.segmentId);
  assert.equal(sent.spans[0]!.operation, "GET:/orders");
  const expected = [
    `skywalking-segments ${sent.segmentId}`,
    "skywalking-managements register-shop-1",
    "skywalking-managements shop-1",
    "skywalking-meters shop-1",
    "skywalking-logs shop",
  ];
  await until(() => expected.every((one) => topics().has(one)));
  const line = producer.sent.find(({ topic }) => topic === "skywalking-logs")!;
  assert.equal(fromBinary(LogDataSchema, line.value).traceContext?.traceSegmentId, sent.segmentId);
  const properties = producer.sent.find(({ key }) => key === "register-shop-1")!;
  assert.equal(fromBinary(InstancePropertiesSchema, properties.value).serviceInstance, "shop-1");
  assert.equal(producer.isClosed(), false);
  await logs.shutdown();
  await tracing.shutdown();
  assert.equal(producer.isClosed(), true);
  assert.equal(tracing.segmentStats()?.exported, 1);
});

test("what a producer cannot send stays the caller's, and the producer is used again; a hanging one has its time", async () => {
  const sent: string[] = [];
  let answer: () => Promise<void> = () => Promise.reject(new Error("no broker"));
  const producer = {
    send: (messages: readonly KafkaMessage[]) => answer().then(() => void sent.push(...messages.map(({ key }) => key))),
  };
  const exporter = new SkyWalkingExporter({ ...who, env: {}, timeoutMs: 20, kafka: { producer } });
  assert.equal((await exporter.export([segment])).outcome, "unavailable");
  answer = () => new Promise(() => {});
  const alive = setInterval(() => {}, 1000);
  assert.equal((await exporter.export([segment])).outcome, "unavailable");
  clearInterval(alive);
  assert.match(exporter.stats().lastError!, /^not sent within 20 ms$/);
  answer = async () => {};
  assert.equal((await exporter.export([segment])).outcome, "exported");
  assert.deepEqual(
    sent.filter((key) => key === "s"),
    ["s"],
  );
  await exporter.shutdown();
});

test("a heartbeat that gets through after one that did not leaves no error behind", async () => {
  let isAway = true;
  const send = async (): Promise<void> => {
    if (isAway) throw new Error("no broker");
  };
  const exporter = new SkyWalkingExporter({ ...who, env: {}, heartbeatMs: 5, kafka: { producer: { send } } });
  exporter.start();
  await until(() => exporter.stats().lastError === "no broker");
  isAway = false;
  await until(() => exporter.stats().heartbeats > 0);
  assert.equal(exporter.stats().lastError, undefined);
  await exporter.shutdown();
});

/** A segment of which each message is some 1,000 bytes long. */
function longSegment(id: string, letters = 900): SegmentData {
  return { ...segment, segmentId: id, traceId: "t".repeat(letters) };
}

test("what is more than Kafka takes at once goes in several batches, each within the limit", async () => {
  const batches: (readonly KafkaMessage[])[] = [];
  const send = async (messages: readonly KafkaMessage[]): Promise<void> => {
    if (messages[0]?.topic === "skywalking-segments") batches.push(messages);
  };
  const exporter = new SkyWalkingExporter({ ...who, env: {}, kafka: { producer: { send }, batchBytes: 3000 } });
  const ids = Array.from({ length: 10 }, (_, index) => `s${index}`);
  assert.deepEqual(await exporter.export(ids.map((id) => longSegment(id))), { outcome: "exported" });
  const sizes = batches.map((batch) => batch.reduce((sum, { key, value }) => sum + key.length + value.length, 0));
  assert.ok(batches.length >= 4 && sizes.every((size) => size < 3000), `batches of ${sizes.join(", ")} bytes`);
  assert.deepEqual(
    batches.flat().map(({ key }) => key),
    ids,
  );
  assert.equal(exporter.stats().exported, 10);
  await exporter.shutdown();
});

test("a message longer than Kafka takes is refused, counted and told once, and holds up nothing", async () => {
  const sent: string[] = [];
  const send = async (messages: readonly KafkaMessage[]): Promise<void> => {
    sent.push(...messages.filter(({ topic }) => topic === "skywalking-segments").map(({ key }) => key));
  };
  const lines: string[] = [];
  const logger = createLogger({ destination: { write: (line: string) => void lines.push(line) } });
  const env = { SW_AGENT_REPORTER_KAFKA_BATCH_BYTES: "2000" };
  const exporter = new SkyWalkingExporter({ ...who, env, logger, kafka: { producer: { send } } });
  const long = longSegment("long", 2000);
  const result = await exporter.export([longSegment("a"), long, longSegment("b")]);
  assert.deepEqual(result, { outcome: "exported", rejected: 1 });
  assert.deepEqual(sent, ["a", "b"]);
  const why = "1 of 3 messages with segments are longer than 2000 bytes";
  assert.equal(exporter.stats().lastError, why);
  assert.deepEqual(await exporter.export([long]), { outcome: "failed" });
  assert.deepEqual([exporter.stats().exported, exporter.stats().failed], [2, 2]);
  assert.equal(lines.filter((line) => line.includes("refused segments")).length, 1);
  assert.ok(lines.some((line) => line.includes(why)));
  await exporter.shutdown();
});

test("when a batch is not sent, all of the report may be handed over again", async () => {
  const sent: string[] = [];
  let left = 1;
  const send = async (messages: readonly KafkaMessage[]): Promise<void> => {
    if (messages[0]?.topic !== "skywalking-segments") return;
    if (left-- === 0) throw new Error("no broker");
    sent.push(...messages.map(({ key }) => key));
  };
  const exporter = new SkyWalkingExporter({ ...who, env: {}, kafka: { producer: { send }, batchBytes: 1500 } });
  const both = [longSegment("a"), longSegment("b")];
  assert.equal((await exporter.export(both)).outcome, "unavailable");
  left = 10;
  assert.equal((await exporter.export(both)).outcome, "exported");
  assert.deepEqual(sent, ["a", "a", "b"]);
  assert.equal(exporter.stats().exported, 2);
  await exporter.shutdown();
});
