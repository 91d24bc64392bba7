import { createLogger, type Logger } from "@clew/log";

let made: Logger | undefined;

/**
 * Where servers without a `logger` tell of what no caller is told: on standard output, warnings and errors, or what LOG_LEVEL says.
 * One for the process; operators know it as `clew.server`.
 */
export function defaultLogger(): Logger {
  made ??= createLogger({ name: "clew.server", ...(process.env.LOG_LEVEL ? {} : { level: "warn" }) });
  return made;
}
