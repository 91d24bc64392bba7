import { createLogger, type Logger } from "@clew/log";
import { aFunction, aLogger, checkOptions, type OptionChecks } from "@clew/options";
import { type Call, type Middleware, markTold, type Reply, ServiceError, watchReply } from "@clew/rpc";
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
  const recover = (thrown: unknown, call: Call): ServiceError => {
    if (thrown instanceof ServiceError) return thrown;
    logger.error("handler failed", { operation: call.operation, error: thrown });
    markTold(thrown);
    return toServiceError(thrown, call);
  };
  // It does not use watchCall, because it replaces the error. It chains promises by hand for the same reason as
  // watchCall.
  return (next) => (call) => {
    let reply: Promise<Reply>;
    try {
      reply = next(call);
    } catch (thrown) {
      return Promise.reject(recover(thrown, call));
    }
    return reply.then(
      // A stream fails after its handler has returned. The transport converts that error; here it is only logged.
      (answer) =>
        watchReply(answer, (thrown) => {
          if (thrown !== undefined) recover(thrown, call);
        }),
      (thrown: unknown) => {
        throw recover(thrown, call);
      },
    );
  };
}
