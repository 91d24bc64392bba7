import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip as gzipWithCallback } from "node:zlib";
import { Context, run } from "@clew/context";
import type { Logger } from "@clew/log";
import { type ExportResult, type SpanData, type SpanExporter, sdkVersion, suppressTracing } from "@clew/trace";
import { decodePartialSuccess, decodeStatusMessage, encodeRequest } from "@clew/trace/otel";
import { compressionUnknown, endpointInvalid, timeoutInvalid } from "./errors.ts";
import {
  backOffMs,
  isRetryable,
  parseRetryAfter,
  type RetryOptions,
  type RetrySettings,
  resolveRetryOptions,
} from "./retry.ts";

const gzip = promisify(gzipWithCallback);

export interface OtlpHttpOptions {
  /**
   * Where the collector listens; spans go to `<endpoint>/v1/traces`. Default: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as it is, or
   * OTEL_EXPORTER_OTLP_ENDPOINT, or `http://localhost:4318`.
   */
  endpoint?: string;
  /** Sent with every request. Default: OTEL_EXPORTER_OTLP_HEADERS (`key=value,key=value`, percent-encoded), or none. */
  headers?: Readonly<Record<string, string>>;
  /**
   * Default: OTEL_EXPORTER_OTLP_COMPRESSION, or "gzip": a fifth of the bytes, and the work is done off the main thread. To a
   * collector on this machine "none": there the bytes cost less than the work (3.5 us of CPU for a span).
   */
  compression?: "gzip" | "none";
  /** How long one attempt may take, from connecting to the end of the reply. Default: OTEL_EXPORTER_OTLP_TIMEOUT, or 10_000. */
  timeoutMs?: number;
  /** How long and how often to try again. Default: see {@link RetryOptions}. */
  retry?: RetryOptions;
  /** Exports under way at the same time; one more is answered "unavailable" at once. Default: 4. */
  maxConcurrentExports?: number;
  /** Told when exporting begins to fail, when it works again, and what the collector refuses. Default: nobody. */
  logger?: Logger;
  /** Where the OTEL_ variables are read; those for traces (OTEL_EXPORTER_OTLP_TRACES_...) win. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

interface OtlpHttpSettings {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: "gzip" | "none";
  readonly timeoutMs: number;
  readonly retry: RetrySettings;
  readonly maxConcurrentExports: number;
  readonly logger: Logger | undefined;
}

export function resolveOtlpHttpOptions(options: OtlpHttpOptions = {}): OtlpHttpSettings {
  const env = options.env ?? process.env;
  const setting = (name: string): string | undefined =>
    env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || env[`OTEL_EXPORTER_OTLP_${name}`] || undefined;
  const url = resolveUrl(options.endpoint, env);
  const compression = options.compression ?? setting("COMPRESSION") ?? (isLoopback(url) ? "none" : "gzip");
  if (compression !== "gzip" && compression !== "none") throw compressionUnknown(compression);
  const timeoutMs = options.timeoutMs ?? Number(setting("TIMEOUT") ?? 10_000);
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) throw timeoutInvalid(timeoutMs);
  return {
    url,
    headers: options.headers ?? parseHeaders(setting("HEADERS")),
    compression,
    timeoutMs,
    retry: resolveRetryOptions(options.retry),
    maxConcurrentExports: options.maxConcurrentExports ?? 4,
    logger: options.logger,
  };
}

function resolveUrl(endpoint: string | undefined, env: Readonly<Record<string, string | undefined>>): URL {
  const exact = endpoint === undefined ? env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT : undefined;
  const base = endpoint ?? (env.OTEL_EXPORTER_OTLP_ENDPOINT || "http://localhost:4318");
  const given = exact || base;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) throw endpointInvalid(given);
  if (!exact && !url.pathname.endsWith("/v1/traces")) url.pathname = `${url.pathname.replace(/\/+$/, "")}/v1/traces`;
  return url;
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** `key=value,key=value`, percent-encoded; what is not a pair is passed over. */
function parseHeaders(text: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const pair of (text ?? "").split(",")) {
    const equals = pair.indexOf("=");
    if (equals < 1) continue;
    const value = pair.slice(equals + 1).trim();
    try {
      headers[pair.slice(0, equals).trim().toLowerCase()] = decodeURIComponent(value);
    } catch {
      headers[pair.slice(0, equals).trim().toLowerCase()] = value;
    }
  }
  return headers;
}

