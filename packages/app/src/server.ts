/**
 * Something that an App runs: a server of @clew/transport, or anything else that starts and stops, such as a cron job or the
 * consumer of a queue. {@link endpoint} says where callers reach it; a server that nobody calls has none.
 */
export interface Server {
  /** Resolves when the server accepts work. Rejects when it cannot start; it then leaves nothing open. */
  start(): Promise<void>;
  /**
   * Takes no new work, finishes the work it has, and resolves when that is done. When `signal` aborts, the server cuts off
   * the work that is left. Not called before start has resolved.
   */
  stop(signal: AbortSignal): Promise<void>;
  /**
   * Called once, when the app begins to stop and all its servers had started. The server continues to accept, but answers from now on
   * that it is not ready when its health is asked for.
   */
  drain?(): void;
  /** Where callers reach the server: `grpc://10.0.0.5:9000`. Throws before the server has started. */
  endpoint?(): URL;
  /**
   * Where callers reach a server that speaks several protocols, one URL for each. Without this function, {@link
   * endpoint} is the only one.
   */
  endpoints?(): readonly URL[];
  /**
   * Rejects when the server fails for good after its start, such as a consumer whose queue is gone. The app then stops, and
   * its run() rejects with the same error. Called once, after start has resolved.
   */
  failed?(): Promise<never>;
}
