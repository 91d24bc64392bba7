import { decodePartialSuccess, decodeStatusMessage } from "@clew/trace/otel";
import { type Body, Delivery, type Refusal, type Sender, wholeOf } from "./delivery.ts";
import { GrpcSender } from "./grpc-sender.ts";
import { gzip, HttpSender } from "./http-sender.ts";
import type { OtlpSettings } from "./otlp-options.ts";
import { WorkerSender } from "./worker-sender.ts";

/** The name of each signal's items, for the log. */
const items = { traces: "spans", metrics: "metrics", logs: "log records" } as const;

/** Creates the delivery of requests of any signal to an OTLP collector, over the protocol of the settings. */
export function createOtlpDelivery(settings: OtlpSettings): Delivery {
  const { signal, protocol, url, retry, maxConcurrentExports, logger, thread } = settings;
  return new Delivery({
    what: items[signal],
    endpoint: protocol === "grpc" ? url.host : url.href,
    sender: thread === "worker" ? new WorkerSender({ settings }) : createOtlpSender(settings),
    retry,
    maxConcurrentExports,
    logger,
    readReply: protocol === "http/json" ? readJsonReply : readReply,
  });
}

/**
 * Makes the body for {@link createOtlpDelivery}'s delivery from an encoded request (protobuf, or JSON text). The body is not
 * compressed here for gRPC, which compresses its own messages, nor for a worker, which compresses what it sends.
 */
export function toOtlpBody(
  request: Body | string,
  { protocol, compression, thread }: OtlpSettings,
): Body | Promise<Buffer> {
  const body = typeof request === "string" ? Buffer.from(request) : request;
  return compression === "gzip" && protocol !== "grpc" && thread === "main" ? gzip(wholeOf(body)) : body;
}

/** Creates the sender of such bodies for the current thread. */
export function createOtlpSender(settings: OtlpSettings): Sender {
  const { protocol, url, headers, compression, timeoutMs, tls } = settings;
  if (protocol === "grpc") return new GrpcSender(settings);
  return new HttpSender({
    url,
    headers,
    contentType: protocol === "http/json" ? "application/json" : "application/x-protobuf",
    isCompressed: compression === "gzip",
    timeoutMs,
    tls,
    readReason,
  });
}

// The counter's name differs per signal, but its field number in protobuf is the same.
function readReply(reply: Buffer): Refusal | undefined {
  const partial = decodePartialSuccess(reply);
  return partial && { rejected: partial.rejectedSpans, message: partial.message };
}

function readJsonReply(reply: Buffer): Refusal | undefined {
  const partial = parseObject(parseJson(reply).partialSuccess);
  const { rejectedSpans, rejectedDataPoints, rejectedLogRecords, errorMessage } = partial;
  const rejected = Number(rejectedSpans ?? rejectedDataPoints ?? rejectedLogRecords ?? 0) || 0;
  const message = typeof errorMessage === "string" ? errorMessage : "";
  return rejected === 0 && message === "" ? undefined : { rejected, message };
}

function readReason(reply: Buffer, contentType: string): string {
  if (contentType.startsWith("application/x-protobuf")) return decodeStatusMessage(reply);
  const { message } = parseJson(reply);
  return typeof message === "string" ? message : reply.toString("utf8", 0, 200).trim();
}

function parseJson(reply: Buffer): Record<string, unknown> {
  try {
    return parseObject(JSON.parse(reply.toString()));
  } catch {
    // The status has already told the outcome of the request.
    return {};
  }
}

function parseObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
