import { type RawMessage, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import type { Logger } from "@clew/log";
import { retryInfo, type Service, ServiceError, service } from "@clew/rpc";
import type { TraceStore } from "@clew/store";
import { encodePartialSuccess } from "@clew/trace/otel";
import { takeTraces } from "./otlp.ts";

/** OTLP/gRPC's service for traces; its server speaks `rawCodec`. */
export function otlpGrpcService(store: TraceStore, logger: Logger): Service {
  return service(TraceService, {
    async export(request) {
      const { bytes } = request as unknown as RawMessage;
      // Now: the store may take the bytes away.
      const size = bytes.length;
      const outcome = await takeTraces(store, () => bytes);
      if (outcome.isTaken) {
        return toRawMessage(TraceService.method.export.output, encodePartialSuccess(outcome.partial));
      }
      const { status, message, retryAfterS, cause } = outcome;
      if (cause !== undefined) logger.error("OTLP request not stored", { error: cause });
      else logger.warn(`OTLP request refused with ${status}`, { bytes: size });
      const details = retryAfterS === undefined ? [] : [retryInfo(retryAfterS * 1000)];
      throw new ServiceError(status, "", message, { details });
    },
  });
}
