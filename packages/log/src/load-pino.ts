import { createRequire } from "node:module";

let loaded: typeof import("pino") | undefined;

/** pino, with the first line that is written: a service that starts need not wait for it (`npm run bench -- cold`). */
export function loadPino(): typeof import("pino") {
  loaded ??= createRequire(import.meta.url)("pino") as typeof import("pino");
  return loaded;
}
