import {
  aBoolean,
  aFunction,
  anObject,
  anything,
  aText,
  checkOptions,
  having,
  kind,
  listOf,
  numberFrom,
  type OptionChecks,
} from "@clew/options";
import { optionError } from "./errors.ts";
import { createJsonWriter } from "./json.ts";
import { type Level, levelRank, parseLevel } from "./level.ts";
import type { Destination, LineFilter, LineLevel, LineWriter, PlainFields } from "./line.ts";
import { logLevels } from "./log-levels.ts";
import { type Budget, cutKey, plainText, readKey, threw, toPlain } from "./plain.ts";
import { createPrettyWriter, isColored } from "./pretty.ts";
import { createRedaction, type Redaction } from "./redaction.ts";
import { standardOutput } from "./stdout.ts";
import { activeSpan, type Valuer } from "./valuers.ts";

/**
 * The fields of a line beside its message. Any value is allowed: a value that cannot be written is replaced, and logging never
 * throws. A function among the fields of a logger (not of a single line) is a {@link Valuer}: it is called for each line that is
 * written.
 */
export type Fields = Readonly<Record<string, unknown>>;

/** Writes log lines, each with the trace_id and span_id of the active span. */
export interface Logger {
  /**
   * Lines below this level are not written. It may be changed at any time. Loggers made by {@link with} follow the change until
   * their own level is set.
   */
  level: Level;
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /**
   * Returns a logger that adds these fields to each of its lines. If a line has a field of the same name, the field of
   * the line is used.
   */
  with(fields: Fields): Logger;
}

export interface LoggerOptions {
  /**
   * The name of the logger: the field `name` of every line, and its name in {@link logLevels}. A child whose fields include `name` has
   * that name. Default: none.
   */
  name?: string;
  /** Lines below this level are not written. Default: the environment variable LOG_LEVEL, or "info". */
  level?: Level;
  /** Where lines are written. Default: standard output, asynchronously. */
  destination?: Destination;
  /**
   * Writes lines for people instead of JSON. Default: true when standard output is a terminal and no destination is
   * given.
   */
  pretty?: boolean;
  /** Fields that every line has. Default: none. */
  fields?: Fields;
  /**
   * Fields whose values are written as `***`: a key at any depth (`password`), or a path from the line's fields
   * (`user.cards.*.number`, where `*` is any one key). Upper and lower case do not matter. Default: authorization, cookie, set-cookie,
   * password.
   */
  redact?: readonly string[];
  /**
   * Values that are written as `***` wherever they occur, also in messages. A string masks a value that equals it; a regular
   * expression masks each match. Default: none.
   */
  redactValues?: readonly (string | RegExp)[];
  /**
   * Lines for which this function returns false are not written. If it throws, the line is written. Default: all lines
   * are written.
   */
  filter?: LineFilter;
  /**
   * The maximum length of message and fields together, in characters of the JSON text. A longer line is cut and marked as cut.
   * Default: 16_384.
   */
  maxLineChars?: number;
  /**
   * Writes the lines instead of the logger, such as {@link pinoWriter}. `destination` and `pretty` then have no effect. Default: JSON
   * or text to `destination`.
   */
  writer?: LineWriter;
  /** Writers that get every line in addition, such as the OTLP exporter. Default: none. */
  also?: readonly LineWriter[];
}

/** The settings that a logger shares with its children. */
interface LoggerSettings {
  readonly writers: readonly LineWriter[];
  readonly redaction: Redaction;
  readonly filter: LineFilter | undefined;
  readonly maxLineChars: number;
}

interface ResolvedLoggerOptions extends LoggerSettings {
  readonly level: Level;
  readonly fields: Fields;
}

const defaultRedact: readonly string[] = ["authorization", "cookie", "set-cookie", "password"];

const optionChecks: OptionChecks<LoggerOptions> = {
  name: aText,
  // parseLevel checks it, and its error lists the levels.
  level: anything,
  destination: having("a destination", "write"),
  pretty: aBoolean,
  fields: anObject,
  redact: listOf("a list of keys and paths", aText),
  redactValues: listOf(
    "a list of strings and regular expressions",
    kind("a string or a regular expression", (given) => typeof given === "string" || given instanceof RegExp),
  ),
  filter: aFunction,
  maxLineChars: numberFrom(100),
  writer: aFunction,
  also: listOf("a list of writers", aFunction),
};

function resolveLoggerOptions(options: LoggerOptions): ResolvedLoggerOptions {
  checkOptions("createLogger", options, optionChecks, optionError);
  const { LOG_LEVEL } = process.env;
  const { maxLineChars = 16_384 } = options;
  return {
    level: options.level !== undefined ? parseLevel(options.level) : parseLevel(LOG_LEVEL || "info", "LOG_LEVEL"),
    writers: [options.writer ?? lazyWriter(options), ...(options.also ?? [])],
    fields: options.name === undefined ? (options.fields ?? {}) : { name: options.name, ...options.fields },
    redaction: createRedaction(options.redact ?? defaultRedact, options.redactValues),
    filter: options.filter,
    maxLineChars,
  };
}

/** The writer is made at the first line: a server's logger may never write one, and pino takes time to load. */
function lazyWriter({ destination, pretty }: LoggerOptions): LineWriter {
  let writer: LineWriter | undefined;
  const create = (): LineWriter => {
    const isPretty = pretty ?? (destination === undefined && process.stdout.isTTY === true);
    const target = destination ?? standardOutput();
    if (!isPretty) return createJsonWriter(target);
    return createPrettyWriter(target, destination === undefined && isColored(process.stdout, process.env));
  };
  return (...line) => {
    writer ??= create();
    writer(...line);
  };
}

