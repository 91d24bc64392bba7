import type { BatchResult } from "@clew/trace";
import {
  collectMeters,
  encodeInstance,
  encodeLog,
  encodeMeters,
  encodePing,
  encodeSegment,
  type Identity,
  type InstanceData,
  type LogData,
  type MeterData,
  type SegmentData,
  type SegmentExporter,
} from "@clew/trace/skywalking";

/** One message for Kafka, as SkyWalking's kafka-fetcher reads it. */
export interface KafkaMessage {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
}

/** What brings messages to Kafka: a client of the user's choice, wrapped. It rejects when it could not. */
export interface KafkaProducer {
  send(messages: readonly KafkaMessage[]): Promise<void>;
  close?(): Promise<void>;
}

export interface KafkaTopics {
  /** Default: SW_AGENT_REPORTER_KAFKA_TOPIC_SEGMENT, or "skywalking-segments". */
  readonly segments: string;
  /** Default: SW_AGENT_REPORTER_KAFKA_TOPIC_METER, or "skywalking-meters". */
  readonly meters: string;
  /** Default: SW_AGENT_REPORTER_KAFKA_TOPIC_LOGGING, or "skywalking-logs". */
  readonly logs: string;
  /** Default: SW_AGENT_REPORTER_KAFKA_TOPIC_MANAGEMENT, or "skywalking-managements". */
  readonly managements: string;
}

export interface KafkaOptions {
  /** Names of the topics. */
  topics?: Partial<KafkaTopics>;
  /** Put before all of them, with a dash, as the collector's `namespace` is. Default: none. */
  namespace?: string;
  /** Where the variables are read. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

export function resolveKafkaTopics(options: KafkaOptions = {}): KafkaTopics {
  const env = options.env ?? process.env;
  const name = (given: string | undefined, variable: string, otherwise: string): string => {
    const topic = given ?? (env[`SW_AGENT_REPORTER_KAFKA_TOPIC_${variable}`]?.trim() || otherwise);
    return options.namespace ? `${options.namespace}-${topic}` : topic;
  };
  const { segments, meters, logs, managements } = options.topics ?? {};
  return {
    segments: name(segments, "SEGMENT", "skywalking-segments"),
    meters: name(meters, "METER", "skywalking-meters"),
    logs: name(logs, "LOGGING", "skywalking-logs"),
    managements: name(managements, "MANAGEMENT", "skywalking-managements"),
  };
}

/** Makes the messages of all that agents report. Keys are those of the Go agent: what belongs together stays in order. */
export class KafkaMessages {
  readonly #topics: KafkaTopics;

  constructor(options?: KafkaOptions) {
    this.#topics = resolveKafkaTopics(options);
  }

  segment(segment: SegmentData): KafkaMessage {
    return { topic: this.#topics.segments, key: segment.segmentId, value: encodeSegment(segment) };
  }

  log(log: LogData): KafkaMessage {
    return { topic: this.#topics.logs, key: log.service, value: encodeLog(log) };
  }

  meters(meters: readonly MeterData[], identity: Identity, timeMs: number): KafkaMessage {
    const value = collectMeters(encodeMeters(meters, identity, timeMs));
    return { topic: this.#topics.meters, key: identity.instance, value };
  }

  properties(instance: InstanceData): KafkaMessage {
    return { topic: this.#topics.managements, key: `register-${instance.instance}`, value: encodeInstance(instance) };
  }

  ping(identity: Identity, layer: string): KafkaMessage {
    return { topic: this.#topics.managements, key: identity.instance, value: encodePing(identity, layer) };
  }
}

/** Sends segments through Kafka, for a `SegmentProcessor`. What the producer could not send stays in the processor's queue. */
export class SkyWalkingKafkaExporter implements SegmentExporter {
  readonly #producer: KafkaProducer;
  readonly #messages: KafkaMessages;

  constructor(producer: KafkaProducer, options?: KafkaOptions) {
    this.#producer = producer;
    this.#messages = new KafkaMessages(options);
  }

  async export(segments: readonly SegmentData[]): Promise<BatchResult> {
    try {
      await this.#producer.send(segments.map((segment) => this.#messages.segment(segment)));
      return { outcome: "exported" };
    } catch {
      return { outcome: "unavailable" };
    }
  }

  async shutdown(): Promise<void> {
    await this.#producer.close?.();
  }
}
