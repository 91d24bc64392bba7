import { levelUnknown } from "./errors.ts";

/** How much is written: lines of this level and of those after it. "silent" writes none. */
export type Level = "debug" | "info" | "warn" | "error" | "silent";

/** The levels in their order. */
export const levelRank: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

const levels = Object.keys(levelRank) as Level[];

/**
 * Reads a level from text; upper and lower case are the same. `origin` names where the text came from.
 *
 * @throws CLEW_LOG_LEVEL when it is none.
 */
export function parseLevel(text: string, origin = "level"): Level {
  const level = levels.find((known) => known === String(text).toLowerCase());
  if (level === undefined) throw levelUnknown(origin, text, levels);
  return level;
}
