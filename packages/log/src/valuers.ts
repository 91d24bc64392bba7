import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { current } from "@clew/context";
import { checkOptions, checkValue, kind, type OptionChecks } from "@clew/options";
import { isSpanContextValid, type SpanContext, trace } from "@opentelemetry/api";
import { optionError } from "./errors.ts";

/** A field's value that is found for each line when it is written. Undefined leaves the field out. */
export type Valuer = () => unknown;

/** The span that the running work belongs to; undefined when there is none. */
export function activeSpan(): SpanContext | undefined {
  const span = trace.getSpanContext(current());
  return span !== undefined && isSpanContextValid(span) ? span : undefined;
}

/** The active span's trace id. Every line has it as `trace_id`; this is for whoever looks for it under another name. */
export function traceId(): Valuer {
  return () => activeSpan()?.traceId;
}

/** The active span's id, see {@link traceId}. */
export function spanId(): Valuer {
  return () => activeSpan()?.spanId;
}

/** The active span's trace flags as W3C writes them, `01` for a trace that is sampled; see {@link traceId}. */
export function traceFlags(): Valuer {
  return () => activeSpan()?.traceFlags.toString(16).padStart(2, "0");
}

const aFormat = kind(
  '"iso", "unix", "unixms", "unixns" or a function of the Date',
  (given) => typeof given === "function" || ["iso", "unix", "unixms", "unixns"].includes(given as string),
);

/**
 * The moment of the line in a form of its own, beside `time`: "iso" in UTC to the millisecond, "unix" in seconds, "unixms" and
 * "unixns" as a text of digits; or what a function makes of the Date.
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
  /** Frames of these files are passed over too: those of a wrapper around the logger. Default: none. */
  skip?: RegExp;
}

const callerChecks: OptionChecks<CallerOptions> = {
  skip: kind("an expression, such as /my-logger/", (given) => given instanceof RegExp),
};

// This package's own folders, of what runs and, where source maps are on, of what it was made from: what is written from in here was
// asked for from somewhere else.
const ownFolders = ["../dist/", "../src/"].map((folder) => new URL(folder, import.meta.url).pathname);

/**
 * Where the line is written: `src/user.ts:42`, from the working directory where that is above it. Finding out costs some 10 us a
 * line.
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
