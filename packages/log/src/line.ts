import type { Level } from "./level.ts";
import type { Plain } from "./plain.ts";

/** Where lines go: each one whole, with its newline. A stream of Node is one. */
export interface Destination {
  write(line: string): unknown;
}

/** The fields of one line, ready to be written. */
export type PlainFields = { [key: string]: Plain };

/** Turns one line into text and hands it to its destination. */
export type LineWriter = (level: Exclude<Level, "silent">, message: string, fields: PlainFields) => void;
