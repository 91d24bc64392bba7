// What only the way through Kafka has: a broker that takes no message above a length, is killed, or hangs.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type KafkaProducer, SkyWalkingExporter } from "@clew/exporter";
import { type SegmentData, SpanLayer, SpanType } from "@clew/trace/skywalking";
import { chain, instancesOf, pass, spansOf, traceIdsSince } from "./oap-query.ts";
import type { Case, Peer } from "./relays.ts";
import { until } from "./until.ts";

/** How the cases reach the broker and the collector that reads from it. */
export interface KafkaSetting {
  readonly graphql: string;
  readonly namespace: string;
  createProducer(): KafkaProducer;
}

export function kafkaCases({ graphql, namespace, createProducer }: KafkaSetting): Case[] {
  return [
    {
      name: "OAP: through Kafka: a heartbeat alone keeps an instance there",
      run: async () => {
        const producer = createProducer();
        const beats: KafkaProducer = {
          ...producer,
          // All but the properties.
          send: (messages) => producer.send(messages.filter(({ key }) => !key.startsWith("register-"))),
        };
        const who = { service: "clew-beats", instance: "beats@zürich" };
        const kafka = { producer: beats, namespace };
        const exporter = new SkyWalkingExporter({ ...who, env: {}, heartbeatMs: 500, kafka });
        exporter.start();
        try {
          await until(async () => {
            const found = await instancesOf(graphql, who.service);
            return found.some(({ name }) => name === who.instance) ? undefined : `there are ${JSON.stringify(found)}`;
          });
        } finally {
          await exporter.shutdown();
        }
      },
    },
    {
      name: "OAP: through Kafka: segments that are together longer than a message may be arrive, one that is alone is refused",
      run: async () => {
        const who = { service: "clew-burst", instance: "burst@zürich" };
        const exporter = new SkyWalkingExporter({ ...who, env: {}, kafka: { producer: createProducer(), namespace } });
        const segments = Array.from({ length: 200 }, () => createSegment(who, 20_000));
        try {
          const longest = createSegment(who, 2_000_000);
          const result = await exporter.export([...segments.slice(0, 100), longest, ...segments.slice(100)]);
          assert.deepEqual(result, { outcome: "exported", rejected: 1 }, exporter.stats().lastError);
          assert.deepEqual(await exporter.export([longest]), { outcome: "failed" });
        } finally {
          await exporter.shutdown();
        }
        await until(async () => {
          const found = await Promise.all(segments.map(({ traceId }) => spansOf(graphql, traceId)));
          const missing = found.filter(({ length }) => length !== 1).length;
          return missing === 0 ? undefined : `${missing} of 200 segments are not there once`;
        });
      },
    },
  ];
}

export interface Broker {
  kill(): Promise<void>;
  /** Starts it again, at the same address and with what it had. */
  start(): Promise<void>;
  /** Lets it do nothing, its connections open, until `resume` is called. */
  pause(): void;
  resume(): void;
}

/** These need the broker for themselves. `peer` reports through Kafka; `startLate` starts such a service. */
export function outageCases(
  setting: KafkaSetting,
  broker: Broker,
  peer: Peer,
  next: Peer,
  startLate: () => Promise<Peer>,
): Case[] {
  const { graphql, namespace, createProducer } = setting;
  return [
    {
      name: "OAP: through Kafka: what services had to tell while the broker was away is there once it is back, each segment once",
      run: async () => {
        await broker.kill();
        const startMs = Date.now();
        const late = await startLate();
        for (let calls = 0; calls < 10; calls++) {
          await pass([peer, next], ["http", "grpc"]);
          await pass([late, next], ["http", "grpc"]);
        }
        await broker.start();
        for (const { name } of [peer, late]) {
          let ids: string[] = [];
          await until(async () => {
            ids = await traceIdsSince(graphql, name, startMs);
            return ids.length >= 10 ? undefined : `${ids.length} of 10 traces of ${name} are there`;
          });
          assert.equal(new Set(ids).size, 10);
          for (const id of ids) {
            await until(async () => {
              const spans = await spansOf(graphql, id);
              if (spans.length !== 3) return `trace ${id} has ${spans.length} of 3 spans`;
              assert.equal(chain(spans).length, 3);
              return undefined;
            });
          }
        }
        await until(async () => {
          const [found] = await instancesOf(graphql, late.name);
          return found?.language === "NODEJS" ? undefined : `the late instance is ${JSON.stringify(found)}`;
        });
      },
    },
    {
      name: "OAP: through Kafka: a segment that a hanging broker is handed twice is there once",
      run: async () => {
        const who = { service: "clew-hang", instance: "hang@zürich" };
        const client = createProducer();
        const taken: string[] = [];
        const producer: KafkaProducer = {
          ...client,
          send: (messages) => client.send(messages).then(() => void taken.push(...messages.map(({ key }) => key))),
        };
        const exporter = new SkyWalkingExporter({ ...who, env: {}, timeoutMs: 300, kafka: { producer, namespace } });
        const twice = createSegment(who, 1);
        try {
          await until(async () => {
            const { outcome } = await exporter.export([createSegment(who, 1)]);
            return outcome === "exported" ? undefined : outcome;
          });
          broker.pause();
          const { outcome } = await exporter.export([twice]);
          broker.resume();
          assert.equal(outcome, "unavailable");
          await until(async () => {
            const again = await exporter.export([twice]);
            return again.outcome === "exported" ? undefined : again.outcome;
          });
          const isTwice = (): boolean => taken.filter((key) => key === twice.segmentId).length > 1;
          await until(async () => (isTwice() ? undefined : "the broker took it once"));
        } finally {
          broker.resume();
          await exporter.shutdown();
        }
        await until(async () => {
          const { length } = await spansOf(graphql, twice.traceId);
          return length === 1 ? undefined : `it is there ${length} times`;
        });
      },
    },
    {
      name: "OAP: through Kafka: a shutdown while the broker is away ends within the time that a report has",
      run: async () => {
        await broker.kill();
        const who = { service: "clew-end", instance: "end@zürich" };
        const exporter = new SkyWalkingExporter({ ...who, env: {}, kafka: { producer: createProducer(), namespace } });
        const exported = exporter.export([createSegment(who, 1)]);
        await exporter.shutdown();
        assert.equal((await exported).outcome, "unavailable");
      },
    },
  ];
}

/** A segment of one span, with a tag of so many bytes that no compression makes shorter. */
function createSegment(who: { service: string; instance: string }, bytes: number): SegmentData {
  const id = randomBytes(16).toString("hex");
  const nowMs = Date.now();
  const span = { spanId: 0, parentSpanId: -1, startMs: nowMs, endMs: nowMs + 1, references: [], operation: "burst" };
  const kind = { peer: "", type: SpanType.ENTRY, layer: SpanLayer.HTTP, componentId: 49, isError: false };
  const tags = ["bytes", randomBytes(bytes).toString("base64").slice(0, bytes)];
  const spans = [{ ...span, ...kind, tags, logs: [], skipAnalysis: false }];
  return { traceId: id, segmentId: id, ...who, spans, isSizeLimited: false };
}
