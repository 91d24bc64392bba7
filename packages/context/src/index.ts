// For library authors.
export { bind, Context, createKey, current, type Holder, type Key, run, runHolder, snapshot } from "./context.ts";
