// Our exporter's way to Kafka as a user makes it, with kafkajs.
import { createRequire } from "node:module";
import { join } from "node:path";
import type { KafkaProducer } from "@clew/exporter";

/** What is used of kafkajs, which is not among the packages of this repository. */
interface Kafkajs {
  readonly logLevel: { readonly NOTHING: number };
  readonly Kafka: new (options: {
    clientId: string;
    brokers: readonly string[];
    logLevel: number;
  }) => {
    producer(): {
      connect(): Promise<void>;
      sendBatch(batch: {
        topicMessages: readonly {
          readonly topic: string;
          readonly messages: readonly { readonly key: string; readonly value: Buffer }[];
        }[];
      }): Promise<unknown>;
      disconnect(): Promise<void>;
    };
  };
}

/** Speaks to the broker at `address`, with the kafkajs that is installed in `folder`; the lines of docs/guides/skywalking.md. */
export function createKafkaProducer(folder: string, address: string): KafkaProducer {
  const { Kafka, logLevel } = createRequire(join(folder, "package.json"))("kafkajs") as Kafkajs;
  const client = new Kafka({ clientId: "clew", brokers: [address], logLevel: logLevel.NOTHING }).producer();
  return {
    async send(messages) {
      await client.connect();
      const topicMessages = messages.map(({ topic, key, value }) => ({ topic, messages: [{ key, value }] }));
      await client.sendBatch({ topicMessages });
    },
    close: () => client.disconnect(),
  };
}