export interface OtlpHttpStats {
  /** Requests sent, retries among them. */
  readonly requests: number;
  readonly retries: number;
  /** Bytes of request bodies, as sent. */
  readonly sentBytes: number;
  /** Spans that the collector took. */
  readonly exportedSpans: number;
  /** Spans that the collector refused out of requests it took. */
  readonly rejectedSpans: number;
  /** Spans of requests that it refused, or that were cut off by the shutdown. */
  readonly failedSpans: number;
  /** Why the last request failed; undefined when it did not. */
  readonly lastError: string | undefined;
}

/** What one attempt came to; status 0 when there was no answer. */
interface Attempt {
  readonly status: number;
  readonly body: Buffer;
  readonly retryAfterMs: number | undefined;
  readonly error: Error | undefined;
}

/**
 * Sends spans to an OTLP collector: protobuf over HTTP/1.1, over connections of its own that stay open.
 *
 * Retries are the specification's: after 429, 502, 503, 504 and when there is no answer, with growing waits or as long as
 * Retry-After says; anything else is final, and a partial success is never sent again. When it gives up, the spans are the
 * caller's again ("unavailable").
 *
 * Its own requests are not traced: they run in a context that says so, which instrumentations of node:http respect. Its sockets
 * and timers do not keep the process alive; whoever waits for an export must.
 */
export class OtlpHttpExporter implements SpanExporter {
  readonly #settings: OtlpHttpSettings;
  readonly #request: typeof httpRequest;
  readonly #requestOptions: RequestOptions;
  readonly #agent: HttpAgent;
  readonly #stopping = new AbortController();
  #active = 0;
  #isAway = false;
  #quietUntilMs = 0;

  #requests = 0;
  #retries = 0;
  #sentBytes = 0;
  #exportedSpans = 0;
  #rejectedSpans = 0;
  #failedSpans = 0;
  #lastError: string | undefined;

