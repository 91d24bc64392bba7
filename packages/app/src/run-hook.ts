import { createKey, current, type Key, run } from "@clew/context";
import type { AppInfo } from "./app-info.ts";
import type { TimeLimit } from "./time-limit.ts";

/** Runs at one moment of an app's life. What it throws is a failure of that moment. */
export type Hook = (app: AppInfo) => Promise<void> | void;

/** A hook, as what it calls sees it. */
interface HookRun {
  readonly app: AppInfo;
  isOver: boolean;
}

const hookKey: Key<HookRun> = createKey<HookRun>("clew.app.hook");

/** Rejects with what the hook throws, and when it takes longer than `limit`. `what` names it. */
export async function runHook(hook: Hook, app: AppInfo, limit: TimeLimit, what: string): Promise<void> {
  const hookRun: HookRun = { app, isOver: false };
  try {
    await run(current().setValue(hookKey, hookRun), () => limit.race(() => hook(app), what));
  } finally {
    hookRun.isOver = true;
  }
}

/** Whether a hook of this app waits, or may wait, for what asks. */
export function isInHook(app: AppInfo): boolean {
  const hookRun = current().getValue(hookKey);
  return hookRun?.app === app && !hookRun.isOver;
}
