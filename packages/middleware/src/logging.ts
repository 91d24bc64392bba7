import { createLogger, type Logger } from "@clew/log";
import { type Call, type Middleware, ServiceError, watchReply } from "@clew/rpc";

export interface LoggingOptions {
  /** Where the lines go. Default: a logger of its own, to standard output. */
  logger?: Logger;
}

/**
 * One line for each call when it is over: kind (server or client), component (the transport), operation, code, reason and
 * latency in seconds, as Kratos names them. An error from 500 up is logged at level error, any other error at warn.
 */
export function logging(options: LoggingOptions = {}): Middleware {
  const logger = options.logger ?? createLogger();
  return (next) => async (call) => {
    const start = performance.now();
    try {
      return watchReply(await next(call), (thrown) => writeLine(logger, call, start, thrown));
    } catch (thrown) {
      writeLine(logger, call, start, thrown);
      throw thrown;
    }
  };
}

function writeLine(logger: Logger, call: Call, start: number, thrown: unknown): void {
  const fields = {
    kind: call.side,
    component: call.transport,
    operation: call.operation,
    code: 200,
    reason: "",
    latency: Math.round((performance.now() - start) * 1000) / 1e6,
  };
  const message = call.side === "server" ? "server request" : "client request";
  if (thrown === undefined) {
    logger.info(message, fields);
    return;
  }
  const error = ServiceError.from(thrown);
  const failed = { ...fields, code: error.code, reason: error.reason, error };
  if (error.code >= 500) logger.error(message, failed);
  else logger.warn(message, failed);
}
