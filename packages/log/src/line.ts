import type { SpanContext } from "@opentelemetry/api";
import type { Level } from "./level.ts";
import type { Plain } from "./plain.ts";

/** Where lines go: each one whole, with its newline. A stream of Node is one. */
export interface Destination {
  write(line: string): unknown;
}

/** The fields of one line, ready to be written. */
export type PlainFields = { [key: string]: Plain };

/** The level of a line. */
export type LineLevel = Exclude<Level, "silent">;

/** Does something with one line: turns it into text and hands it to its destination, or sends it somewhere. `span` is the active one. */
export type LineWriter = (
  level: LineLevel,
  message: string,
  fields: PlainFields,
  span: SpanContext | undefined,
) => void;

/** Whether a line is written. The fields may be looked at and not be changed. */
export type LineFilter = (line: {
  readonly level: LineLevel;
  readonly message: string;
  readonly fields: Readonly<PlainFields>;
}) => boolean;
