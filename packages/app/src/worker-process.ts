import type { Worker } from "node:cluster";
import { loadCluster } from "./cluster.ts";
import { messageOf, workerDefect, workerFailed } from "./errors.ts";
import { reclaimConnections } from "./reclaim-connections.ts";
import { appIdVariable, type PrimaryMessage, type WorkerMessage, workerVariable } from "./worker.ts";

export interface WorkerProcessOptions {
  readonly onStopAsked: () => void;
  /** Whether another process accepts the connections that this one left behind. Asked when this process is gone. */
  readonly hasOther: () => boolean;
}

/** One process of the pool, as the primary sees it, from its start to its end. */
export class WorkerProcess {
  readonly number: number;
  readonly failures: unknown[] = [];
  isStopping = false;
  /** Whether a process that will replace this one is being started. */
  hasSuccessor = false;
  /** Resolves with the worker's endpoints once its servers accept. Rejects when it fails or ends before that. */
  readonly ready: Promise<readonly URL[]>;
  /** Resolves with the reason when the process is gone. */
  readonly ended: Promise<string>;
  readonly #worker: Worker;
  #readyAtMs: number | undefined;

  constructor(number: number, appId: string, { onStopAsked, hasOther }: WorkerProcessOptions) {
    this.number = number;
    const ready = Promise.withResolvers<readonly URL[]>();
    const ended = Promise.withResolvers<string>();
    this.ready = ready.promise;
    this.ended = ended.promise;
    this.#worker = loadCluster().fork({ [workerVariable]: String(number), [appIdVariable]: appId });
    reclaimConnections(this.#worker, hasOther);
    this.#worker.on("message", (message: Partial<WorkerMessage> | null) => {
      if (message?.clew === "ready") {
        this.#readyAtMs = performance.now();
        ready.resolve((message.endpoints ?? []).map((href) => new URL(href)));
      } else if (message?.clew === "failed") {
        const text = message.text ?? "";
        this.failures.push(message.isExpected === true ? workerFailed(number, text) : workerDefect(number, text));
      } else if (message?.clew === "stop-all") onStopAsked();
      else if (message?.clew === "ending") this.#tell("end");
    });
    this.#worker.on("error", (error) => {
      // The message was sent when the process was gone already: the "exit" event has the reason.
      if (this.#worker.process.pid !== undefined) return;
      this.failures.push(error);
      ready.reject(error);
      ended.resolve(messageOf(error));
    });
    this.#worker.once("exit", (code: number | null, signal: string | null) => {
      const how = signal !== null ? `it was ended by ${signal}` : `it ended with exit code ${code}`;
      const [failure] = this.failures;
      ready.reject(failure ?? workerFailed(number, `${how} before its servers accepted`));
      ended.resolve(failure === undefined ? how : messageOf(failure));
    });
    this.ready.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** Whether it accepts connections. */
  get isAccepting(): boolean {
    return this.#readyAtMs !== undefined && !this.isStopping && this.#worker.isConnected();
  }

  /** How long it has been ready, in milliseconds. */
  readyForMs(): number {
    return this.#readyAtMs === undefined ? 0 : performance.now() - this.#readyAtMs;
  }

  drain(): void {
    this.#tell("drain");
  }

  stop(): void {
    this.isStopping = true;
    this.#tell("stop");
  }

  kill(): void {
    this.#worker.process.kill("SIGKILL");
  }

  #tell(what: PrimaryMessage["clew"]): void {
    const message: PrimaryMessage = { clew: what };
    if (this.#worker.isConnected()) this.#worker.send(message, () => {});
  }
}
