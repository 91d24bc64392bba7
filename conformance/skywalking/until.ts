import { setTimeout as sleep } from "node:timers/promises";

/** Waits until `look` has nothing to complain of; agents report once a second or later. */
export async function until(look: () => Promise<string | undefined>): Promise<void> {
  const giveUpAtMs = performance.now() + 120_000;
  for (;;) {
    const complaint = await look();
    if (complaint === undefined) return;
    if (performance.now() > giveUpAtMs) throw new Error(complaint);
    await sleep(250);
  }
}
