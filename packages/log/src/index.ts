export type { Level } from "./level.ts";
// For library authors.
export { parseLevel } from "./level.ts";
export type { Destination } from "./line.ts";
export { createLogger, type Fields, type Logger, type LoggerOptions, silentLogger } from "./logger.ts";
