import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { current } from "@clew/context";
import { checkOptions, checkValue, kind, type OptionChecks } from "@clew/options";
import { isSpanContextValid, type SpanContext, trace } from "@opentelemetry/api";
import { optionError } from "./errors.ts";

/**
 * Computes a field's value for each line when the line is written. The field is omitted when the result is undefined.
 */
export type Valuer = () => unknown;

/** The active span; undefined when there is none. */
export function activeSpan(): SpanContext | undefined {
  const span = trace.getSpanContext(current());
  return span !== undefined && isSpanContextValid(span) ? span : undefined;
}

/**
 * The trace id of the active span. Every line has it as `trace_id`; use this to write it under another name as well.
 */
export function traceId(): Valuer {
  return () => activeSpan()?.traceId;
}

/** The id of the active span, see {@link traceId}. */
export function spanId(): Valuer {
  return () => activeSpan()?.spanId;
}

/** The trace flags of the active span in W3C's form, `01` for a sampled trace; see {@link traceId}. */
export function traceFlags(): Valuer {
  return () => activeSpan()?.traceFlags.toString(16).padStart(2, "0");
}

const aFormat = kind(
  '"iso", "unix", "unixms", "unixns" or a function of the Date',
  (given) => typeof given === "function" || ["iso", "unix", "unixms", "unixns"].includes(given as string),
);

/**
 * The time of the line in another form, beside `time`: "iso" in UTC with milliseconds; "unix" in seconds; "unixms" and
 * "unixns" as a string of digits; or the result of a function of the Date.
 *
 * @throws CLEW_LOG_OPTION
 */
export function timestamp(format: "iso" | "unix" | "unixms" | "unixns" | ((now: Date) => string | number)): Valuer {
  checkValue("format", format, aFormat, optionError);
  if (typeof format === "function") return () => format(new Date());
  switch (format) {
    case "unix":
      return () => Date.now() / 1000;
    case "unixms":
      return () => Date.now();
    case "unixns":
      return () => `${Date.now()}000000`;
    default:
      return () => new Date().toISOString();
  }
}

export interface CallerOptions {
  /** Stack frames of matching files are skipped too, such as those of a wrapper around the logger. Default: none. */
  skip?: RegExp;
}

const callerChecks: OptionChecks<CallerOptions> = {
  skip: kind("an expression, such as /my-logger/", (given) => given instanceof RegExp),
};

// This package's own folders: of the code that runs and, with source maps, of its sources. Frames in them are skipped, because the
// line was requested by other code.
const ownFolders = ["../dist/", "../src/"].map((folder) => new URL(folder, import.meta.url).pathname);

/**
 * The place in the code that writes the line: `src/user.ts:42`, relative to the working directory if the file is below it. Costs
 * about 10 us per line.
 *
 * @throws CLEW_LOG_OPTION
 */
export function caller(options: CallerOptions = {}): Valuer {
  checkOptions("caller", options, callerChecks, optionError);
  const { skip } = options;
  return () => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 30;
    const { stack = "" } = new Error();
    Error.stackTraceLimit = limit;
    for (const frame of stack.split("\n").slice(1)) {
      const [, place, line] = /\(?((?:file:\/\/)?[^\s()]+):(\d+):\d+\)?$/.exec(frame) ?? [];
      if (place === undefined || place.startsWith("node:")) continue;
      const isOwn = ownFolders.some((folder) => place.includes(folder)) && !/\.test\.[jt]s$/.test(place);
      if (isOwn || skip?.test(place) === true) continue;
      return `${shorten(place)}:${line}`;
    }
    return undefined;
  };
}

function shorten(place: string): string {
  const path = place.startsWith("file://") ? fileURLToPath(place) : place;
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") || fromHere === "" ? path.split(sep).slice(-2).join("/") : fromHere;
}
