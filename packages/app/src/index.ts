export { App, type AppOptions, type Hook } from "./app.ts";
// For library authors.
export { type AppInfo, appKey, currentApp } from "./app-info.ts";
export { describeFailure, runMain } from "./run-main.ts";
export type { Server } from "./server.ts";
