import { createKey, current, type Key, run } from "@clew/context";
import type { AppInfo } from "./app-info.ts";
import type { TimeLimit } from "./time-limit.ts";

/** A function that runs at one moment of an app's life. If it throws, that step of the app has failed. */
export type Hook = (app: AppInfo) => Promise<void> | void;

/** One run of a hook; the code that the hook calls sees it in its context. */
interface HookRun {
  readonly app: AppInfo;
  isOver: boolean;
}

const hookKey: Key<HookRun> = createKey<HookRun>("clew.app.hook");

/** Rejects with the error of the hook, and when the hook takes longer than `limit`. `what` names the hook in errors. */
export async function runHook(hook: Hook, app: AppInfo, limit: TimeLimit, what: string): Promise<void> {
  const hookRun: HookRun = { app, isOver: false };
  try {
    await run(current().setValue(hookKey, hookRun), () => limit.race(() => hook(app), what));
  } finally {
    hookRun.isOver = true;
  }
}

/** Whether the calling code runs inside a hook of this app, so that the hook may be waiting for it. */
export function isInHook(app: AppInfo): boolean {
  const hookRun = current().getValue(hookKey);
  return hookRun?.app === app && !hookRun.isOver;
}
