// A worker that goes on with the trace it is handed: at its start, and with each message.
import { parentPort, workerData } from "node:worker_threads";
import { contextFromCarried, TracerProvider, withCarriedContext, withSpan } from "@clew/trace";
import { keepSpans } from "./keep-spans.ts";

const processor = keepSpans();
const { carried } = workerData as { carried: unknown };
new TracerProvider({ processor, rootContext: contextFromCarried(carried), env: {} }).register();

withSpan("at the start", () => {});
parentPort!.on("message", (message: { work: string; carried: unknown }) => {
  withCarriedContext(message.carried, () => withSpan(message.work, () => {}));
  parentPort!.postMessage(
    processor.spans
      .splice(0)
      .map(({ name, traceId, parentSpanId, isParentRemote }) => ({ name, traceId, parentSpanId, isParentRemote })),
  );
});
