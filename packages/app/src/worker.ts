import { loadCluster } from "./cluster.ts";
import { explainFailure } from "./run-main.ts";

/** What a worker tells its primary. */
export type WorkerMessage =
  | { readonly clew: "ready"; readonly endpoints: readonly string[] }
  | { readonly clew: "failed"; readonly isExpected: boolean; readonly text: string }
  | { readonly clew: "stop-all" }
  | { readonly clew: "ending" };

/** What the primary tells a worker. */
export interface PrimaryMessage {
  readonly clew: "drain" | "stop" | "end";
}

/** The variables that make a process a worker. */
export const workerVariable = "CLEW_WORKER";
export const appIdVariable = "CLEW_APP_ID";

/** A worker's side of the channel to its primary. */
export class WorkerLink {
  /** Which of the workers this is, from 1. One that takes the place of another has its number. */
  readonly number: number;
  /** The id of the app, the same in all workers. */
  readonly appId: string;

  constructor(number: number, appId: string) {
    this.number = number;
    this.appId = appId;
  }

  /** Calls `stop` when the primary says so, or is gone. */
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

  /** Calls `drain` when the primary says that the app is about to stop. */
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

  /** Asks the primary to stop the whole app. False when it is gone. */
  async stopAll(): Promise<boolean> {
    return this.#send({ clew: "stop-all" });
  }

  /**
   * Lets go of the primary, once it has said that it knows; without it the process ends when nothing else is left to do. A
   * connection that the primary handed over before it knew that the servers are closed comes before its answer, and goes back
   * to it: read by nobody, it would be neither answered nor closed.
   */
  end(): void {
    process.on("message", (message: Partial<PrimaryMessage> | null) => {
      if (message?.clew === "end" && process.connected) process.disconnect();
    });
    void this.#send({ clew: "ending" });
  }

  #send(message: WorkerMessage): Promise<boolean> {
    return new Promise((resolve) => {
      // A primary that is gone needs to know nothing.
      if (!process.connected) resolve(false);
      else process.send!(message, (error: Error | null) => resolve(error === null));
    });
  }
}

// Until its app runs a worker has nothing to finish, and the message would be lost: it ends when it is told to stop. When the
// primary is gone, Node ends it.
function endEarly(message: Partial<PrimaryMessage> | null): void {
  if (message?.clew === "stop") process.exit(0);
}
if (process.env[workerVariable] !== undefined && loadCluster().isWorker) process.on("message", endEarly);

/** The link of this process, if an App made it as one of its workers. */
export function findWorkerLink(): WorkerLink | undefined {
  const { [workerVariable]: number, [appIdVariable]: appId } = process.env;
  // A process that a worker starts inherits the variables, but not the channel.
  if (number === undefined || appId === undefined || !loadCluster().isWorker) return undefined;
  return new WorkerLink(Number(number), appId);
}
