import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Call } from "@clew/rpc";
import type { CallAnnouncement } from "@clew/transport";

/** Tells `listener` what the calls announce that begin while `work` runs, and no others: one of an earlier test may end only now. */
export async function hearCalls(
  sides: readonly Call["side"][],
  listener: (announcement: CallAnnouncement) => void,
  work: () => Promise<unknown>,
): Promise<void> {
  const begun = new Set<Call>();
  const listen = (message: unknown): void => {
    const announcement = message as CallAnnouncement;
    if (announcement.stage === "begin") begun.add(announcement.call);
    if (begun.has(announcement.call)) listener(announcement);
  };
  for (const side of sides) subscribe(`clew.${side}.call`, listen);
  try {
    await work();
  } finally {
    for (const side of sides) unsubscribe(`clew.${side}.call`, listen);
  }
}
