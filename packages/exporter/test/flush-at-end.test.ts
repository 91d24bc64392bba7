import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { startLogs } from "@clew/exporter";
import { createLogger } from "@clew/log";
import { startRawSink } from "./raw-sink.ts";
import { type Answer, type Sink, startSink } from "./sink.ts";

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
}

/** A process that makes a span, says "ready", and is then sent a signal; how it ended. */
function runAndSignal(sink: Sink, rest: string, ...signals: NodeJS.Signals[]): Promise<End> {
  return signalProgram(tracingProgram(sink, rest, 60_000), ...signals);
}

function tracingProgram(sink: Sink, rest: string, shutdownTimeoutMs: number): string {
  return `
    import { startTracing } from "@clew/exporter";
    import { withSpan } from "@clew/trace";
    const options = { service: "script", endpoint: "${sink.endpoint}", env: {} };
    const tracing = startTracing({ ...options, batch: { delayMs: 60_000, shutdownTimeoutMs: ${shutdownTimeoutMs} } });
    withSpan("work", () => {});
    setInterval(() => {}, 1000);
    const exported = async (count) => {
      while (tracing.stats().exported < count) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    ${rest}
    console.log("ready");
  `;
}

/** Runs a program, and sends it the signals when it says "ready"; how it ended. */
async function signalProgram(program: string, ...signals: NodeJS.Signals[]): Promise<End> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const wasReady = stdout.includes("ready");
    stdout += text;
    if (!wasReady && stdout.includes("ready")) for (const signal of signals) child.kill(signal);
  });
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout: stdout.replace("ready\n", "") };
}

async function withSink(answer: Answer | undefined, use: (sink: Sink) => Promise<void>): Promise<void> {
  const sink = await startSink(answer);
  try {
    await use(sink);
  } finally {
    await sink.stop();
  }
}

const spansOf = (sink: Sink): string[] => sink.requests.flatMap(({ spans }) => spans.map(({ name }) => name));

test("SIGTERM: the spans go out, and the process ends by the signal as it would have", async () => {
  await withSink(undefined, async (sink) => {
    const { signal } = await runAndSignal(sink, "", "SIGTERM");
    assert.equal(signal, "SIGTERM");
    assert.deepEqual(spansOf(sink), ["work"]);
  });
});

test("SIGTERM with a collector that hangs: the process ends all the same", async () => {
  await withSink(
    () => {},
    async (sink) => {
      const { signal } = await signalProgram(tracingProgram(sink, "", 500), "SIGTERM");
      assert.equal(signal, "SIGTERM");
    },
  );
});

test("an app that handles SIGTERM decides how it ends; what waits goes out meanwhile", async () => {
  await withSink(undefined, async (sink) => {
    const app = `
      process.on("SIGTERM", async () => {
        console.log("draining");
        await exported(1);
        withSpan("drained", () => {});
        await tracing.shutdown();
        process.exit(7);
      });
    `;
    const { code, stdout } = await runAndSignal(sink, app, "SIGTERM");
    assert.deepEqual([code, stdout], [7, "draining\n"]);
    assert.deepEqual(spansOf(sink), ["work", "drained"]);
    assert.equal(sink.requests.length, 2, "the first before the app was done");
  });
});

test("an app that ignores SIGTERM goes on, and every signal flushes", async () => {
  await withSink(undefined, async (sink) => {
    const app = `
      let count = 0;
      process.on("SIGTERM", async () => {
        count++;
        await exported(count);
        if (count === 2) process.exit(3);
        withSpan("later", () => {});
        process.kill(process.pid, "SIGTERM");
      });
    `;
    const { code } = await runAndSignal(sink, app, "SIGTERM");
    assert.equal(code, 3);
    assert.deepEqual(spansOf(sink), ["work", "later"]);
  });
});

