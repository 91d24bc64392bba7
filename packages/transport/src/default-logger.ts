import { createLogger, type Logger } from "@clew/log";

let made: Logger | undefined;

/**
 * The logger of servers without the option `logger`, for errors that no caller sees. It writes warnings and errors to standard
 * output, or what LOG_LEVEL says. There is one for the process; operators know it as `clew.server`.
 */
export function defaultLogger(): Logger {
  made ??= createLogger({ name: "clew.server", ...(process.env.LOG_LEVEL ? {} : { level: "warn" }) });
  return made;
}
