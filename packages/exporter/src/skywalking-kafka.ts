import {
  anObject,
  aText,
  checkOptions,
  having,
  type OptionCheck,
  type OptionChecks,
  optionsWith,
  pickOptions,
  wholeNumberFrom,
} from "@clew/options";
import { type Environment, readCount } from "@clew/trace";
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
} from "@clew/trace/skywalking";
import { optionError } from "./errors.ts";

/** One Kafka message in the form that SkyWalking's kafka-fetcher reads. */
export interface KafkaMessage {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
}

/** Sends messages to Kafka: a wrapper around a client of the user's choice. It rejects when sending fails. */
export interface KafkaProducer {
  send(messages: readonly KafkaMessage[]): Promise<void>;
  close?(): Promise<void>;
}

export interface KafkaTopics {
  /** The topic of segments. Default: SW_AGENT_REPORTER_KAFKA_TOPIC_SEGMENT, or "skywalking-segments". */
  readonly segments: string;
  /** The topic of meters. Default: SW_AGENT_REPORTER_KAFKA_TOPIC_METER, or "skywalking-meters". */
  readonly meters: string;
  /** The topic of logs. Default: SW_AGENT_REPORTER_KAFKA_TOPIC_LOGGING, or "skywalking-logs". */
  readonly logs: string;
  /** The topic of properties and heartbeats. Default: SW_AGENT_REPORTER_KAFKA_TOPIC_MANAGEMENT, or "skywalking-managements". */
  readonly managements: string;
}

export interface KafkaOptions {
  /** Names of the topics. */
  topics?: Partial<KafkaTopics>;
  /** A prefix of all topics, joined with a dash, like the collector's `namespace`. Default: none. */
  namespace?: string;
  /** The environment that the variables are read from. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

const topicChecks: OptionChecks<KafkaTopics> = { segments: aText, meters: aText, logs: aText, managements: aText };

const kafkaChecks: OptionChecks<KafkaOptions> = {
  topics: optionsWith(topicChecks),
  namespace: aText,
  env: anObject,
};

/** @throws CLEW_EXPORTER_OPTION */
export function resolveKafkaTopics(options: KafkaOptions = {}): KafkaTopics {
  checkOptions("KafkaMessages", options, kafkaChecks, optionError);
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

/** Options for sending reports through Kafka instead of directly to the collector. */
export interface SkyWalkingKafkaOptions extends Omit<KafkaOptions, "env"> {
  /** The producer that sends messages to Kafka; the exporter closes it at its shutdown. */
  producer: KafkaProducer;
  /**
   * The maximum number of bytes in one call of the producer. It must not exceed the topics' `max.message.bytes`, because a client may
   * make one batch of them. A single message that is longer is not sent. Default: SW_AGENT_REPORTER_KAFKA_BATCH_BYTES, or 1_048_576.
   */
  batchBytes?: number;
}

export interface SkyWalkingKafkaSettings {
  readonly producer: KafkaProducer;
  readonly messages: KafkaMessages;
  readonly batchBytes: number;
}

/** The default limit of Kafka's own clients and brokers. */
const defaultBatchBytes = 1_048_576;

const aProducer = having("what sends messages to Kafka", "send");
const { topics, namespace } = kafkaChecks;
const skyWalkingKafkaOptions = optionsWith<SkyWalkingKafkaOptions>({
  producer: aProducer,
  topics,
  namespace,
  batchBytes: wholeNumberFrom(1),
});

/** Checks the options, and that there is a producer. */
export const kafkaCheck: OptionCheck = (name, given) =>
  skyWalkingKafkaOptions(name, given) ?? aProducer(`${name}.producer`, (given as SkyWalkingKafkaOptions).producer);

export function resolveSkyWalkingKafka(options: SkyWalkingKafkaOptions, env: Environment): SkyWalkingKafkaSettings {
  const told = options.batchBytes ?? readCount(env, "SW_AGENT_REPORTER_KAFKA_BATCH_BYTES", 1, defaultBatchBytes);
  return {
    producer: options.producer,
    messages: new KafkaMessages({ env, ...pickOptions(options, kafkaChecks) }),
    batchBytes: told ?? defaultBatchBytes,
  };
}

/** Makes the Kafka messages of all reports. The keys are those of the Go agent, so that related messages stay in order. */
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
