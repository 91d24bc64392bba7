// Traces between Clew and OpenTelemetry's SDKs, both ways, and Clew's spans in Jaeger and Zipkin; compares what failed with
// known-failures.txt.
//
//     node conformance/traces/run.mjs               everything
//     node conformance/traces/run.mjs go grpc       cases whose name has these words
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Collector } from "@clew/collector";
import { installJudges } from "../../scripts/install-judges.mjs";
import { compareWithKnown, runCase } from "../known-failures.mjs";
import { backendCases } from "./backends.ts";
import { relayCases } from "./relays.ts";
import { startJaeger, startZipkin } from "./servers.mjs";

const here = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), "traces-"));
const closers = [];
try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  for (const close of closers.reverse()) await close();
  rmSync(folder, { recursive: true });
}

async function main(words) {
  const start = performance.now();
  const judges = installJudges(
    "traces-peer-go",
    "traces-peer-js",
    "traces-peer-python",
    "traces-peer-python-zipkin",
    "jaeger",
    "zipkin",
  );
  // Java takes longest to start.
  const [jaeger, zipkin, collector] = await Promise.all([
    startJaeger(judges.jaeger, folder, closers),
    startZipkin(judges.zipkin, closers),
    startCollector(),
  ]);
  const peers = await startPeers(judges, collector);
  console.log(`started in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  const cases = [...relayCases(peers, collector), ...backendCases({ jaeger, zipkin, collector })].filter(({ name }) =>
    words.every((word) => name.includes(word)),
  );
  const results = [];
  // Each waits for batches to go out, so they wait together.
  for (let at = 0; at < cases.length; at += 10) {
    results.push(...(await Promise.all(cases.slice(at, at + 10).map(runCase))));
  }
  if (results.length === 0) throw new Error(`no case has ${words.join(" and ")}`);
  console.log(`${results.length} cases in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return compareWithKnown(join(here, "known-failures.txt"), results, words.length === 0) ? 0 : 1;
}

async function startCollector() {
  const address = "127.0.0.1:0";
  const data = join(folder, "traces.db");
  const collector = new Collector({ address, otlpAddress: address, otlpGrpcAddress: address, data });
  await collector.start();
  closers.push(() => collector.stop(AbortSignal.timeout(2000)));
  return {
    ui: collector.endpoint().origin,
    http: collector.otlpEndpoint().origin,
    grpc: `http://${collector.otlpGrpcEndpoint().host}`,
  };
}

/** Each SDK several times, once for each way it sends to the collector. */
async function startPeers(judges, collector) {
  const pythonPaths = (protocol) => ({
    PYTHONPATH: judges[protocol === "zipkin" ? "traces-peer-python-zipkin" : "traces-peer-python"],
  });
  const programs = {
    js: [process.execPath, [join(judges["traces-peer-js"], "peer.mjs")], ["http/json", "grpc", "zipkin"]],
    go: [judges["traces-peer-go"], [], ["http/protobuf", "grpc"]],
    python: ["python3", ["-B", join(here, "peers/python/peer.py")], ["http/protobuf", "grpc", "zipkin"], pythonPaths],
    clew: [process.execPath, [join(here, "peers/clew.ts")], ["http/json", "grpc"]],
  };
  const starting = Object.entries(programs).flatMap(([language, [command, args, protocols, env]]) =>
    protocols.map(async (protocol) => {
      const name = `${language}-${protocol.replace("http/", "")}`;
      const endpoint = protocol === "grpc" ? collector.grpc : collector.http;
      return [
        name,
        { name, language, ...(await startPeer(name, command, args, { ...env?.(protocol), protocol, endpoint })) },
      ];
    }),
  );
  return Object.fromEntries(await Promise.all(starting));
}

async function startPeer(name, command, args, { protocol, endpoint, ...env }) {
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...process.env,
      ...env,
      OTEL_SERVICE_NAME: name,
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=conformance,team=blue%20whales",
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_ZIPKIN_ENDPOINT: `${endpoint}/api/v2/spans`,
      OTEL_BSP_SCHEDULE_DELAY: "50",
    },
  });
  const exited = once(child, "exit");
  closers.push(async () => {
    child.stdin.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await exited;
    clearTimeout(timer);
  });
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    exited.then(() => {
      throw new Error(`${name} does not start`);
    }),
  ]);
  return JSON.parse(line[0]);
}
