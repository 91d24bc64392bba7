// Of a test file that imports this: what each test started is stopped after it, the last first.
import { after, afterEach } from "node:test";
import { type RawSink, startRawSink } from "./raw-sink.ts";

// Only timers that let the process end are waited for in here; on Node 22 the test runner would end with them.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

export const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A sink for one test. */
export async function sink(...given: Parameters<typeof startRawSink>): Promise<RawSink> {
  const started = await startRawSink(...given);
  cleanUps.push(() => started.stop());
  return started;
}
