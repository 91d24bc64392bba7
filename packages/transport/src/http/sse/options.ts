/** Options for streams of replies over HTTP, which are sent as server-sent events. */
export interface EventStreamOptions {
  /**
   * After this time without an event, a comment is sent to show that the stream is alive, in milliseconds; 0 for never.
   * Default: 15_000.
   */
  heartbeatMs?: number;
  /**
   * How long a browser should wait before it connects again after a stream ended, in milliseconds. Default: the browser's own
   * value, some seconds.
   */
  retryMs?: number;
}

export interface ResolvedEventStreamOptions {
  readonly heartbeatMs: number;
  readonly retryMs: number | undefined;
}

export function resolveEventStreamOptions(options: EventStreamOptions = {}): ResolvedEventStreamOptions {
  const { heartbeatMs = 15_000, retryMs } = options;
  return { heartbeatMs, retryMs };
}
