// A few requests a second, as users would make them: good ones, slow ones, and some that fail.
import { setTimeout as sleep } from "node:timers/promises";

const paths = [
  "/helloworld/kratos",
  "/v1/users/1/messages",
  "/v1/users/2/messages?limit=1",
  "/v1/users/3/messages", // slow
  "/v1/users/9/messages", // no such user: 404
  "/v1/users/1/messages?limit=many", // no number: 400
];

/** Sends one request after another until the signal aborts. A request that fails is what it is there for. */
export async function sendTraffic(endpoint: string, signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    try {
      const reply = await fetch(new URL(paths[i % paths.length]!, endpoint), { signal });
      await reply.arrayBuffer();
    } catch {
      // The service is not up, or the demo ends.
    }
    await sleep(300, undefined, { signal }).catch(() => {});
  }
}
