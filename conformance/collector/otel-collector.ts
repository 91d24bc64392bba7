// The OpenTelemetry Collector as a process that can be killed and started again where it was.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePort } from "../../packages/transport/test/free-ports.ts";

/** Its configuration; JSON is YAML. */
export type Config = Readonly<Record<string, unknown>>;

/** What every case starts it with. */
export interface Judge {
  /** The program. */
  readonly program: string;
  /** Where configurations are written. */
  readonly folder: string;
  /** What is stopped at the end, the last first. */
  readonly closers: (() => Promise<void>)[];
}

export interface OtelCollector {
  /** What it said so far, a JSON object a line. */
  readonly log: () => string;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
}

const taken = new Set<number>();

/** Ports that are free, and handed to nobody else: not while who listens there is dead either. */
export async function takePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = await freePort();
    if (taken.has(port)) continue;
    taken.add(port);
    ports.push(port);
  }
  return ports;
}

let started = 0;

/** Starts one, which listens at `ports` when this resolves. */
export async function startOtelCollector(
  judge: Judge,
  config: Config,
  ports: readonly number[],
): Promise<OtelCollector> {
  const file = join(judge.folder, `collector-${started++}.yaml`);
  writeFileSync(file, JSON.stringify(withTelemetry(config)));
  const child = spawn(judge.program, [`--config=file:${file}`], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const kill = (): Promise<void> => end(child);
  judge.closers.push(kill);
  const giveUpAtMs = performance.now() + 60_000;
  for (const port of ports) {
    while (!(await listens(port))) {
      if (hasEnded(child) || performance.now() > giveUpAtMs) throw new Error(`the Collector does not start: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return { log: () => said, kill };
}

function withTelemetry(config: Config): Config {
  const telemetry = { metrics: { level: "none" }, logs: { level: "info", encoding: "json" } };
  return { ...config, service: { telemetry, ...(config.service as Config) } };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** An OTLP receiver at these ports. */
export function otlpReceiver(http: number, grpc: number, more: Config = {}): Config {
  const at = (port: number): Config => ({ endpoint: `127.0.0.1:${port}`, ...more });
  return { protocols: { http: at(http), grpc: at(grpc) } };
}

/** Of an exporter that tells its receiver at once what became of a request, and tries nothing again on its own. */
export const passing: Config = { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } };
