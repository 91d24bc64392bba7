import { current } from "@clew/context";
import { isSpanContextValid, trace } from "@opentelemetry/api";
import { createJsonWriter } from "./json.ts";
import { type Level, levelRank, parseLevel } from "./level.ts";
import type { Destination, LineWriter, PlainFields } from "./line.ts";
import { isMasked, mask, toPlain } from "./plain.ts";
import { createPrettyWriter, isColored } from "./pretty.ts";
import { standardOutput } from "./stdout.ts";

/** What a line tells beside its message. Anything may be given: what cannot be written is replaced, and nothing throws. */
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
  /** Written as the field `name` of every line. Default: none. */
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
   * Keys whose values are written as `***`, at any depth, upper and lower case alike.
   * Default: authorization, cookie, set-cookie, password.
   */
  redact?: readonly string[];
}

interface ResolvedLoggerOptions {
  readonly level: Level;
  readonly write: LineWriter;
  readonly fields: Fields;
  readonly redact: ReadonlySet<string>;
}

const defaultRedact: readonly string[] = ["authorization", "cookie", "set-cookie", "password"];

function resolveLoggerOptions(options: LoggerOptions): ResolvedLoggerOptions {
  const { LOG_LEVEL } = process.env;
  const pretty = options.pretty ?? (options.destination === undefined && process.stdout.isTTY === true);
  const destination = options.destination ?? standardOutput();
  const color = options.destination === undefined && isColored(process.stdout, process.env);
  return {
    level: options.level !== undefined ? parseLevel(options.level) : parseLevel(LOG_LEVEL || "info", "LOG_LEVEL"),
    write: pretty ? createPrettyWriter(destination, color) : createJsonWriter(destination),
    fields: options.name === undefined ? (options.fields ?? {}) : { name: options.name, ...options.fields },
    redact: new Set((options.redact ?? defaultRedact).map((key) => key.toLowerCase())),
  };
}

/**
 * Makes a logger.
 *
 * @throws CLEW_LOG_LEVEL when the level or LOG_LEVEL is none.
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level, write, fields, redact } = resolveLoggerOptions(options);
  const bound: PlainFields = Object.create(null);
  addFields(bound, fields, redact);
  return new LineLogger(undefined, level, write, redact, bound);
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

class LineLogger implements Logger {
  readonly #parent: LineLogger | undefined;
  readonly #write: LineWriter;
  readonly #redact: ReadonlySet<string>;
  readonly #bound: PlainFields;
  #level: Level | undefined;

  constructor(
    parent: LineLogger | undefined,
    level: Level | undefined,
    write: LineWriter,
    redact: ReadonlySet<string>,
    bound: PlainFields,
  ) {
    this.#parent = parent;
    this.#level = level;
    this.#write = write;
    this.#redact = redact;
    this.#bound = bound;
  }

  get level(): Level {
    let logger: LineLogger = this;
    while (logger.#level === undefined && logger.#parent !== undefined) logger = logger.#parent;
    return logger.#level ?? "info";
  }

  set level(level: Level) {
    this.#level = parseLevel(level);
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

  with(fields: Fields): Logger {
    const bound: PlainFields = Object.assign(Object.create(null), this.#bound);
    addFields(bound, fields, this.#redact);
    return new LineLogger(this, undefined, this.#write, this.#redact, bound);
  }

  #line(level: Exclude<Level, "silent">, message: string, fields: Fields | undefined): void {
    if (levelRank[level] < levelRank[this.level]) return;
    const line: PlainFields = Object.assign(Object.create(null), this.#bound);
    const span = trace.getSpanContext(current());
    if (span !== undefined && isSpanContextValid(span)) {
      line.trace_id = span.traceId;
      line.span_id = span.spanId;
    }
    if (fields !== undefined) addFields(line, fields, this.#redact);
    try {
      this.#write(level, String(message), line);
    } catch {
      // A destination that fails is not the caller's failure.
    }
  }
}

// A field of this name would stand beside the line's own of that name, and the last one would win. `in` finds the names of
// Object.prototype here too: pino looks fields up in a plain object and would take those for its own.
const reserved = { level: true, time: true, msg: true };

function addFields(line: PlainFields, fields: Fields, redact: ReadonlySet<string>): void {
  let keys: string[];
  try {
    keys = Object.keys(fields);
  } catch {
    return;
  }
  for (const key of keys) {
    const value = isMasked(key, redact) ? mask : plainField(fields, key, redact);
    if (value !== undefined) line[key in reserved ? `${key}_` : key] = value;
  }
}

function plainField(fields: Fields, key: string, redact: ReadonlySet<string>): PlainFields[string] | undefined {
  try {
    return toPlain(fields[key], redact);
  } catch (error) {
    return `[threw ${error instanceof Error ? error.message : "a value"}]`;
  }
}
