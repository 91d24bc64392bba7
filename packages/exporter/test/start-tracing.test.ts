import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { promisify } from "node:util";
import { startTracing } from "@clew/exporter";
import { createLogger } from "@clew/log";
import {
  alwaysOff,
  carryContext,
  contextEnvironment,
  type ExportResult,
  type SpanData,
  withCarriedContext,
  withSpan,
} from "@clew/trace";
import { context, trace } from "@opentelemetry/api";
import { until } from "../../http2/test/until.ts";
import { freePort } from "../../transport/test/free-ports.ts";
import { startSink } from "./sink.ts";

const run = promisify(execFile);

test("what the process does arrives at the collector, under its name", async (t) => {
  const sink = await startSink();
  t.after(() => sink.stop());
  const tracing = startTracing({ service: "user", version: "1.2", endpoint: sink.endpoint });
  withSpan("outer", () => withSpan("inner", () => {}));
  assert.equal(tracing.stats().waiting, 2);
  await tracing.shutdown();
  const [request] = sink.requests;
  assert.deepEqual(
    request!.spans.map((span) => [span.name, span.service]),
    [
      ["inner", "user"],
      ["outer", "user"],
    ],
  );
  const { started, exported, rejected, dropped, failed, waiting } = tracing.stats();
  assert.deepEqual([started, exported, rejected, dropped, failed, waiting], [2, 2, 0, 0, 0, 0]);
  withSpan("late", (span) => assert.equal(span.isRecording(), false));
});

test("a sampler and an exporter of one's own take their places", async () => {
  const kept: SpanData[] = [];
  const exporter = {
    async export(spans: readonly SpanData[]): Promise<ExportResult> {
      kept.push(...spans);
      return { outcome: "exported" };
    },
    async shutdown() {},
  };
  const off = startTracing({ sampler: alwaysOff, exporter });
  withSpan("unsampled", () => {});
  await off.shutdown();
  const on = startTracing({ exporter });
  withSpan("sampled", () => {});
  await on.shutdown();
  assert.deepEqual(
    kept.map((span) => span.name),
    ["sampled"],
  );
});

test("spans made while the collector is away arrive once it is back", async (t) => {
  const gone = await startSink(undefined, await freePort());
  await gone.stop();
  const tracing = startTracing({ endpoint: gone.endpoint, batch: { delayMs: 10 } });
  t.after(() => tracing.shutdown());
  withSpan("while away", () => {});
  await new Promise((resolve) => setTimeout(resolve, 50));
  const sink = await startSink(undefined, gone.port);
  t.after(() => sink.stop());
  withSpan("afterwards", () => {});
  await until(() => sink.requests.flatMap((request) => request.spans).length === 2, "both spans");
  assert.deepEqual(
    sink.requests.flatMap((request) => request.spans.map((span) => span.name)),
    ["while away", "afterwards"],
  );
});

test("a shutdown ends at its deadline when the collector hangs", async (t) => {
  const sink = await startSink(() => {});
  t.after(() => sink.stop());
  const tracing = startTracing({ endpoint: sink.endpoint, batch: { shutdownTimeoutMs: 100 } });
  withSpan("work", () => {});
  await tracing.shutdown();
  assert.deepEqual([tracing.stats().dropped, tracing.stats().exported], [1, 0]);
});

test("a shutdown tells how many spans it lost, and where they should have gone; once", async () => {
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ level: "warn", destination: { write: (line) => lines.push(JSON.parse(line)) } });
  const batch = { shutdownTimeoutMs: 100 };
  const told = startTracing({ endpoint, batch, logger });
  withSpan("one", () => {});
  withSpan("two", () => {});
  await Promise.all([told.shutdown(), told.shutdown()]);
  const [loss, ...others] = lines.filter(({ spans }) => spans !== undefined);
  assert.deepEqual(others, []);
  assert.equal(loss!.msg, `2 spans are lost: ${endpoint}/v1/traces did not take what was left when tracing ended`);
  assert.match(String(loss!.reason), /ECONNREFUSED/);
  const segments = startTracing({
    exporter: [],
    skywalking: { backends: [new URL(endpoint).host], protocol: "http", shutdownTimeoutMs: 100, sampling: false },
    logger,
    env: {},
  });
  withSpan("of a segment", () => {});
  await segments.shutdown();
  const lost = lines.filter(({ segments }) => segments !== undefined).map(({ msg }) => msg);
  assert.deepEqual(lost, [
    `1 segment is lost: ${new URL(endpoint).host} did not take what was left when tracing ended`,
  ]);
  const fine = startTracing({ exporter: keep().exporter, logger });
  withSpan("kept", () => {});
  await fine.shutdown();
  assert.equal(lines.filter(({ spans }) => spans !== undefined).length, 1);
});

test("a process that ends tells of the spans it lost, by itself and by a signal", async () => {
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  for (const rest of ["", 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);']) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program(endpoint, rest, 100)], {
      stdio: ["ignore", "inherit", "pipe"],
      timeout: 60_000,
    });
    const closed = once(child, "close");
    assert.match(
      await text(child.stderr),
      /\[CLEW_EXPORTER_LOST\] TracingWarning: 1 span is lost: http:\/\/127\.0\.0\.1:\d+\/v1\/traces did not take what was left when/,
    );
    assert.deepEqual(await closed, rest === "" ? [0, null] : [null, "SIGTERM"]);
  }
});

const program = (endpoint: string, rest: string, shutdownTimeoutMs = 60_000): string => `
  import { startTracing } from "@clew/exporter";
  import { withSpan } from "@clew/trace";
  const tracing = startTracing({ service: "script", endpoint: "${endpoint}", batch: { delayMs: 1, shutdownTimeoutMs: ${shutdownTimeoutMs} } });
  withSpan("work", () => {});
  ${rest}
`;

