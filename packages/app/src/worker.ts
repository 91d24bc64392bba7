import { loadCluster } from "./cluster.ts";
import { explainFailure } from "./run-main.ts";

/** The messages of a worker to its primary. */
export type WorkerMessage =
  | { readonly clew: "ready"; readonly endpoints: readonly string[] }
  | { readonly clew: "failed"; readonly isExpected: boolean; readonly text: string }
  | { readonly clew: "stop-all" }
  | { readonly clew: "ending" };

/** The message of the primary to a worker. */
export interface PrimaryMessage {
  readonly clew: "drain" | "stop" | "end";
}

/** The environment variables that mark a process as a worker. */
export const workerVariable = "CLEW_WORKER";
export const appIdVariable = "CLEW_APP_ID";

/** The worker's side of the channel to its primary. */
export class WorkerLink {
  /** The number of this worker, from 1. A worker that replaces another has its number. */
  readonly number: number;
  /** The id of the app, the same in all workers. */
  readonly appId: string;

  constructor(number: number, appId: string) {
    this.number = number;
    this.appId = appId;
  }

  /** Calls `stop` when the primary asks for it, and when the primary is gone. */
  onStop(stop: (reason: string) => void): void {
    process.off("message", endEarly);
    process.on("message", (message: Partial<PrimaryMessage> | null) => {
      if (message?.clew === "stop") stop("the primary says so");
    });
    loadCluster().worker!.once("disconnect", () => {
      // Otherwise Node ends the process here, with calls that are still open.
      loadCluster().worker!.exitedAfterDisconnect = true;
      stop("the primary is gone");
    });
  }

  /** Calls `drain` when the primary announces that the app is about to stop. */
  onDrain(drain: () => void): void {
    process.on("message", (message: Partial<PrimaryMessage> | null) => {
      if (message?.clew === "drain") drain();
    });
  }

  async ready(endpoints: readonly URL[]): Promise<void> {
    await this.#send({ clew: "ready", endpoints: endpoints.map(({ href }) => href) });
  }

  async failed(error: unknown): Promise<void> {
    await this.#send({ clew: "failed", ...explainFailure(error) });
  }

  /** Asks the primary to stop the whole app. Returns false when the primary is gone. */
  async stopAll(): Promise<boolean> {
    return this.#send({ clew: "stop-all" });
  }

  /**
   * Disconnects from the primary once the primary has answered; after that, the process ends when it has nothing left to do.
   * A connection that the primary handed over before it knew that the servers are closed arrives before its answer, and goes
   * back to the primary. If nobody read it, it would be neither answered nor closed.
   */
  end(): void {
    process.on("message", (message: Partial<PrimaryMessage> | null) => {
      if (message?.clew === "end" && process.connected) process.disconnect();
    });
    void this.#send({ clew: "ending" });
  }

  #send(message: WorkerMessage): Promise<boolean> {
    return new Promise((resolve) => {
      // A primary that is gone needs no message.
      if (!process.connected) resolve(false);
      else process.send!(message, (error: Error | null) => resolve(error === null));
    });
  }
}

// Until its app runs, a worker has nothing to finish, and the message would be lost: the worker ends when it is told to stop.
// When the primary is gone, Node ends the worker.
function endEarly(message: Partial<PrimaryMessage> | null): void {
  if (message?.clew === "stop") process.exit(0);
}
if (process.env[workerVariable] !== undefined && loadCluster().isWorker) process.on("message", endEarly);

/** The link of this process, if an App started it as one of its workers. */
export function findWorkerLink(): WorkerLink | undefined {
  const { [workerVariable]: number, [appIdVariable]: appId } = process.env;
  // A process that a worker starts inherits the variables, but not the channel.
  if (number === undefined || appId === undefined || !loadCluster().isWorker) return undefined;
  return new WorkerLink(Number(number), appId);
}
