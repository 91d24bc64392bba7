/** Options for streams of requests over HTTP, which use WebSockets. */
export interface WebSocketOptions {
  /**
   * The origins whose web pages may open a WebSocket: `["https://shop.example.com"]`, `["*"]` for any. Browsers send cookies
   * with a WebSocket, whatever page opens it. Default: pages of the same host. Callers that are not browsers send no Origin and
   * are always accepted.
   */
  origins?: readonly string[];
  /**
   * After this time of silence a connection is pinged, in milliseconds; if it does not answer within twice that time, it is
   * closed. 0 for never. Default: 30_000.
   */
  heartbeatMs?: number;
  /**
   * Compress messages of 1 KiB and more for callers that support it (permessage-deflate). Costs about 300 KiB of memory per
   * connection. Default: false.
   */
  compression?: boolean;
}

export type ResolvedWebSocketOptions = Readonly<Required<WebSocketOptions>>;

export function resolveWebSocketOptions(options: WebSocketOptions = {}): ResolvedWebSocketOptions {
  const { origins = [], heartbeatMs = 30_000, compression = false } = options;
  return { origins, heartbeatMs, compression };
}
