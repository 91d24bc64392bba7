// Traces between Clew and services with SkyWalking's agents for Node, Go and Python, over HTTP and gRPC, all of them in segments, in
// a collector of the test's, in SkyWalking's own and in ours; and all that ours report, over gRPC, over HTTP and through a broker of
// Kafka's, in SkyWalking's own. Compares what failed with known-failures.txt.
//
//     node conformance/skywalking/run.mjs               everything
//     node conformance/skywalking/run.mjs js grpc       cases whose name has these words
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { startCollector } from "../../packages/exporter/test/skywalking-collector.ts";
import { installJudges } from "../../scripts/install-judges.mjs";
import { compareWithKnown, runCase } from "../known-failures.mjs";
import { collectorCases, startOurs } from "./collector-cases.ts";
import { startKafka } from "./kafka.mjs";
import { kafkaCases, outageCases } from "./kafka-cases.ts";
import { createKafkaProducer } from "./kafka-producer.ts";
import { kafkaNamespace, startOap } from "./oap.mjs";
import { oapCases } from "./oap-cases.ts";
import { relayCases } from "./relays.ts";
import { properties, reportCases } from "./report-cases.ts";

const here = import.meta.dirname;
const closers = [];
try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  for (const close of closers.reverse()) await close();
}

async function main(words) {
  const start = performance.now();
  const peers = ["skywalking-peer-js", "skywalking-peer-go", "skywalking-peer-python"];
  const judges = installJudges(...peers, "skywalking-oap", "kafka", "kafkajs");
  const kafka = await startKafka(judges.kafka, closers);
  const oap = await startOap(judges["skywalking-oap"], closers, kafka.address);
  const collector = await startCollector();
  closers.push(() => collector.stop());
  const ours = await startOurs(closers);
  console.log(`started in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  const js = [process.execPath, join(judges["skywalking-peer-js"], "peer.js")];
  const go = [judges["skywalking-peer-go"]];
  const python = ["python3", "-B", join(here, "peers/python/peer.py")];
  const clew = [process.execPath, join(here, "peers/clew.ts")];
  const reports = { SW_AGENT_METER_COLLECT_INTERVAL: "1", SW_INSTANCE_PROPERTIES_JSON: JSON.stringify(properties) };
  const programs = [
    ["js", js, "js", {}],
    ["go", go, "go", {}],
    ["kratos", go, "kratos", {}],
    ["python", python, "python", { PYTHONPATH: judges["skywalking-peer-python"], SW_AGENT_LOGGING_LEVEL: "ERROR" }],
    ["clew-sw8", clew, "sw8", {}],
    ["clew-w3c", clew, "w3c", {}],
    ["clew-both", clew, "both", reports],
    ["clew-go", clew, "both", { IDS: "go" }],
  ];
  const otlp = {
    OTEL_SERVICE_NAME: "clew-otlp",
    OTEL_EXPORTER_OTLP_ENDPOINT: ours.otlpEndpoint().origin,
    OTEL_PROPAGATORS: "tracecontext,baggage,sw8",
  };
  const clewOtlp = ["clew-otlp", [process.execPath, join(here, "../traces/peers/clew.ts")], "both", otlp];
  // kafkajs asks for timers in the past, and Node says so.
  const quiet = { NODE_OPTIONS: "--disable-warning=TimeoutNegativeWarning" };
  const broker = { ...quiet, KAFKA: kafka.address, KAFKA_NAMESPACE: kafkaNamespace, KAFKAJS: judges.kafkajs };
  const throughKafka = (name) => [name, clew, "both", { ...reports, ...broker }];
  const startPeers = async (backend, ...more) =>
    Object.fromEntries(
      await Promise.all(
        [...programs, ...more].map(async ([name, command, family, env]) => {
          const addresses = await startPeer(name, command, { PEER: family, ...env }, backend);
          return [name, { name, family, ...addresses }];
        }),
      ),
    );
  const http = { PROTOCOL: "http", SW_AGENT_COLLECTOR_BACKEND_SERVICES: new URL(oap.graphql).host };
  const clewHttp = ["clew-http", clew, "both", { ...reports, ...http }];
  const besideOap = await startPeers(oap.address, clewHttp, throughKafka("clew-kafka"));
  const { "clew-both": overGrpc, "clew-http": overHttp, "clew-kafka": overKafka, "clew-go": next } = besideOap;
  const setting = {
    graphql: oap.graphql,
    namespace: kafkaNamespace,
    createProducer: () => createKafkaProducer(judges.kafkajs, kafka.address),
  };
  const hasWords = ({ name }) => words.every((word) => name.includes(word));
  const cases = [
    ...relayCases(await startPeers(collector.address), collector.segments),
    ...oapCases(besideOap, oap.graphql),
    ...reportCases("over gRPC", overGrpc, next, oap.graphql),
    // The collector takes no meters over HTTP.
    ...reportCases("over HTTP", overHttp, next, oap.graphql).filter(({ name }) => !name.includes("a meter")),
    ...reportCases("through Kafka", overKafka, next, oap.graphql),
    ...kafkaCases(setting),
    ...collectorCases(await startPeers(ours.skywalkingGrpcEndpoint().host, clewOtlp), ours),
  ].filter(hasWords);
  const startLate = async () => {
    const [name, command, family, env] = throughKafka("clew-late");
    return { name, family, ...(await startPeer(name, command, { PEER: family, ...env }, oap.address)) };
  };
  const alone = outageCases(setting, kafka, overKafka, next, startLate).filter(hasWords);
  if (cases.length + alone.length === 0) throw new Error(`no case has ${words.join(" and ")}`);
  const results = [];
  // Each waits for agents to report, so they wait together.
  for (let at = 0; at < cases.length; at += 10) {
    results.push(...(await Promise.all(cases.slice(at, at + 10).map(runCase))));
  }
  // These take the broker away.
  for (const one of alone) results.push(await runCase(one));
  console.log(`${results.length} cases in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return compareWithKnown(join(here, "known-failures.txt"), results, words.length === 0) ? 0 : 1;
}

async function startPeer(name, [program, ...args], env, backend) {
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...process.env,
      SW_AGENT_NAME: name,
      // Node's name for it, and that of the others.
      SW_AGENT_INSTANCE: `${name}@zürich`,
      SW_AGENT_INSTANCE_NAME: `${name}@zürich`,
      SW_AGENT_COLLECTOR_BACKEND_SERVICES: backend,
      ...env,
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
