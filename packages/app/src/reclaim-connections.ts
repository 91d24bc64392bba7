import type { Worker } from "node:cluster";

/** The fields of node:cluster's messages about a connection that are read here. */
interface ClusterMessage {
  readonly cmd?: unknown;
  readonly act?: unknown;
  readonly key?: unknown;
  readonly seq?: unknown;
  readonly ack?: unknown;
}

/**
 * When the worker is gone, answers for the connections that were handed to it and that it had not acknowledged. Such a connection goes
 * to another worker if `hasOther` says that one accepts, and is closed otherwise. node:cluster alone would keep it open for ever, and
 * the caller would wait for ever.
 *
 *     primary ─ { cmd: "NODE_CLUSTER", act: "newconn", key, seq: 7 }, the connection ─▶ worker
 *             ◀─ { cmd: "NODE_CLUSTER", ack: 7, accepted: true } ──────────────────────
 *
 * These messages are internal to node:cluster. If their form changes one day, this function records nothing and answers nothing.
 * docs/adr/0009 has the reasons.
 */
export function reclaimConnections({ process: child }: Worker, hasOther: () => boolean): void {
  // At most one for each port: node:cluster hands over the next connection when the last one was acknowledged.
  const handed: Map<unknown, number> = new Map();
  const send = child.send as (...args: unknown[]) => boolean;
  child.send = (...args: unknown[]) => {
    const { cmd, act, key, seq } = (args[0] ?? {}) as ClusterMessage;
    if (cmd === "NODE_CLUSTER" && act === "newconn" && typeof seq === "number") handed.set(key, seq);
    return send.apply(child, args);
  };
  child.on("internalMessage", ({ ack }: ClusterMessage) => {
    for (const [key, seq] of handed) if (seq === ack) handed.delete(key);
  });
  // While the channel is connected, an acknowledgement may still wait unread. node:cluster's own listeners ran before this one,
  // so a connection that is handed over now does not go to this worker again.
  const answerFor = (): void => {
    if (child.connected) return;
    for (const [key, ack] of handed) {
      handed.delete(key);
      child.emit("internalMessage", { cmd: "NODE_CLUSTER", ack, accepted: !hasOther() });
    }
  };
  child.once("disconnect", answerFor);
  // "disconnect" does not come while Node still waits for the process to confirm a handle.
  child.once("exit", answerFor);
}