/**
 * Creates a logger.
 *
 * @throws CLEW_LOG_LEVEL when the level or LOG_LEVEL is not a level, CLEW_LOG_OPTION
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level, fields, ...settings } = resolveLoggerOptions(options);
  const logger = new LineLogger(undefined, settings, noFields).with(fields);
  logger.level = level;
  return logger;
}

/** A logger that writes nothing. Its level is always "silent". */
export const silentLogger: Logger = Object.freeze({
  get level(): Level {
    return "silent";
  },
  set level(_level: Level) {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  with(): Logger {
    return silentLogger;
  },
});

/** The fields that every line of a logger has. */
interface BoundFields {
  readonly plain: Readonly<PlainFields>;
  /** How much of a line's maximum length they use. */
  readonly chars: number;
  readonly valuers: ReadonlyMap<string, Valuer>;
}

const noFields: BoundFields = { plain: Object.create(null) as PlainFields, chars: 0, valuers: new Map() };

class LineLogger implements Logger {
  readonly #parent: LineLogger | undefined;
  readonly #settings: LoggerSettings;
  readonly #bound: BoundFields;
  readonly #name: string;
  #level: Level | undefined;
  // The rank of the current level, and the version of the levels for which it was computed.
  #rank = 0;
  #rankVersion = -1;

  constructor(parent: LineLogger | undefined, settings: LoggerSettings, bound: BoundFields) {
    this.#parent = parent;
    this.#settings = settings;
    this.#bound = bound;
    const { name } = bound.plain;
    this.#name = typeof name === "string" ? name : "";
  }

  get level(): Level {
    const set = logLevels.find(this.#name);
    if (set !== undefined) return set;
    let logger: LineLogger = this;
    while (logger.#level === undefined && logger.#parent !== undefined) logger = logger.#parent;
    return logger.#level ?? "info";
  }

  set level(level: Level) {
    this.#level = parseLevel(level);
    logLevels.changed();
  }

  debug(message: string, fields?: Fields): void {
    this.#line("debug", message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.#line("info", message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.#line("warn", message, fields);
  }

  error(message: string, fields?: Fields): void {
    this.#line("error", message, fields);
  }

  with(fields: Fields): LineLogger {
    const { redaction, maxLineChars } = this.#settings;
    const plain: PlainFields = Object.assign(Object.create(null), this.#bound.plain);
    const valuers = new Map(this.#bound.valuers);
    const budget: Budget = { left: maxLineChars - this.#bound.chars };
    for (const key of keysOf(fields)) {
      const value = readKey(fields, key);
      const name = nameOf(key);
      delete plain[name];
      valuers.delete(name);
      if (typeof value === "function") valuers.set(name, value as Valuer);
      else putField(plain, key, value, redaction, budget);
    }
    const logger = new LineLogger(this, this.#settings, { plain, chars: maxLineChars - budget.left, valuers });
    const isRoot = this.#bound === noFields;
    if (isRoot || logger.#name !== this.#name) logLevels.add(logger.#name, logger, isRoot);
    return logger;
  }

  #line(level: LineLevel, given: string, fields: Fields | undefined): void {
    if (this.#rankVersion !== logLevels.version) {
      this.#rank = levelRank[this.level];
      this.#rankVersion = logLevels.version;
    }
    if (levelRank[level] < this.#rank) return;
    const { writers, redaction, filter, maxLineChars } = this.#settings;
    const budget: Budget = { left: maxLineChars - this.#bound.chars };
    const line: PlainFields = Object.assign(Object.create(null), this.#bound.plain);
    const message = plainText(toText(given), redaction, budget);
    for (const [key, valuer] of this.#bound.valuers) putField(line, key, evaluate(valuer), redaction, budget);
    const span = activeSpan();
    if (span !== undefined) {
      line.trace_id = span.traceId;
      line.span_id = span.spanId;
    }
    if (fields !== undefined) {
      for (const key of keysOf(fields)) putField(line, key, readKey(fields, key), redaction, budget);
    }
    if (filter !== undefined && !passes(filter, level, message, line)) return;
    for (const write of writers) {
      try {
        write(level, message, line, span);
      } catch {
        // A failing destination must affect neither the caller nor the next destination.
      }
    }
  }
}

function passes(filter: LineFilter, level: LineLevel, message: string, fields: PlainFields): boolean {
  try {
    return filter({ level, message, fields });
  } catch {
    return true;
  }
}

function toText(message: unknown): string {
  try {
    return String(message);
  } catch {
    return "[unreadable]";
  }
}

// A field of this name would appear twice in the line, and the last one would win. `in` also finds the names of
// Object.prototype here: pino looks fields up in a plain object and would mistake those for its own.
const reserved = { level: true, time: true, msg: true };

function nameOf(key: string): string {
  return key in reserved ? `${key}_` : key;
}

function keysOf(fields: Fields): string[] {
  try {
    return Object.keys(fields);
  } catch {
    return [];
  }
}

function putField(line: PlainFields, key: string, given: unknown, redaction: Redaction, budget: Budget): void {
  if (budget.left <= 0) {
    line["[more]"] = "left out";
    return;
  }
  const value = toPlain(given, key, redaction, budget);
  if (value !== undefined) line[nameOf(cutKey(key))] = value;
}

function evaluate(valuer: Valuer): unknown {
  try {
    return valuer();
  } catch (error) {
    return threw(error);
  }
}