test("a process that runs out of work exports first", async (t) => {
  const sink = await startSink();
  t.after(() => sink.stop());
  await run(process.execPath, ["--input-type=module", "-e", program(sink.endpoint, "")], { timeout: 60_000 });
  assert.deepEqual(
    sink.requests.flatMap((request) => request.spans.map((span) => span.name)),
    ["work"],
  );
});

test("a collector that hangs keeps no process from ending, and no work from being done", async (t) => {
  const sink = await startSink(() => {});
  t.after(() => sink.stop());
  const work = `
    await new Promise((resolve) => process.stdin.once("data", resolve));
    process.stdin.destroy();
    for (let count = 0; count < 20_000; count++) withSpan("more", () => {});
    console.log("worked", tracing.stats().dropped > 0, tracing.stats().waiting <= 8192);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program(sink.endpoint, work, 300)], {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 60_000,
  });
  const said = text(child.stdout);
  const closed = once(child, "close");
  await until(() => sink.requests.length === 1, "the first span, which is never taken");
  child.stdin.write("go");
  assert.deepEqual(await closed, [0, null]);
  assert.equal(await said, "worked true true\n");
  assert.equal(sink.requests.length, 1);
});

function keep(): {
  kept: SpanData[];
  exporter: { export(spans: readonly SpanData[]): Promise<ExportResult>; shutdown(): Promise<void> };
} {
  const kept: SpanData[] = [];
  return {
    kept,
    exporter: {
      async export(spans) {
        kept.push(...spans);
        return { outcome: "exported" };
      },
      async shutdown() {},
    },
  };
}

test("several exporters each get every span", async () => {
  const [one, two] = [keep(), keep()];
  const tracing = startTracing({ exporter: [one.exporter, two.exporter], env: {} });
  withSpan("work", () => {});
  await tracing.shutdown();
  assert.deepEqual([one.kept.length, two.kept.length], [1, 1]);
  assert.deepEqual([tracing.stats().started, tracing.stats().exported], [2, 2]);
});

test("with a tail, what went wrong is exported though nobody sampled it", async () => {
  const { kept, exporter } = keep();
  const tracing = startTracing({ exporter, sampler: alwaysOff, tail: true, doctor: true, env: {} });
  withSpan("fine", () => {});
  assert.throws(() =>
    withSpan("failing", () => {
      throw new Error("broken");
    }),
  );
  assert.match(tracing.report() ?? "", /nothing to report/);
  const late = withSpan("over", (span) => span);
  context.with(trace.setSpan(context.active(), late), () => withSpan("late", () => {}));
  assert.match(tracing.report() ?? "", /late span: late/, "the doctor sees what is forgotten");
  await tracing.shutdown();
  assert.deepEqual(
    kept.map((span) => span.name),
    ["failing"],
  );
  assert.deepEqual([tracing.tailStats()?.kept, tracing.tailStats()?.forgotten], [1, 3]);
  assert.equal(tracing.stats().started, 1);
});

test("OTEL_SDK_DISABLED makes no spans, and the caller's context still travels on", async () => {
  const { kept, exporter } = keep();
  const tracing = startTracing({ exporter, env: { OTEL_SDK_DISABLED: "TRUE" } });
  const caller = { traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01` };
  withCarriedContext(caller, () =>
    withSpan("work", (span) => {
      assert.equal(span.isRecording(), false);
      assert.deepEqual(carryContext(), caller);
    }),
  );
  await tracing.shutdown();
  assert.equal(kept.length, 0);
});

test("OTEL_TRACES_EXPORTER chooses; what it misspells is told, once", async (t) => {
  const sink = await startSink();
  t.after(() => sink.stop());
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", listen);
  for (let count = 0; count < 2; count++) {
    const tracing = startTracing({ endpoint: sink.endpoint, env: { OTEL_TRACES_EXPORTER: "otlp,carrier-pigeon" } });
    withSpan("work", () => {});
    await tracing.shutdown();
  }
  process.off("warning", listen);
  assert.equal(sink.requests.length, 2);
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0]!,
    /^OTEL_TRACES_EXPORTER is "otlp,carrier-pigeon"; accepted: otlp, zipkin, file, store, console/,
  );
  const none = startTracing({ env: { OTEL_TRACES_EXPORTER: "none" } });
  withSpan("work", (span) => assert.equal(span.isRecording(), true));
  await none.shutdown();
  assert.equal(none.stats().started, 0);
});

test("a child process goes on with the trace it was started in", async (t) => {
  const sink = await startSink();
  t.after(() => sink.stop());
  const tracing = startTracing({ service: "parent", endpoint: sink.endpoint });
  const code = `
    import { startTracing } from "@clew/exporter";
    import { withSpan } from "@clew/trace";
    const tracing = startTracing({ service: "child", endpoint: "${sink.endpoint}", continueFrom: "environment" });
    withSpan("in the child", () => {});
    await tracing.shutdown();
  `;
  await withSpan("in the parent", () =>
    run(process.execPath, ["--input-type=module", "-e", code], { timeout: 60_000, env: contextEnvironment() }),
  );
  await tracing.shutdown();
  const spans = sink.requests.flatMap((request) => request.spans);
  assert.deepEqual(
    spans.map((span) => [span.name, span.service]),
    [
      ["in the child", "child"],
      ["in the parent", "parent"],
    ],
  );
  assert.equal(spans[0]!.traceId, spans[1]!.traceId);
  assert.equal(spans[0]!.parentSpanId, spans[1]!.spanId);
});