test("a listener for one time is one of the app's, too", async () => {
  await withSink(undefined, async (sink) => {
    const app = `process.once("SIGTERM", () => setTimeout(() => process.exit(5), 200));`;
    assert.equal((await runAndSignal(sink, app, "SIGTERM")).code, 5);
  });
});

test("whoever ends the process when nobody else listens finds that nobody does", async () => {
  await withSink(undefined, async (sink) => {
    const app = `
      const end = () => {
        if (process.listeners("SIGTERM").length > 1) return;
        process.off("SIGTERM", end);
        process.kill(process.pid, "SIGTERM");
      };
      process.on("SIGTERM", end);
    `;
    assert.equal((await runAndSignal(sink, app, "SIGTERM")).signal, "SIGTERM");
  });
});

test("a signal that nobody asked us to mind ends the process at once", async () => {
  await withSink(undefined, async (sink) => {
    assert.equal((await runAndSignal(sink, "", "SIGINT")).signal, "SIGINT");
    assert.deepEqual(spansOf(sink), []);
  });
});

test("after a shutdown nobody listens any more", async () => {
  await withSink(undefined, async (sink) => {
    const app = `await tracing.shutdown(); console.log(process.listenerCount("SIGTERM"), process.listenerCount("beforeExit"));`;
    const { signal, stdout } = await runAndSignal(sink, app, "SIGTERM");
    assert.deepEqual([signal, stdout], ["SIGTERM", "0 0\n"]);
  });
});

test("by hand", async () => {
  await withSink(undefined, async (sink) => {
    const app = `await tracing.flush(); console.log(tracing.stats().exported);`;
    assert.equal((await runAndSignal(sink, app, "SIGKILL")).stdout, "1\n");
    assert.deepEqual(spansOf(sink), ["work"]);
  });
});

const others = {
  metrics: `
    import { startMetrics } from "@clew/exporter";
    import { metrics } from "@opentelemetry/api";
    const running = startMetrics({ endpoint, env: {}, reader: { intervalMs: 60_000 } });
    metrics.getMeter("library").createCounter("work").add(1);`,
  logs: `
    import { startLogs } from "@clew/exporter";
    import { createLogger } from "@clew/log";
    const running = startLogs({ endpoint, env: {}, delayMs: 60_000 });
    createLogger({ also: [running.write], destination: { write() {} } }).info("work");`,
};

for (const [signal, start] of Object.entries(others)) {
  const program = (endpoint: string, rest: string): string =>
    `const endpoint = "${endpoint}"; ${start}\n${rest}\nconsole.log("ready");`;

  test(`${signal} go out on SIGTERM, when the process runs out of work, and by hand`, async () => {
    const stay = "setInterval(() => {}, 1000);";
    const cases: [rest: string, sent: NodeJS.Signals[], end: Partial<End>][] = [
      [stay, ["SIGTERM"], { signal: "SIGTERM" }],
      ["", [], { code: 0 }],
      [`await running.flush(); ${stay}`, ["SIGKILL"], { signal: "SIGKILL" }],
      [`await running.shutdown(); console.log(process.listenerCount("SIGTERM"));`, [], { code: 0, stdout: "0\n" }],
    ];
    for (const [rest, sent, expected] of cases) {
      const sink = await startRawSink();
      try {
        const end = await signalProgram(program(sink.endpoint, rest), ...sent);
        assert.deepEqual({ ...end, ...expected }, end, rest);
        assert.deepEqual(
          sink.requests.map(({ path, body }) => [path, body.includes("work")]),
          [[`/v1/${signal}`, true]],
          rest,
        );
      } finally {
        await sink.stop();
      }
    }
  });
}

test("OTEL_LOGS_EXPORTER=none: lines go nowhere", async () => {
  const logs = startLogs({ env: { OTEL_LOGS_EXPORTER: "none" } });
  createLogger({ also: [logs.write], destination: { write() {} } }).info("work");
  await logs.shutdown();
  assert.equal(logs.stats(), undefined);
});
