import { noAnswer, noBytes, unsupported } from "./delivery.ts";
import type { KafkaMessage, SkyWalkingKafkaSettings } from "./skywalking-kafka.ts";
import type { Report, ReportAttempt } from "./skywalking-report.ts";

/**
 * Sends reports to the collector through Kafka. If the producer fails, the whole report may be sent again: its first batches may
 * arrive twice. Messages too long for Kafka are never sent, because endless retries would block the rest.
 */
export class KafkaLine {
  readonly #kafka: SkyWalkingKafkaSettings;
  readonly #timeoutMs: number;

  constructor(kafka: SkyWalkingKafkaSettings, timeoutMs: number) {
    this.#kafka = kafka;
    this.#timeoutMs = timeoutMs;
  }

  async send({ what, kafka }: Report, signal: AbortSignal): Promise<ReportAttempt> {
    if (kafka === undefined) return unsupported(new Error(`${what} do not go through Kafka`));
    const { messages, batchBytes } = this.#kafka;
    try {
      const all = kafka(messages);
      const sendable = all.filter((message) => batchOverhead + lengthOf(message) <= batchBytes);
      const rejected = all.length - sendable.length;
      const error =
        rejected === 0
          ? undefined
          : new Error(`${rejected} of ${all.length} messages with ${what} are longer than ${batchBytes} bytes`);
      if (error !== undefined && sendable.length === 0) return unsupported(error);
      for (const batch of batchesOf(sendable, batchBytes)) await this.#produce(batch, signal);
      return { outcome: "taken", reply: noBytes, retryAfterMs: undefined, error, rejected };
    } catch (error) {
      return noAnswer(error);
    }
  }

  /** Does nothing: the producer is used again after a failure, and is closed at the end. */
  async close(): Promise<void> {}

  async #produce(batch: readonly KafkaMessage[], signal: AbortSignal): Promise<void> {
    const { promise: isOver, reject } = Promise.withResolvers<never>();
    const cutOff = (): void => reject(new Error("the exporter is shut down"));
    const timer = setTimeout(() => reject(new Error(`not sent within ${this.#timeoutMs} ms`)), this.#timeoutMs);
    timer.unref();
    signal.addEventListener("abort", cutOff);
    if (signal.aborted) cutOff();
    try {
      await Promise.race([this.#kafka.producer.send(batch), isOver]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", cutOff);
    }
  }
}

// The maximum overhead of Kafka's format per batch and per message (record batch v2: 61 bytes, and varints).
const batchOverhead = 64;
const messageOverhead = 32;

function lengthOf({ key, value }: KafkaMessage): number {
  return messageOverhead + Buffer.byteLength(key) + value.length;
}

/** Divides messages into consecutive batches, each as long as allowed. */
function* batchesOf(messages: readonly KafkaMessage[], batchBytes: number): Generator<readonly KafkaMessage[]> {
  let from = 0;
  let bytes = batchOverhead;
  for (const [at, message] of messages.entries()) {
    const length = lengthOf(message);
    if (bytes + length > batchBytes) {
      yield messages.slice(from, at);
      from = at;
      bytes = batchOverhead;
    }
    bytes += length;
  }
  if (from < messages.length) yield messages.slice(from);
}
