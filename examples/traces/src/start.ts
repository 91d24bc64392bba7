// Runs the example: the collector and three services, each in a process of its own, traffic, and one trace on the terminal.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { runMain } from "clew";
import { fileVariable, loadConfig } from "./config.ts";
import { printTrace } from "./print-trace.ts";
import { sendTraffic } from "./traffic.ts";

const usage = `usage: npm start -- [options]

  --no-traffic     only what you send yourself
  --config FILE    another configuration; default: examples/traces/config.yaml
  --help           this text`;

/** The services that run, by name. */
const processes = new Map<string, ChildProcess>();
const stopping = new AbortController();

await runMain(async () => {
  const options = readOptions();
  if (options.help) return console.log(usage);
  if (options.config !== undefined) process.env[fileVariable] = resolve(process.env.INIT_CWD ?? "", options.config);
  const config = await loadConfig();

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stopping.abort());
  process.on("exit", () => {
    for (const child of processes.values()) child.kill("SIGKILL");
  });

  await startProcess("collector", config.collector.otlpEndpoint);
  await Promise.all([
    startProcess("message", config.message.endpoint),
    startProcess("profile", config.profile.endpoint),
    startProcess("user", config.user.endpoint),
  ]);
  const ui = `http://${config.collector.address.replace(/^:/, "127.0.0.1:")}`;
  if (!stopping.signal.aborted) {
    const query = `${config.user.endpoint}/v1/users/1/messages`;
    await printTrace(query, ui, stopping.signal);
    console.log(`
  traces   ${ui}
  try      curl ${config.user.endpoint}/helloworld/kratos
           curl ${query}
  spans    send them to ${config.collector.otlpEndpoint} (OTLP/HTTP)
  Ctrl-C   ends everything
`);
    if (options.traffic) await sendTraffic(config.user.endpoint, stopping.signal);
    else if (!stopping.signal.aborted) await once(stopping.signal, "abort");
  }
  await stopAll();
});

function readOptions(): { readonly traffic: boolean; readonly help: boolean; readonly config: string | undefined } {
  try {
    const { values } = parseArgs({
      options: { traffic: { type: "boolean" }, config: { type: "string" }, help: { type: "boolean" } },
      allowNegative: true,
    });
    return { traffic: values.traffic ?? true, help: values.help ?? false, config: values.config };
  } catch (error) {
    const [problem] = (error as Error).message.split(". ");
    console.error(`${problem}; known options: --no-traffic, --config FILE, --help`);
    process.exit(1);
  }
}

/**
 * Starts one service and waits until it accepts connections. One that ends before is a mistake, which it has told; one that
 * ends later is started again.
 */
async function startProcess(name: string, endpoint: string): Promise<void> {
  if (stopping.signal.aborted) return;
  const { hostname, port } = new URL(endpoint);
  if (await accepts(hostname, Number(port))) {
    const remedy = "stop that process, or choose another address in examples/traces/config.yaml";
    console.error(`${name}: port ${port} on ${hostname} is in use by another process: ${remedy}`);
    process.exitCode = 1;
    return stopping.abort();
  }
  const program = resolve(import.meta.dirname, `${name}.ts`);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
    stdio: ["ignore", "ignore", "inherit"],
    // A process group of its own: Ctrl-C reaches only this process, which then stops the others in order.
    detached: true,
    env: { LOG_LEVEL: "warn", ...process.env },
  });
  processes.set(name, child);
  let isReady = false;
  child.once("exit", async (code, signal) => {
    if (stopping.signal.aborted) return;
    if (!isReady) {
      process.exitCode = code || 1;
      stopping.abort();
      return;
    }
    console.error(`${name} ended (${signal ?? `exit code ${code}`}): starting it again`);
    await sleep(500);
    if (!stopping.signal.aborted) await startProcess(name, endpoint);
  });
  while (!stopping.signal.aborted && !isReady) {
    if (child.exitCode === null && (await accepts(hostname, Number(port)))) isReady = child.exitCode === null;
    else await sleep(25);
  }
}

async function accepts(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Stops the services in the order of a request, so that none waits for one that is gone, and the collector last. */
async function stopAll(): Promise<void> {
  for (const name of ["user", "message", "profile", "collector"]) {
    const child = processes.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    const cutOff = setTimeout(() => child.kill("SIGKILL"), 1000);
    await exited;
    clearTimeout(cutOff);
  }
}
