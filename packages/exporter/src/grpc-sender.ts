import { type Attempt, type Body, type Sender, wholeOf } from "./delivery.ts";
import type { GrpcChannel } from "./grpc-channel.ts";
import type { OtlpSettings } from "./otlp-options.ts";

/**
 * Sends requests as calls of OTLP's gRPC services. The client and its dependencies are loaded at the first request, so that exporting
 * over HTTP does not load them.
 */
export class GrpcSender implements Sender {
  readonly #settings: OtlpSettings;
  #channel: Promise<GrpcChannel> | undefined;

  constructor(settings: OtlpSettings) {
    this.#settings = settings;
  }

  async send(body: Body, signal: AbortSignal): Promise<Attempt> {
    this.#channel ??= this.#load();
    return (await this.#channel).send(wholeOf(body), signal);
  }

  async close(): Promise<void> {
    await (await this.#channel)?.close();
  }

  async #load(): Promise<GrpcChannel> {
    const { GrpcChannel } = await import("./grpc-channel.ts");
    return new GrpcChannel(this.#settings);
  }
}
