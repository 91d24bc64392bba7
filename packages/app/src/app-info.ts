import { type Context, createKey, current, type Key } from "@clew/context";

/** The identity of the running process. */
export interface AppInfo {
  /** Unique to this process, except that the workers of one app share it. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** The URLs at which callers reach the app's servers. Empty until they have started. */
  readonly endpoints: readonly URL[];
  /** The number of this worker process, from 1. Undefined in the primary, and in an app without workers. */
  readonly worker: number | undefined;
}

/**
 * The context key of the app. A server copies the app from the context in which it was started into the context of each
 * call.
 */
export const appKey: Key<AppInfo> = createKey<AppInfo>("clew.app");

/**
 * The app that the running code belongs to: set in hooks, in servers, and in everything they start. Undefined
 * elsewhere.
 */
export function currentApp(context: Context = current()): AppInfo | undefined {
  return context.getValue(appKey);
}
