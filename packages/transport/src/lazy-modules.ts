import { createRequire } from "node:module";

// Libraries that take long to load (undici 80 ms, ws 15 ms of a start of 150) and that most servers never use. Both are CommonJS: loaded
// with `require` they need no promise where they come to be used first.
const require = createRequire(import.meta.url);

/** For clients over HTTP/1.1. */
export function loadUndici(): typeof import("undici") {
  return require("undici") as typeof import("undici");
}

/** For streams of requests over HTTP. */
export function loadWebSocket(): typeof import("ws") {
  return require("ws") as typeof import("ws");
}
