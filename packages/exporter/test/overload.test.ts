// 50,000 spans a second: more than a sink takes, or than anybody takes. What is not sent is counted, to the span.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

/** What a process that made spans says at its end. */
interface Told {
  readonly started: number;
  readonly exported: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly failed: number;
  readonly waiting: number;
  readonly made: number;
  /** Resident memory after a third of the spans and at the end, in MiB. */
  readonly early: number;
  readonly late: number;
}

const program = new URL("./overload-process.ts", import.meta.url);

async function makeSpans(endpoint: string, protocol: string, shutdownTimeoutMs = 2000): Promise<Told> {
  const child = fork(program, [endpoint, protocol, String(shutdownTimeoutMs)], { timeout: 110_000 });
  const [told] = (await once(child, "message")) as [Told];
  child.disconnect();
  await once(child, "exit");
  return told;
}

/** A sink in a process of its own, so that it can keep up or not. Resolves with the spans that it took. */
async function withSink(answer: string, use: (endpoint: string, grpc: string) => Promise<void>): Promise<number> {
  const child = fork(new URL("./overload-sink.ts", import.meta.url), [answer], { timeout: 110_000 });
  const [{ endpoint, grpc }] = (await once(child, "message")) as [{ endpoint: string; grpc: string }];
  await use(endpoint, grpc);
  child.send("stop");
  const [received] = (await once(child, "message")) as [number];
  child.disconnect();
  await once(child, "exit");
  return received;
}

function checkSum({ started, exported, rejected, dropped, failed, waiting, made }: Told): void {
  assert.equal(started, made);
  assert.equal(exported + rejected + dropped + failed + waiting, started);
  assert.equal(waiting, 0);
}

for (const protocol of ["http/protobuf", "http/json", "grpc"]) {
  test(`a sink that answers, over ${protocol}: sent + dropped = started, and the sink has what was sent`, async () => {
    let told: Told | undefined;
    const received = await withSink("well", async (endpoint, grpc) => {
      // Whatever is under way at the end is answered.
      told = await makeSpans(protocol === "grpc" ? grpc : endpoint, protocol, 60_000);
    });
    checkSum(told!);
    assert.equal(received, told!.exported);
    assert.ok(told!.exported > told!.made / 10, `${told!.exported} of ${told!.made}`);
  });
}

test("a slow sink: most is dropped, and all is counted", async () => {
  let told: Told | undefined;
  const received = await withSink("slowly", async (endpoint) => {
    told = await makeSpans(endpoint, "http/protobuf");
  });
  checkSum(told!);
  assert.ok(told!.dropped > told!.made / 2, `${told!.dropped} of ${told!.made}`);
  // What was under way at the end may have come and not been answered.
  assert.ok(received >= told!.exported && received <= told!.exported + 4 * 1024, `${received} ${told!.exported}`);
});

test("no sink at all: everything is counted as dropped, and memory does not grow", async () => {
  const told = await makeSpans("http://127.0.0.1:1", "http/protobuf");
  checkSum(told);
  assert.deepEqual([told.exported, told.dropped + told.failed], [0, told.made]);
  assert.ok(told.late < told.early + 64, `${told.early} MiB, then ${told.late} MiB`);
});
