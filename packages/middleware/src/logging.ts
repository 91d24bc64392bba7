import type { Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { createLogger, type Logger } from "@clew/log";
import { aBoolean, aFunction, aLogger, checkOptions, numberAbove, numberFrom, type OptionChecks } from "@clew/options";
import { type Call, hasRequestStream, type Middleware, markTold, watchCall, watcher } from "@clew/rpc";
import { optionError } from "./errors.ts";
import { formatMessage } from "./message-text.ts";
import { codeOf, failureOf } from "./outcome.ts";

export interface LoggingOptions {
  /** The logger that lines are written to. Default: a new logger that writes to standard output. */
  logger?: Logger;
  /**
   * Whether a line contains the request as `args`. Fields with the option `debug_redact` appear as "***". If the handler did
   * not read the request, it is not read for the log; streams have no args. Default: false.
   */
  args?: boolean;
  /** The maximum length of `args`, in characters; longer text is cut. Default: 1024. */
  maxArgsChars?: number;
  /** The share of successful calls that is logged, from 0 to 1. Failed calls are always logged. Default: 1. */
  successRatio?: number;
  /** Returns a random number from 0 up to 1, which selects that share. Default: `Math.random`. */
  random?: () => number;
}

/**
 * Logs one line for each call when it is over: kind (server or client), component (the transport), operation, code, reason
 * and latency in seconds, with the names that Kratos uses, and args if enabled. An error with a code from 500 up is logged at
 * level error, any other error at level warn.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function logging(options: LoggingOptions = {}): Middleware {
  const { logger, args, maxArgsChars, successRatio, random } = resolveLoggingOptions(options);
  const log = (call: Call, readRequest: () => Message | undefined, thrown: unknown): void => {
    if (failureOf(call, thrown) === undefined && successRatio < 1 && random() >= successRatio) return;
    const request = readRequest();
    const text = request && formatMessage(reflect(call.method.desc.input, request), maxArgsChars);
    writeLine(logger, call, thrown, text);
  };
  if (!args) return watcher(() => (call) => (thrown) => log(call, noRequest, thrown));
  return (next) => async (call) => {
    const readRequest = await watchRequest(call);
    return watchCall(call, next, (thrown) => log(call, readRequest, thrown));
  };
}

const noRequest = (): undefined => undefined;

/** Keeps the request when it passes. Returns a function that returns it, once there is one. */
async function watchRequest(call: Call): Promise<() => Message | undefined> {
  if (hasRequestStream(call.method)) return noRequest;
  let request: Message | undefined;
  if (call.side === "server") {
    call.onMessage((direction, message) => {
      if (direction === "received") request ??= message;
    });
  } else {
    // A client has its request from the start. If it is invalid, the error comes when it is sent.
    request = await call.receive().catch(noRequest);
  }
  return () => request;
}

function writeLine(logger: Logger, call: Call, thrown: unknown, args: string | undefined): void {
  const fields = {
    kind: call.side,
    component: call.transport,
    operation: call.operation,
    ...(args !== undefined && { args }),
    code: codeOf(call, thrown),
    reason: "",
    latency: Math.round((performance.now() - call.startMs) * 1000) / 1e6,
  };
  const message = call.side === "server" ? "server request" : "client request";
  const error = failureOf(call, thrown);
  if (error === undefined) {
    logger.info(message, fields);
    return;
  }
  const failed = { ...fields, reason: error.reason, error };
  // It is logged with its cause and stack here, so the server need not log it again.
  if (error !== thrown) markTold(thrown);
  if (error.code >= 500) logger.error(message, failed);
  else logger.warn(message, failed);
}

const optionChecks: OptionChecks<LoggingOptions> = {
  logger: aLogger,
  args: aBoolean,
  maxArgsChars: numberAbove(0),
  successRatio: numberFrom(0, 1),
  random: aFunction,
};

function resolveLoggingOptions(options: LoggingOptions): Required<LoggingOptions> {
  checkOptions("logging", options, optionChecks, optionError);
  const { args = false, maxArgsChars = 1024, successRatio = 1, random = Math.random } = options;
  return { logger: options.logger ?? createLogger(), args, maxArgsChars, successRatio, random };
}
