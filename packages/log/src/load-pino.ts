import { createRequire } from "node:module";

let loaded: typeof import("pino") | undefined;

/** pino, with the first line that is written: loading it is a tenth of what a small service takes to start. */
export function loadPino(): typeof import("pino") {
  loaded ??= createRequire(import.meta.url)("pino") as typeof import("pino");
  return loaded;
}
