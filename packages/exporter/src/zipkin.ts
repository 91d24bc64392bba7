import type { Logger } from "@clew/log";
import { checkOptions } from "@clew/options";
import type { ExportResult, SpanData, SpanExporter } from "@clew/trace";
import { encodeSpans } from "@clew/trace/zipkin";
import { checkHeaders } from "./check-headers.ts";
import { Delivery, type DeliveryStats, toExportResult } from "./delivery.ts";
import { encodeInTurns } from "./encode-in-turns.ts";
import { compressionUnknown, endpointInvalid, optionError } from "./errors.ts";
import { gzip, HttpSender } from "./http-sender.ts";
import { destinationChecks, isLoopback } from "./otlp-options.ts";
import { findVariable, resolveMs } from "./resolve-ms.ts";
import { type RetryOptions, type RetrySettings, resolveRetryOptions } from "./retry.ts";
import { resolveTlsOptions, type TlsOptions } from "./tls.ts";

export interface ZipkinOptions {
  /** The URL that accepts spans. Default: OTEL_EXPORTER_ZIPKIN_ENDPOINT, or `http://localhost:9411/api/v2/spans`. */
  endpoint?: string;
  /** Headers sent with every request. Default: none. */
  headers?: Readonly<Record<string, string>>;
  /** How request bodies are compressed. Default: "gzip"; for a server on this machine "none". */
  compression?: "gzip" | "none";
  /**
   * How long one attempt may take, from connecting to the end of the reply, in milliseconds. Default:
   * OTEL_EXPORTER_ZIPKIN_TIMEOUT, or 10_000.
   */
  timeoutMs?: number;
  /** The TLS certificates. Default: the certificate authorities of the system, and no client certificate. */
  tls?: TlsOptions;
  /** How long and how often a request is retried. Default: see {@link RetryOptions}. */
  retry?: RetryOptions;
  /** The maximum number of concurrent exports; further ones resolve with "unavailable" at once. Default: 4. */
  maxConcurrentExports?: number;
  /** Logs when exporting begins to fail, when it works again, and what is refused. Default: nothing is logged. */
  logger?: Logger;
  /** The environment that the OTEL_ variables are read from. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

interface ZipkinSettings {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly isCompressed: boolean;
  readonly timeoutMs: number;
  readonly tls: ReturnType<typeof resolveTlsOptions>;
  readonly retry: RetrySettings;
  readonly maxConcurrentExports: number;
  readonly logger: Logger | undefined;
}

/** @throws CLEW_EXPORTER_OPTION, CLEW_EXPORTER_ENDPOINT, CLEW_EXPORTER_COMPRESSION, CLEW_EXPORTER_TIMEOUT */
export function resolveZipkinOptions(options: ZipkinOptions = {}): ZipkinSettings {
  checkOptions<ZipkinOptions>("ZipkinExporter", options, destinationChecks, optionError);
  const env = options.env ?? process.env;
  const endpoint =
    options.endpoint ?? (env.OTEL_EXPORTER_ZIPKIN_ENDPOINT?.trim() || "http://localhost:9411/api/v2/spans");
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) throw endpointInvalid(endpoint);
  const { compression = isLoopback(url) ? "none" : "gzip" } = options;
  if (compression !== "gzip" && compression !== "none") throw compressionUnknown(compression);
  const timeout = findVariable(env, "OTEL_EXPORTER_ZIPKIN_TIMEOUT");
  const { headers = {} } = options;
  checkHeaders("headers", headers);
  return {
    url,
    headers,
    isCompressed: compression === "gzip",
    timeoutMs: resolveMs("timeoutMs", options.timeoutMs, timeout, 10_000),
    tls: resolveTlsOptions(options.tls, () => undefined),
    retry: resolveRetryOptions(options.retry),
    maxConcurrentExports: options.maxConcurrentExports ?? 4,
    logger: options.logger,
  };
}

/**
 * Sends spans as JSON to Zipkin, or to any server with Zipkin's v2 API. `encodeSpans` of `@clew/trace/zipkin` documents what Zipkin
 * cannot represent. Retries like OTLP over HTTP.
 */
export class ZipkinExporter implements SpanExporter {
  readonly #settings: ZipkinSettings;
  readonly #delivery: Delivery;

  /** @throws as {@link resolveZipkinOptions} does */
  constructor(options?: ZipkinOptions) {
    this.#settings = resolveZipkinOptions(options);
    const { url, retry, maxConcurrentExports, logger, ...rest } = this.#settings;
    this.#delivery = new Delivery({
      what: "spans",
      endpoint: url.href,
      sender: new HttpSender({ url, contentType: "application/json", ...rest }),
      retry,
      maxConcurrentExports,
      logger,
    });
  }

  /** The URL that spans are sent to. */
  get url(): URL {
    return this.#settings.url;
  }

  readonly componentType = "zipkin_http_span_exporter";

  stats(): DeliveryStats {
    return this.#delivery.stats();
  }

  sendingStats(): DeliveryStats {
    return this.stats();
  }

  async export(spans: readonly SpanData[]): Promise<ExportResult> {
    const result = await this.#delivery.deliver(spans.length, async () => {
      const body = Buffer.from(await encodeInTurns(spans, encodeSpans, joinArrays));
      return this.#settings.isCompressed ? gzip(body) : body;
    });
    return toExportResult(result);
  }

  /** Aborts pending requests and closes the connections. */
  shutdown(): Promise<void> {
    return this.#delivery.shutdown();
  }
}

function joinArrays(arrays: string[]): string {
  return `[${arrays.map((array) => array.slice(1, -1)).join(",")}]`;
}
