import { format } from "node:util";
import { levelRank } from "./level.ts";
import type { LineLevel, LineWriter } from "./line.ts";
import type { Fields, Logger } from "./logger.ts";

/** The part of a pino logger that is needed. */
export interface PinoLike {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * Writes lines through a pino instance with its transports, serializers and mixins. A line must pass both levels, the logger's and
 * pino's: set pino's to "debug" to let the logger decide.
 */
export function pinoWriter(pino: PinoLike): LineWriter {
  return (level, message, fields) => pino[level](fields, message);
}

type PinoLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/** pino's levels, and the level of Clew that each is written at. */
const levels: Readonly<Record<PinoLevel, LineLevel>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warn",
  error: "error",
  fatal: "error",
};

/**
 * Both of pino's call forms: `info({ id: 7 }, "found %s", "it")` and `info("found %s", "it")`. An error may take the place of
 * the object.
 */
export type PinoMethod = (fieldsOrMessage: unknown, ...rest: unknown[]) => void;

/** The interface that libraries expect of a pino logger. */
export interface PinoLogger extends Readonly<Record<PinoLevel | "silent", PinoMethod>> {
  level: string;
  isLevelEnabled(level: string): boolean;
  bindings(): Fields;
  child(bindings: Fields): PinoLogger;
  flush(callback?: () => void): void;
}

/** Wraps a logger for libraries that expect pino's interface: fastify, pg-boss, baileys. */
export function toPino(logger: Logger, bindings: Fields = {}): PinoLogger {
  const methods = Object.fromEntries(
    Object.entries(levels).map(([name, level]): [string, PinoMethod] => [
      name,
      (first, ...rest) => {
        if (typeof first === "string") logger[level](format(first, ...rest));
        else if (first instanceof Error)
          logger[level](rest.length > 0 ? format(...rest) : first.message, { err: first });
        else logger[level](rest.length > 0 ? format(...rest) : "", toFields(first));
      },
    ]),
  ) as Record<PinoLevel, PinoMethod>;
  return {
    ...methods,
    silent: () => {},
    get level() {
      return logger.level;
    },
    set level(level) {
      logger.level = Object.hasOwn(levels, level) ? levels[level as PinoLevel] : (level as Logger["level"]);
    },
    isLevelEnabled: (level) => (levelRank[levels[level as PinoLevel] ?? level] ?? -1) >= levelRank[logger.level],
    bindings: () => bindings,
    child: (more) => toPino(logger.with(more), { ...bindings, ...more }),
    flush: (callback) => callback?.(),
  };
}

function toFields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : { value };
}
