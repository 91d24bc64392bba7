import type { Worker } from "node:cluster";

/** What node:cluster and a worker tell each other of a connection, as far as it is looked at here. */
interface ClusterMessage {
  readonly cmd?: unknown;
  readonly act?: unknown;
  readonly key?: unknown;
  readonly seq?: unknown;
  readonly ack?: unknown;
}

/**
 * When the worker is gone, answers for the connections that it was handed and had not acknowledged: they go to another worker
 * while `hasOther` says that one accepts, and are closed otherwise. node:cluster alone keeps them for ever, and so would their callers.
 *
 *     primary ─ { cmd: "NODE_CLUSTER", act: "newconn", key, seq: 7 }, the connection ─▶ worker
 *             ◀─ { cmd: "NODE_CLUSTER", ack: 7, accepted: true } ──────────────────────
 *
 * These messages are node:cluster's own. Should they look different one day, nothing is remembered and nothing is answered for.
 * docs/adr/0009 has the reasons.
 */
export function reclaimConnections({ process: child }: Worker, hasOther: () => boolean): void {
  // For each port one at most: node:cluster hands on the next when the last was acknowledged.
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
  // While it is connected an acknowledgement may be there that nobody has read. node:cluster's own listeners came first: what is
  // handed on now does not go to this worker again.
  const answerFor = (): void => {
    if (child.connected) return;
    for (const [key, ack] of handed) {
      handed.delete(key);
      child.emit("internalMessage", { cmd: "NODE_CLUSTER", ack, accepted: !hasOther() });
    }
  };
  child.once("disconnect", answerFor);
  // The other event does not come where Node still waits for the process to confirm a handle.
  child.once("exit", answerFor);
}
