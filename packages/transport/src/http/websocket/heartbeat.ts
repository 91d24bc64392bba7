import type { WebSocket } from "ws";

/**
 * Pings the other end when it was silent for `heartbeatMs`, and closes the connection when it was silent for twice that time. While
 * reading is paused, nothing is received, so silence does not count.
 */
export function watchHeartbeat(socket: WebSocket, heartbeatMs: number): void {
  if (heartbeatMs === 0) return;
  let silent = 0;
  const onSign = (): void => {
    silent = 0;
  };
  const timer = setInterval(() => {
    if (socket.isPaused) return;
    if (silent++ >= 2) socket.terminate();
    else if (socket.readyState === socket.OPEN) socket.ping();
  }, heartbeatMs).unref();
  socket.on("message", onSign).on("pong", onSign).on("ping", onSign);
  socket.once("close", () => clearInterval(timer));
}
