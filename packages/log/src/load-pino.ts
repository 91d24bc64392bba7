import { createRequire } from "node:module";

let loaded: typeof import("pino") | undefined;

/**
 * Loads pino at the first line that is written, so that the start of a service does not wait for it (`npm run bench --
 * cold`).
 */
export function loadPino(): typeof import("pino") {
  loaded ??= createRequire(import.meta.url)("pino") as typeof import("pino");
  return loaded;
}
