// Jaeger and Zipkin, on ports that are free.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../../packages/transport/test/free-ports.ts";

/** Jaeger 2 with its memory store. */
export async function startJaeger(binary, folder, closers) {
  const [http, grpc, query, queryGrpc, health] = await freePorts(5);
  const config = join(folder, "jaeger.yaml");
  writeFileSync(
    config,
    `
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines: { traces: { receivers: [otlp], exporters: [jaeger_storage_exporter] } }
  telemetry: { metrics: { level: none }, logs: { level: error } }
extensions:
  healthcheckv2: { use_v2: true, http: { endpoint: "127.0.0.1:${health}" } }
  jaeger_query:
    storage: { traces: memory }
    http: { endpoint: "127.0.0.1:${query}" }
    grpc: { endpoint: "127.0.0.1:${queryGrpc}" }
  jaeger_storage: { backends: { memory: { memory: { max_traces: 10000 } } } }
receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:${http}" }, grpc: { endpoint: "127.0.0.1:${grpc}" } } }
exporters:
  jaeger_storage_exporter: { trace_storage: memory }
`,
  );
  const child = start(binary, ["--config", config], {}, closers);
  await answers(`http://127.0.0.1:${query}/api/services`, child);
  return { http: `http://127.0.0.1:${http}`, grpc: `http://127.0.0.1:${grpc}`, query: `http://127.0.0.1:${query}` };
}

/** Zipkin with its memory store. */
export async function startZipkin(jar, closers) {
  const [port] = await freePorts(1);
  const env = { QUERY_PORT: String(port), STORAGE_TYPE: "mem" };
  const child = start("java", ["-Xmx256m", "-jar", jar, "--logging.level.root=WARN"], env, closers);
  await answers(`http://127.0.0.1:${port}/health`, child);
  return { query: `http://127.0.0.1:${port}` };
}

function start(command, args, env, closers) {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env } });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said = `${said}${text}`.slice(-4000);
  });
  closers.push(async () => {
    if (child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return { child, said: () => said };
}

/** Waits until a URL is answered with 200. */
async function answers(url, { child, said }) {
  const giveUpAtMs = performance.now() + 180_000;
  for (;;) {
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // Not yet.
    }
    if (child.exitCode !== null || performance.now() > giveUpAtMs)
      throw new Error(`${url} does not answer:\n${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
