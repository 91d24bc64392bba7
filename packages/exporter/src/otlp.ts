import type { EncodingExporter, ExportResult, SpanData } from "@clew/trace";
import { encodeRequest, encodeRequestAsJson, SpanBatch } from "@clew/trace/otel";
import { type Body, type Delivery, type DeliveryStats, toExportResult } from "./delivery.ts";
import { encodeInTurns } from "./encode-in-turns.ts";
import { createOtlpDelivery, toOtlpBody } from "./otlp-delivery.ts";
import {
  componentTypeOf,
  type OtlpOptions,
  type OtlpProtocol,
  type OtlpSettings,
  resolveOtlpOptions,
} from "./otlp-options.ts";

/**
 * Sends spans to any OTLP receiver: a collector, Jaeger, a vendor. It uses protobuf or JSON over HTTP/1.1, or gRPC.
 *
 * It retries as the specification says: after retryable statuses and when there is no answer, with growing delays or after the delay
 * that the collector asks for. All other answers are final, and a partial success is never sent again. When it gives up
 * ("unavailable"), the caller keeps the spans.
 *
 * Its own requests are not traced: they run in a context that suppresses tracing, which instrumentations of node:http respect.
 */
export class OtlpExporter implements EncodingExporter {
  readonly #settings: OtlpSettings;
  readonly #delivery: Delivery;
  readonly createBatch: (() => SpanBatch) | undefined;

  /** @throws as {@link resolveOtlpOptions} does */
  constructor(options?: OtlpOptions) {
    this.#settings = resolveOtlpOptions("traces", options);
    this.#delivery = createOtlpDelivery(this.#settings);
    this.createBatch = this.#settings.protocol === "http/json" ? undefined : () => new SpanBatch();
  }

  get protocol(): OtlpProtocol {
    return this.#settings.protocol;
  }

  get componentType(): string {
    return componentTypeOf(this.#settings);
  }

  /** The URL that spans are sent to; with gRPC only host and port are used. */
  get url(): URL {
    return this.#settings.url;
  }

  stats(): DeliveryStats {
    return this.#delivery.stats();
  }

  sendingStats(): DeliveryStats {
    return this.stats();
  }

  async export(spans: readonly SpanData[] | SpanBatch): Promise<ExportResult> {
    const encode = async () => toOtlpBody(await this.#encode(spans), this.#settings);
    return toExportResult(await this.#delivery.deliver(spans.length, encode));
  }

  #encode(spans: readonly SpanData[] | SpanBatch): Body | Promise<Body | string> {
    if (spans instanceof SpanBatch) return spans.toPieces();
    return this.createBatch === undefined ? encodeJson(spans) : encodeProtobuf(spans);
  }

  /** Aborts pending requests and closes the connections. */
  shutdown(): Promise<void> {
    return this.#delivery.shutdown();
  }
}

function encodeProtobuf(spans: readonly SpanData[]): Promise<Buffer> {
  // Concatenated protobuf messages are one message with the elements of all.
  return encodeInTurns(spans, encodeRequest, (requests) => Buffer.concat(requests));
}

function encodeJson(spans: readonly SpanData[]): Promise<string> {
  return encodeInTurns(spans, encodeRequestAsJson, (pieces) => {
    const groups = pieces.map((piece) => piece.slice(head.length, -tail.length));
    return `${head}${groups.join(",")}${tail}`;
  });
}

const head = '{"resourceSpans":[';
const tail = "]}";
