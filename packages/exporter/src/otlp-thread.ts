// The program of WorkerSender's thread: it sends the requests that it receives, and answers with their outcomes.
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
// Never aborted: the code that started the thread terminates it.
const { signal } = new AbortController();

parentPort!.on("message", async ({ id, body }: SendOrder) => {
  const { reply, error, ...attempt } = await send(Buffer.from(body.buffer));
  // A copy: transferring a part of a larger buffer would transfer all of it.
  const answer: SendAnswer = { ...attempt, id, reply: Uint8Array.from(reply), error: error?.message };
  parentPort!.postMessage(answer);
});

/** Never rejects. */
async function send(request: Buffer): Promise<Attempt> {
  try {
    const body = await toOtlpBody(request, settings);
    return { ...(await sender.send(body, signal)), sentBytes: lengthOf(body) };
  } catch (error) {
    // The request could not be sent, and never can be.
    return { outcome: "refused", reply: noBytes, retryAfterMs: undefined, error: error as Error, sentBytes: 0 };
  }
}
