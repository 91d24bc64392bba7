import { type Context, createKey, current, type Key } from "@clew/context";

/** Who the running process is. */
export interface AppInfo {
  /** Tells this process from all others. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Where its servers are reached; empty until they have started. */
  readonly endpoints: readonly URL[];
}

/** Where a context holds the app; a server puts it into the context of its calls, from the context it was started in. */
export const appKey: Key<AppInfo> = createKey<AppInfo>("clew.app");

/** The app that the running work belongs to: in hooks, in servers, and in what they start. Undefined outside of any. */
export function currentApp(context: Context = current()): AppInfo | undefined {
  return context.getValue(appKey);
}
