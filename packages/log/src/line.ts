import type { SpanContext } from "@opentelemetry/api";
import type { Level } from "./level.ts";
import type { Plain } from "./plain.ts";

/** The target of log lines. Each write is one complete line with its newline. A Node stream is a destination. */
export interface Destination {
  write(line: string): unknown;
}

/** The fields of one line, ready to be written. */
export type PlainFields = { [key: string]: Plain };

/** The level of a line. */
export type LineLevel = Exclude<Level, "silent">;

/** Handles one line: writes it as text to a destination, or sends it somewhere. `span` is the active span. */
export type LineWriter = (
  level: LineLevel,
  message: string,
  fields: PlainFields,
  span: SpanContext | undefined,
) => void;

/** Returns whether a line is written. It may read the fields but must not change them. */
export type LineFilter = (line: {
  readonly level: LineLevel;
  readonly message: string;
  readonly fields: Readonly<PlainFields>;
}) => boolean;
