export { App } from "./app.ts";
export { type AppInfo, currentApp } from "./app-info.ts";
export type { AppOptions, Composition } from "./app-options.ts";
export { Resources } from "./resources.ts";
export type { Hook } from "./run-hook.ts";
export { runMain } from "./run-main.ts";
export type { Server } from "./server.ts";

// For library authors.

export { appKey } from "./app-info.ts";
export { describeFailure } from "./run-main.ts";
