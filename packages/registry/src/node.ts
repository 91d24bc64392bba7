import type { Instance } from "./instance.ts";

/** An instance as callers see it: one of its endpoints, and the facts that a choice may depend on. */
export interface Node {
  /** Identifies the node among all others, and stays the same over updates: its endpoint, `grpc://10.0.0.5:9000`. */
  readonly key: string;
  /** The URL at which it is reached. */
  readonly endpoint: URL;
  /** `10.0.0.5:9000` */
  readonly address: string;
  /** The id of its instance; empty when it does not come from a registry. */
  readonly id: string;
  /** The name of its service; empty when it does not come from a registry. */
  readonly name: string;
  /** Empty when it is unknown. */
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Its capacity relative to the other nodes: `metadata.weight`, or 100. */
  readonly weight: number;
}

/** The weight of a node without one, as in Kratos. */
export const defaultWeight = 100;

/** Creates the node of an instance that is reached at `endpoint`. Without an instance only its endpoint is known. */
export function createNode(endpoint: string | URL, instance?: Instance): Node {
  const url = new URL(endpoint);
  // Old instances of Kratos have "?isSecure=false" at the end of their endpoints.
  url.search = "";
  url.hash = "";
  if (!url.protocol.startsWith("http")) url.pathname = "";
  const metadata = instance?.metadata ?? noMetadata;
  return {
    key: url.href.replace(/\/$/, ""),
    endpoint: url,
    address: url.host,
    id: instance?.id ?? "",
    name: instance?.name ?? "",
    version: instance?.version ?? "",
    metadata,
    weight: toWeight(metadata.weight),
  };
}

const noMetadata: Readonly<Record<string, string>> = Object.freeze({});

// Other programs write weights too: an invalid one must not hide the node. 0 is valid: such a node gets calls only when no
// other node can take them.
function toWeight(text: string | undefined): number {
  const weight = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  return weight >= 0 && Number.isFinite(weight) ? weight : defaultWeight;
}

/** Whether a node is unchanged, so that the old object can stay in its place. */
export function isSameNode(a: Node, b: Node): boolean {
  if (a.key !== b.key || a.id !== b.id || a.name !== b.name || a.version !== b.version) return false;
  const keys = Object.keys(a.metadata);
  return keys.length === Object.keys(b.metadata).length && keys.every((key) => a.metadata[key] === b.metadata[key]);
}
