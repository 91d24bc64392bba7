import type { Cluster } from "node:cluster";

/** node:cluster takes 9 ms to load, with all of child_process, and most apps have no workers. */
export function loadCluster(): Cluster {
  return process.getBuiltinModule("node:cluster") as unknown as Cluster;
}
