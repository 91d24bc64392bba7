export { redirectConsole, toConsole } from "./console.ts";
export type { Level } from "./level.ts";
export { type LogLevelRoute, type LogLevelRouteOptions, logLevelRoute } from "./log-level-route.ts";
export { type LogLevels, logLevels } from "./log-levels.ts";
export { createLogger, type Fields, type Logger, type LoggerOptions, silentLogger } from "./logger.ts";
export { type PinoLike, type PinoLogger, type PinoMethod, pinoWriter, toPino } from "./pino.ts";
export { flushLogs } from "./stdout.ts";
export { type CallerOptions, caller, spanId, timestamp, traceFlags, traceId, type Valuer } from "./valuers.ts";

// For library authors.

export { parseLevel } from "./level.ts";
export type { Destination, LineFilter, LineLevel, LineWriter, PlainFields } from "./line.ts";
export type { Plain } from "./plain.ts";
