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
 * What a line tells beside its message. Anything may be given: what cannot be written is replaced, and nothing throws. A function
 * among the fields of a logger, not of a line, is a {@link Valuer}: it is called for each line that is written.
 */
export type Fields = Readonly<Record<string, unknown>>;

/** Writes lines, each with the trace_id and span_id of the active span. */
export interface Logger {
  /** Lines below this level are not written. It may be set at any time; loggers made by {@link with} follow until set themselves. */
  level: Level;
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger whose lines all have these fields too. A field of the line itself wins over one of the same name. */
  with(fields: Fields): Logger;
}

export interface LoggerOptions {
  /** Written as the field `name` of every line; {@link logLevels} knows the logger by it. A child whose fields have a `name` has its own. Default: none. */
  name?: string;
  /** Lines below it are not written. Default: the environment's LOG_LEVEL, or "info". */
  level?: Level;
  /** Where lines go. Default: standard output, without waiting for it. */
  destination?: Destination;
  /** Lines for people instead of JSON. Default: when standard output is a terminal and no destination is given. */
  pretty?: boolean;
  /** Fields of every line. Default: none. */
  fields?: Fields;
  /**
   * What is written as `***`, upper and lower case alike: a key (`password`) at any depth, a path (`user.cards.*.number`, where `*` is
   * any one key) from the line's fields on. Default: authorization, cookie, set-cookie, password.
   */
  redact?: readonly string[];
  /** Texts written as `***` wherever they are, also in messages: a string where it is the whole text, what an expression finds. Default: none. */
  redactValues?: readonly (string | RegExp)[];
  /** Lines for which it is false are not written. One that throws lets the line through. Default: all are. */
  filter?: LineFilter;
  /** How long message and fields may be together, in characters as JSON writes them; what is beyond is cut and said so. Default: 16_384. */
  maxLineChars?: number;
  /** Who writes lines instead: {@link pinoWriter}. `destination` and `pretty` then mean nothing. Default: JSON or text to `destination`. */
  writer?: LineWriter;
  /** Who is handed every line too: OTLP's exporter. Default: nobody. */
  also?: readonly LineWriter[];
}

/** What a logger and its children have in common. */
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
  // parseLevel says which there are.
  level: anything,
  destination: having("a destination", "write"),
  pretty: aBoolean,
  fields: anObject,
  redact: listOf("a list of keys and paths", aText),
  redactValues: listOf(
    "a list of texts and expressions",
    kind("a text or an expression", (given) => typeof given === "string" || given instanceof RegExp),
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

/** Made at the first line: servers have loggers that may never write any, and pino takes its time to load. */
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
 * Makes a logger.
 *
 * @throws CLEW_LOG_LEVEL when the level or LOG_LEVEL is none, CLEW_LOG_OPTION
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level, fields, ...settings } = resolveLoggerOptions(options);
  const logger = new LineLogger(undefined, settings, noFields).with(fields);
  logger.level = level;
  return logger;
}

/** Writes nothing. Its level stays "silent". */
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

/** Fields that every line of a logger has. */
interface BoundFields {
  readonly plain: Readonly<PlainFields>;
  /** How much of a line's budget they take. */
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
  // What `level` came to, and when that was.
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
        // A destination that fails is not the caller's failure, nor the next one's.
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

// A field of this name would stand beside the line's own of that name, and the last one would win. `in` finds the names of
// Object.prototype here too: pino looks fields up in a plain object and would take those for its own.
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
