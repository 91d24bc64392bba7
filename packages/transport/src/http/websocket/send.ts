import type { WebSocket } from "ws";

// Once this much waits to be sent, its sender waits as well.
const highWaterBytes = 64 * 1024;

/** Sends a text or a binary frame. Undefined when the next may follow, otherwise a promise of that. */
export function sendFrame(socket: WebSocket, frame: string | Uint8Array): Promise<void> | undefined {
  const binary = typeof frame !== "string";
  if (socket.bufferedAmount <= highWaterBytes) {
    // What becomes of it is told by the close.
    socket.send(frame, { binary }, () => {});
    return undefined;
  }
  return new Promise((resolve) => socket.send(frame, { binary }, () => resolve()));
}
