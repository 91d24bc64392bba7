import { levelUnknown } from "./errors.ts";

/** How much is written: lines of this level and of those after it. "silent" writes none. */
export type Level = "debug" | "info" | "warn" | "error" | "silent";

const levels: readonly Level[] = ["debug", "info", "warn", "error", "silent"];

/** The place of a level in their order. */
export function levelRank(level: Level): number {
  return levels.indexOf(level);
}

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
