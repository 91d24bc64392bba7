import { levelUnknown } from "./errors.ts";

/** The lowest level that is written, in this order. "silent" writes nothing. */
export type Level = "debug" | "info" | "warn" | "error" | "silent";

/** The levels in ascending order. */
export const levelRank: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

const levels = Object.keys(levelRank) as Level[];

/**
 * Reads a level from text; upper and lower case do not matter. `origin` names the source of the text in the error.
 *
 * @throws CLEW_LOG_LEVEL when the text is not a level.
 */
export function parseLevel(text: string, origin = "level"): Level {
  const level = levels.find((known) => known === String(text).toLowerCase());
  if (level === undefined) throw levelUnknown(origin, text, levels);
  return level;
}
