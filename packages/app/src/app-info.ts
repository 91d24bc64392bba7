import { type Context, createKey, current, type Key } from "@clew/context";

/** Who the running process is. */
export interface AppInfo {
  /** Tells this process from all others; the workers of one app share it. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Where callers reach its servers; empty until they have started. */
  readonly endpoints: readonly URL[];
  /** Which of the app's workers this process is, from 1. Undefined in the primary, and in an app without workers. */
  readonly worker: number | undefined;
}

/** Where a context holds the app; a server puts it into the context of its calls, from the context it was started in. */
export const appKey: Key<AppInfo> = createKey<AppInfo>("clew.app");

/** The app that the running work belongs to: in hooks, in servers, and in what they start. Undefined outside of any. */
export function currentApp(context: Context = current()): AppInfo | undefined {
  return context.getValue(appKey);
}
