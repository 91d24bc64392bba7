import { createLogger, type Logger } from "@clew/log";
import { aFunction, aLogger, checkOptions, type OptionChecks } from "@clew/options";
import { type Call, type Middleware, markTold, type Reply, ServiceError, watchReply } from "@clew/rpc";
import { optionError } from "./errors.ts";

export interface RecoveryOptions {
  /** Where a recovered error is written, with its stack. Default: a logger of its own, to standard output. */
  logger?: Logger;
  /** Makes the error that the caller sees. Default: 500 UNKNOWN "unknown request error". */
  toServiceError?: (thrown: unknown, call: Call) => ServiceError;
}

const optionChecks: OptionChecks<RecoveryOptions> = { logger: aLogger, toServiceError: aFunction };

/**
 * Turns what a handler throws by mistake into a ServiceError that gives nothing away, and logs it with its stack. A
 * ServiceError is an answer, not a mistake: it passes untouched.
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
  // Not watchCall: this one changes what is thrown. Promises by hand for the same reason as there.
  return (next) => (call) => {
    let reply: Promise<Reply>;
    try {
      reply = next(call);
    } catch (thrown) {
      return Promise.reject(recover(thrown, call));
    }
    return reply.then(
      // A stream fails after its handler returned; the transport converts that error, here it is logged.
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
