/**
 * What an App runs. A transport's server is one, and so is anything else that starts and stops: a cron, a queue's consumer. Where
 * callers reach it is what {@link endpoint} says; what nobody calls has none.
 */
export interface Server {
  /** Resolves when the server accepts work. Rejects when it cannot, with nothing left open. */
  start(): Promise<void>;
  /**
   * Takes no new work, finishes what it has, and resolves when that is done. When `signal` aborts it cuts off what is left.
   * Not called before start has resolved.
   */
  stop(signal: AbortSignal): Promise<void>;
  /**
   * The app is about to stop: the server goes on accepting, and tells who asks whether it is ready that it is not. Called once, when the
   * app begins to stop and all its servers had started.
   */
  drain?(): void;
  /** Where the server is reached: `grpc://10.0.0.5:9000`. Throws before it has started. */
  endpoint?(): URL;
  /** Where it is reached over each protocol, for one that speaks several. Without it, at {@link endpoint} alone. */
  endpoints?(): readonly URL[];
  /**
   * Rejects when the server fails for good after its start: a consumer whose queue is gone. The app then stops, and its run()
   * rejects with that too. Asked for once, after start has resolved.
   */
  failed?(): Promise<never>;
}
