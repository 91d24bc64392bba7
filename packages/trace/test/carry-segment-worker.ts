// A worker that goes on with the trace it is handed, and tells its segments and under which names it is seen.
import { parentPort, threadId, workerData } from "node:worker_threads";
import { contextFromCarried, TracerProvider, withCarriedContext, withSpan } from "@clew/trace";
import {
  resolveIdentity,
  type SegmentData,
  SegmentProcessor,
  SkyWalkingPropagator,
  threadIdentity,
} from "@clew/trace/skywalking";

const { carried, options } = workerData as { carried: unknown; options: { service: string; instance?: string } };
const segments: SegmentData[] = [];
const exporter = {
  export: async (given: readonly SegmentData[]) => {
    segments.push(...given);
    return { outcome: "exported" } as const;
  },
  shutdown: async () => {},
};
const identity = { ...options, env: {} };
const propagator = new SkyWalkingPropagator(identity);
const processor = new SegmentProcessor(exporter, identity);
const rootContext = contextFromCarried(carried, propagator);
new TracerProvider({ processor, ids: processor, propagator, rootContext, env: {} }).register();

withSpan("at the start", () => {});
parentPort!.on("message", async (message: unknown) => {
  withCarriedContext(message, () => withSpan("for a message", () => {}));
  await processor.forceFlush();
  const { instance } = resolveIdentity(identity);
  parentPort!.postMessage({
    segments,
    instance,
    ofMeters: threadIdentity({ ...options, instance }).instance,
    threadId,
  });
});
