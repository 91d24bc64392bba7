// A context that is handed to another thread of the process stays inside of the process for SkyWalking: one instance, and a
// reference from thread to thread.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { Worker } from "node:worker_threads";
import { carryContext, TracerProvider, withCarriedContext, withSpan } from "@clew/trace";
import {
  ReferenceType,
  resolveIdentity,
  type SegmentData,
  SegmentProcessor,
  SkyWalkingPropagator,
  threadIdentity,
} from "@clew/trace/skywalking";
import { context, propagation } from "@opentelemetry/api";

const identity = { service: "shop", env: {} };
const segments: SegmentData[] = [];
const processor = new SegmentProcessor(
  {
    export: async (given) => {
      segments.push(...given);
      return { outcome: "exported" };
    },
    shutdown: async () => {},
  },
  identity,
);
const provider = new TracerProvider({
  processor,
  ids: processor,
  propagator: new SkyWalkingPropagator(identity),
  env: {},
});
before(() => provider.register());
after(() => provider.shutdown());

interface Told {
  readonly segments: readonly SegmentData[];
  readonly instance: string;
  readonly ofMeters: string;
  readonly threadId: number;
}

/** What a worker made of a context at its start, and of one in a message, and the segment that both came from. */
async function workIn(options: { service: string; instance?: string }): Promise<readonly [Told, SegmentData]> {
  let worker: Worker | undefined;
  try {
    const told = await withSpan("sender", async () => {
      const carried = carryContext();
      worker = new Worker(new URL("./carry-segment-worker.ts", import.meta.url), { workerData: { carried, options } });
      worker.postMessage(carried);
      return (await once(worker, "message"))[0] as Told;
    });
    await processor.forceFlush();
    return [told, segments.splice(0)[0]!];
  } finally {
    await worker?.terminate();
  }
}

test("a worker has its process's instance, and refers to the other thread", async () => {
  const [told, sender] = await workIn({ service: "shop" });
  const { instance } = resolveIdentity(identity);
  assert.equal(told.instance, instance);
  assert.deepEqual(
    told.segments.map(({ spans }) => spans[0]!.operation),
    ["at the start", "for a message"],
  );
  for (const segment of told.segments) {
    assert.equal(segment.instance, instance);
    assert.equal(segment.traceId, sender.traceId);
    const { references } = segment.spans[0]!;
    assert.deepEqual(references, [
      {
        type: ReferenceType.CROSS_THREAD,
        traceId: sender.traceId,
        parentSegmentId: sender.segmentId,
        parentSpanId: 0,
        parentService: "shop",
        parentInstance: instance,
        parentEndpoint: "sender",
        address: "",
      },
    ]);
  }
});

test("what threads measure is told apart", async () => {
  const [shared] = await workIn({ service: "shop" });
  assert.equal(shared.ofMeters, `${shared.instance.slice(0, 48)}#${shared.threadId}`);
  const [named] = await workIn({ service: "shop", instance: "shop-worker" });
  assert.equal(named.ofMeters, "shop-worker");
  const main = resolveIdentity(identity);
  assert.equal(threadIdentity(main), main);
});

test("a worker of another name is another instance, and refers as one", async () => {
  const [{ segments }] = await workIn({ service: "shop", instance: "shop-worker" });
  assert.deepEqual(
    segments.map(({ spans }) => spans[0]!.references[0]!.type),
    [ReferenceType.CROSS_PROCESS, ReferenceType.CROSS_PROCESS],
  );
});

test("who calls itself over the network has left the process, also in work that was handed over", async () => {
  withSpan("caller", () => {
    const carried = carryContext();
    const receive = (): void => {
      context.with(propagation.extract(context.active(), carried), () => withSpan("called", () => {}));
    };
    receive();
    withCarriedContext(carried, receive);
    withCarriedContext(carried, () => withSpan("handed over", () => {}));
  });
  await processor.forceFlush();
  const found = segments.splice(0).map(({ spans }) => `${spans[0]!.operation} ${spans[0]!.references[0]?.type}`);
  assert.deepEqual(found.sort(), ["called 0", "called 0", "caller undefined", "handed over 1"]);
});
