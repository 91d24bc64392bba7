import { type Attempt, noAnswer, noBytes, unsupported } from "./delivery.ts";
import type { SkyWalkingKafkaSettings } from "./skywalking-kafka.ts";
import type { Report } from "./skywalking-report.ts";

/** The way to the collector through Kafka. What the producer could not send may be sent again. */
export class KafkaLine {
  readonly #kafka: SkyWalkingKafkaSettings;
  readonly #timeoutMs: number;

  constructor(kafka: SkyWalkingKafkaSettings, timeoutMs: number) {
    this.#kafka = kafka;
    this.#timeoutMs = timeoutMs;
  }

  async send({ what, kafka }: Report, signal: AbortSignal): Promise<Attempt> {
    if (kafka === undefined) return unsupported(new Error(`${what} do not go through Kafka`));
    const { producer, messages } = this.#kafka;
    const { promise: isOver, reject } = Promise.withResolvers<never>();
    const cutOff = (): void => reject(new Error("the exporter is shut down"));
    const timer = setTimeout(() => reject(new Error(`not sent within ${this.#timeoutMs} ms`)), this.#timeoutMs);
    timer.unref();
    signal.addEventListener("abort", cutOff);
    try {
      await Promise.race([producer.send(kafka(messages)), isOver]);
      return { outcome: "taken", reply: noBytes, retryAfterMs: undefined, error: undefined };
    } catch (error) {
      return noAnswer(error);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", cutOff);
    }
  }

  /** Nothing: the producer is used again after a failure, and closed at the end. */
  async close(): Promise<void> {}
}
