import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Collector } from "@clew/collector";
import { postSpans, protobufOf } from "./otlp-sender.ts";
import { get, withCollector, withFolder } from "./running-collector.ts";

test("keeps its spans over a restart", () =>
  withFolder(async (folder) => {
    const options = { address: "127.0.0.1:0", otlpAddress: "127.0.0.1:0", data: join(folder, "traces.db") };
    const first = new Collector(options);
    await first.start();
    await postSpans(first, protobufOf({ trace: 1, id: 1 }));
    await first.stop(AbortSignal.timeout(5000));
    const second = new Collector(options);
    await second.start();
    await postSpans(second, protobufOf({ trace: 1, id: 2, parent: 1 }));
    const { json } = await get(second, "/api/ui/summaries");
    assert.equal((json as { summaries: { spanCount: number }[] }).summaries[0]!.spanCount, 2);
    await second.stop();
  }));

test("a start that fails leaves nothing open", () =>
  withCollector(async (running) =>
    withFolder(async (folder) => {
      const data = join(folder, "traces.db");
      const otlpAddress = "127.0.0.1:0";
      const taken = new Collector({ address: running.endpoint().host, otlpAddress, data });
      await assert.rejects(taken.start(), { code: "CLEW_TRANSPORT_ADDRESS_IN_USE" });
      await assert.rejects(new Collector({ address: "nowhere", otlpAddress, data }).start(), {
        code: "CLEW_TRANSPORT_ADDRESS",
      });
      await assert.rejects(new Collector({ address: otlpAddress, otlpAddress, data: folder }).start(), {
        code: "CLEW_STORE_OPEN",
      });
      assert.throws(() => taken.endpoint(), { code: "CLEW_COLLECTOR_NOT_STARTED" });
      await assert.rejects(taken.start(), { code: "CLEW_COLLECTOR_STARTED" });
      await taken.stop(AbortSignal.timeout(1000));
    }),
  ));

test("what is no signal to stop by is refused, and the collector goes on", () =>
  withFolder(async (folder) => {
    const options = { address: "127.0.0.1:0", otlpAddress: "127.0.0.1:0", data: join(folder, "traces.db") };
    const collector = new Collector(options);
    const stopFor = (given: unknown): Promise<void> => collector.stop(given as AbortSignal);
    const refused = { code: "CLEW_TRANSPORT_STOP_SIGNAL", message: /^stop\(\) was called with 5000; / };
    await assert.rejects(stopFor(5000), refused);
    await collector.start();
    await assert.rejects(stopFor(5000), refused);
    await postSpans(collector, protobufOf({ trace: 1, id: 1 }));
    await collector.stop();
  }));
