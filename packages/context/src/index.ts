export { bind, Context, createKey, current, type Key, run, snapshot } from "./context.ts";

// For library authors.

export { type Holder, runHolder } from "./context.ts";
