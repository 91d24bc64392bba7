// A broker of Kafka's, one node that is its own controller (KRaft), for one run.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../../packages/transport/test/free-ports.ts";

/** How soon it has to be there; it takes 3 s, and 5 after it was killed. */
const limitMs = 120_000;

/**
 * Starts it from the jars in `libs`. What ends it is put into `closers`. `kill` gives it no time to end, and `start` brings it back at the
 * same address, with what it had; between `pause` and `resume` it does nothing, its connections open.
 */
export async function startKafka(libs, closers) {
  const folder = mkdtempSync(join(tmpdir(), "kafka-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  const [port, controllerPort] = await freePorts(2);
  const properties = join(folder, "server.properties");
  writeFileSync(properties, configure(folder, port, controllerPort));
  const java = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
  java.push("-cp", `${join(import.meta.dirname, "kafka")}:${libs}/*`);
  const format = ["format", "--standalone", "--cluster-id", "Y2xldy1qdWRnZXMta2Fma2", "--config", properties];
  await promisify(execFile)("java", [...java, "kafka.tools.StorageTool", ...format], { timeout: limitMs });

  let child;
  const kill = async () => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  const start = () => {
    child = spawn("java", [...java, "kafka.Kafka", properties], { stdio: ["ignore", "pipe", "pipe"] });
    return isReady(child);
  };
  closers.push(kill);
  await start();
  return {
    address: `127.0.0.1:${port}`,
    kill,
    start,
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
  };
}

/**
 * Topics are not made for whoever asks: a report for one that the collector does not read must fail. A broker that was killed may come
 * back once its session is over.
 */
function configure(folder, port, controllerPort) {
  return `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
log.dirs=${folder}/data
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
`;
}

async function isReady(child) {
  let said = "";
  const { promise, resolve, reject } = Promise.withResolvers();
  const fail = (why) => reject(new Error(`Kafka does not start: ${why}: ${said.slice(-4000)}`));
  const timer = setTimeout(() => fail(`${limitMs} ms are over`), limitMs);
  child.once("error", ({ message }) => fail(message));
  child.once("exit", () => fail("it ended"));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      said = `${said.slice(-8000)}${text}`;
      if (/Kafka Server started/.test(said)) resolve();
    });
  }
  await promise.finally(() => clearTimeout(timer));
}
