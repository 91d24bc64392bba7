/** How streams of replies go over HTTP, as server-sent events. */
export interface EventStreamOptions {
  /** How long a stream may be silent before a comment shows that it is alive, in milliseconds; 0 for never. Default: 15_000. */
  heartbeatMs?: number;
  /**
   * How long a browser is to wait before it connects again when a stream ended, in milliseconds. Default:
   * the browser's, some seconds.
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
