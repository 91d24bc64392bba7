/** How streams of requests come in over HTTP, as WebSockets. */
export interface WebSocketOptions {
  /**
   * Which web pages may open one, by origin: `["https://shop.example.com"]`, `["*"]` for any. Browsers send cookies along with
   * a WebSocket, whatever page opens it. Default: pages of the same host; who is no page sends no Origin and may always.
   */
  origins?: readonly string[];
  /**
   * How long a connection may be silent before it is asked for a sign of life, in milliseconds; one that gives none in twice
   * that time is closed. 0 for never. Default: 30_000.
   */
  heartbeatMs?: number;
  /**
   * Compress messages of 1 KiB and more for callers that can (permessage-deflate), at some 300 KiB of
   * memory a connection. Default: false.
   */
  compression?: boolean;
}

export type ResolvedWebSocketOptions = Readonly<Required<WebSocketOptions>>;

export function resolveWebSocketOptions(options: WebSocketOptions = {}): ResolvedWebSocketOptions {
  const { origins = [], heartbeatMs = 30_000, compression = false } = options;
  return { origins, heartbeatMs, compression };
}