  constructor(options?: OtlpHttpOptions) {
    this.#settings = resolveOtlpHttpOptions(options);
    const { url, headers, compression } = this.#settings;
    const isSecure = url.protocol === "https:";
    this.#request = isSecure ? httpsRequest : httpRequest;
    this.#agent = new (isSecure ? HttpsAgent : HttpAgent)({ keepAlive: true });
    this.#requestOptions = {
      method: "POST",
      agent: this.#agent,
      headers: {
        "user-agent": `clew/${sdkVersion}`,
        ...headers,
        "content-type": "application/x-protobuf",
        ...(compression === "gzip" ? { "content-encoding": "gzip" } : {}),
      },
    };
  }

  /** Where the spans go. */
  get url(): URL {
    return this.#settings.url;
  }

  stats(): OtlpHttpStats {
    return {
      requests: this.#requests,
      retries: this.#retries,
      sentBytes: this.#sentBytes,
      exportedSpans: this.#exportedSpans,
      rejectedSpans: this.#rejectedSpans,
      failedSpans: this.#failedSpans,
      lastError: this.#lastError,
    };
  }

  async export(spans: readonly SpanData[]): Promise<ExportResult> {
    if (this.#stopping.signal.aborted) {
      this.#failedSpans += spans.length;
      return { outcome: "failed", error: new Error("the exporter is shut down") };
    }
    if (this.#active >= this.#settings.maxConcurrentExports) {
      return { outcome: "unavailable", error: new Error(`${this.#active} exports are under way`) };
    }
    this.#active++;
    try {
      return await run(untraced, () => this.#exportWithRetries(spans));
    } catch (error) {
      return this.#fail(spans, error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#active--;
    }
  }

  /** Cuts off what is under way and closes the connections. */
  async shutdown(): Promise<void> {
    this.#stopping.abort();
    this.#agent.destroy();
  }

  async #exportWithRetries(spans: readonly SpanData[]): Promise<ExportResult> {
    const { retry, compression } = this.#settings;
    const { signal } = this.#stopping;
    const message = encodeRequest(spans);
    // 0.5 us a span, on another thread; level 6 takes three times as long for the same bytes.
    const body = compression === "gzip" ? await gzip(message, { level: 1 }) : message;
    const giveUpAtMs = performance.now() + retry.limitMs;
    for (let count = 1; ; count++) {
      const attempt = await this.#send(body);
      if (attempt.error === undefined) return this.#succeed(spans, attempt.body);
      if (signal.aborted || !(attempt.status === 0 || isRetryable(attempt.status))) {
        return this.#fail(spans, attempt.error);
      }
      this.#tellAway(attempt.error);
      const waitMs = attempt.retryAfterMs ?? backOffMs(count, retry);
      if (performance.now() + waitMs > giveUpAtMs) {
        return { outcome: "unavailable", error: attempt.error, retryAfterMs: attempt.retryAfterMs ?? 0 };
      }
      try {
        await sleep(waitMs, undefined, { ref: false, signal });
      } catch {
        return this.#fail(spans, attempt.error);
      }
      this.#retries++;
    }
  }

  #succeed(spans: readonly SpanData[], body: Buffer): ExportResult {
    const { logger, url } = this.#settings;
    this.#lastError = undefined;
    if (this.#isAway) {
      this.#isAway = false;
      logger?.info("spans are exported again", { endpoint: url.href });
    }
    const partial = decodePartialSuccess(body);
    const rejectedSpans = Math.min(partial?.rejectedSpans ?? 0, spans.length);
    this.#exportedSpans += spans.length - rejectedSpans;
    this.#rejectedSpans += rejectedSpans;
    if (partial !== undefined && this.#mayTell()) {
      logger?.warn("the collector did not take every span", {
        endpoint: url.href,
        rejected: partial.rejectedSpans,
        reason: partial.message,
      });
    }
    return { outcome: "exported", rejectedSpans };
  }

  #fail(spans: readonly SpanData[], error: Error): ExportResult {
    this.#failedSpans += spans.length;
    this.#lastError = error.message;
    if (!this.#stopping.signal.aborted && this.#mayTell()) {
      this.#settings.logger?.error("spans were refused and are lost", {
        endpoint: this.#settings.url.href,
        spans: spans.length,
        reason: error.message,
      });
    }
    return { outcome: "failed", error };
  }

  #tellAway(error: Error): void {
    this.#lastError = error.message;
    if (this.#isAway) return;
    this.#isAway = true;
    this.#settings.logger?.warn("spans cannot be exported, trying again", {
      endpoint: this.#settings.url.href,
      reason: error.message,
    });
  }

  // A collector that refuses one request refuses them all; a line a minute says it.
  #mayTell(): boolean {
    const nowMs = performance.now();
    if (nowMs < this.#quietUntilMs) return false;
    this.#quietUntilMs = nowMs + 60_000;
    return true;
  }

  /** One request. Never rejects. */
  #send(body: Buffer): Promise<Attempt> {
    const { url, timeoutMs } = this.#settings;
    const { signal } = this.#stopping;
    if (signal.aborted) return Promise.resolve(noAnswer(new Error("the exporter is shut down")));
    this.#requests++;
    this.#sentBytes += body.length;
    return new Promise((resolve) => {
      const request = this.#request(url, this.#requestOptions);
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      timer.unref();
      const cutOff = (): void => void request.destroy(new Error("the exporter is shut down"));
      signal.addEventListener("abort", cutOff);
      const settle = (attempt: Attempt): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", cutOff);
        resolve(attempt);
      };
      request.on("error", (error) => settle(noAnswer(error)));
      request.on("socket", (socket) => socket.unref());
      request.on("response", (response) => {
        readBody(response).then(
          (content) => settle(toAttempt(response, content)),
          (error: unknown) => settle(noAnswer(error instanceof Error ? error : new Error(String(error)))),
        );
      });
      request.setHeader("content-length", body.length);
      request.end(body);
    });
  }
}

const untraced = suppressTracing(Context.root);

function noAnswer(error: Error): Attempt {
  // Connecting to a name with several addresses fails with one error of many, whose own message is empty.
  const reason = error.message || (error as { code?: string }).code || error.name;
  return { status: 0, body: Buffer.alloc(0), retryAfterMs: undefined, error: new Error(reason, { cause: error }) };
}

function toAttempt(response: IncomingMessage, body: Buffer): Attempt {
  const status = response.statusCode ?? 0;
  const isTaken = status >= 200 && status < 300;
  return {
    status,
    body,
    retryAfterMs: isRetryable(status) ? parseRetryAfter(response.headers["retry-after"]) : undefined,
    error: isTaken ? undefined : new Error(`the collector answers ${status}${reasonOf(response, body)}`),
  };
}

function reasonOf(response: IncomingMessage, body: Buffer): string {
  const isProtobuf = response.headers["content-type"]?.startsWith("application/x-protobuf") === true;
  const reason = isProtobuf ? decodeStatusMessage(body) : body.toString("utf8", 0, 200).trim();
  return reason === "" ? "" : `: ${reason}`;
}

// A reply is a few bytes, and the specification lets no one send more than 4 MiB; what is beyond 64 KiB is read and forgotten.
const maxReplyBytes = 65_536;

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= maxReplyBytes) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
