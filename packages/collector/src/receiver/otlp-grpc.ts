import { type RawMessage, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import type { Logger } from "@clew/log";
import { retryInfo, type Service, ServiceError, service } from "@clew/rpc";
import { encodePartialSuccess } from "@clew/trace/otel";
import type { Intake, Refusal } from "./intake.ts";
import { takeTraces } from "./otlp.ts";
import { noteOutcome } from "./receiver-route.ts";

/** The OTLP/gRPC service for traces; its server uses `rawCodec`. */
export function otlpGrpcService(intake: Intake, logger: Logger): Service {
  return service(TraceService, {
    async export(request) {
      const { bytes } = request as unknown as RawMessage;
      // Read now: the store may take the bytes away.
      const size = bytes.length;
      const outcome = await takeTraces(intake, () => bytes);
      noteOutcome(logger, "OTLP", outcome, size);
      if (!outcome.isTaken) throw toServiceError(outcome);
      return toRawMessage(TraceService.method.export.output, encodePartialSuccess(outcome.partial));
    },
  });
}

/** Converts a refusal to gRPC: INVALID_ARGUMENT, or UNAVAILABLE with a RetryInfo. */
export function toServiceError({ status, message, retryAfterS }: Refusal): ServiceError {
  const details = retryAfterS === undefined ? [] : [retryInfo(retryAfterS * 1000)];
  return new ServiceError(status, "", message, { details });
}
