import { createLogger, type Logger } from "@clew/log";
import { aFunction, aLogger, checkOptions, type OptionChecks } from "@clew/options";
import { type Call, type Middleware, markTold, ServiceError, type WatchEnd, watcher } from "@clew/rpc";
import { optionError } from "./errors.ts";

export interface RecoveryOptions {
  /**
   * The logger that a recovered error is written to, with its stack. Default: a new logger that writes to standard
   * output.
   */
  logger?: Logger;
  /** Creates the error that the caller sees. Default: 500 UNKNOWN "unknown request error". */
  toServiceError?: (thrown: unknown, call: Call) => ServiceError;
}

const optionChecks: OptionChecks<RecoveryOptions> = { logger: aLogger, toServiceError: aFunction };

/**
 * Turns an unexpected error of a handler into a ServiceError that reveals nothing, and logs the original with its
 * stack. A ServiceError is an answer and not a mistake: it is passed on unchanged.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function recovery(options: RecoveryOptions = {}): Middleware {
  checkOptions("recovery", options, optionChecks, optionError);
  const { logger = createLogger(), toServiceError = ServiceError.from } = options;
  // A stream fails after its handler has returned. The transport converts that error; here it is only logged.
  const recover: WatchEnd = (thrown, _endMs, call) => {
    if (thrown === undefined || thrown instanceof ServiceError) return undefined;
    logger.error("handler failed", { operation: call.operation, error: thrown });
    markTold(thrown);
    return toServiceError(thrown, call);
  };
  return watcher(() => () => recover);
}
