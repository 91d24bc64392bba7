// The program of WorkerSender's thread: sends what it is handed, and answers what came of it.
import { setDefaultResultOrder } from "node:dns";
import { parentPort, workerData } from "node:worker_threads";
import { type Attempt, lengthOf, noBytes } from "./delivery.ts";
import { createOtlpSender, toOtlpBody } from "./otlp-delivery.ts";
import type { OtlpSettings } from "./otlp-options.ts";
import type { SendAnswer, SenderThreadData, SendOrder } from "./worker-sender.ts";

const data = workerData as SenderThreadData;
setDefaultResultOrder(data.dnsOrder);
const settings: OtlpSettings = { ...data.settings, url: new URL(data.url), logger: undefined, thread: "main" };
const sender = createOtlpSender(settings);
// Whoever started the thread ends it.
const { signal } = new AbortController();

parentPort!.on("message", async ({ id, body }: SendOrder) => {
  const { reply, error, ...attempt } = await send(Buffer.from(body.buffer));
  // A copy of its own: a part of a larger buffer would take all of it along.
  const answer: SendAnswer = { ...attempt, id, reply: Uint8Array.from(reply), error: error?.message };
  parentPort!.postMessage(answer);
});

/** Never rejects. */
async function send(request: Buffer): Promise<Attempt> {
  try {
    const body = await toOtlpBody(request, settings);
    return { ...(await sender.send(body, signal)), sentBytes: lengthOf(body) };
  } catch (error) {
    // It could not be sent at all, and will not be.
    return { outcome: "refused", reply: noBytes, retryAfterMs: undefined, error: error as Error, sentBytes: 0 };
  }
}
