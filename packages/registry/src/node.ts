import type { Instance } from "./instance.ts";

/** An instance as callers see it: one endpoint of it, and what a choice may depend on. */
export interface Node {
  /** Tells it from all other nodes, over every update: its endpoint, `grpc://10.0.0.5:9000`. */
  readonly key: string;
  /** Where it is reached. */
  readonly endpoint: URL;
  /** `10.0.0.5:9000` */
  readonly address: string;
  /** The id of its instance; empty when it comes from no registry. */
  readonly id: string;
  /** The name of its service; empty when it comes from no registry. */
  readonly name: string;
  /** Empty when it is not known. */
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** How much it takes compared with the others: `metadata.weight`, 100 when there is none. */
  readonly weight: number;
}

/** The weight of a node that names none, as Kratos has it. */
export const defaultWeight = 100;

/** A node of an instance, reached at `endpoint`. Without an instance it is known by its endpoint alone. */
export function createNode(endpoint: string | URL, instance?: Instance): Node {
  const url = new URL(endpoint);
  // Old instances of Kratos have "?isSecure=false" behind their endpoints.
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

// Others write weights too; one that is none must not hide the node. 0 is one: it takes calls when nobody else can.
function toWeight(text: string | undefined): number {
  const weight = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  return weight >= 0 && Number.isFinite(weight) ? weight : defaultWeight;
}

/** Whether a node is still what it was, so that the old one may stay in its place. */
export function isSameNode(a: Node, b: Node): boolean {
  if (a.key !== b.key || a.id !== b.id || a.name !== b.name || a.version !== b.version) return false;
  const keys = Object.keys(a.metadata);
  return keys.length === Object.keys(b.metadata).length && keys.every((key) => a.metadata[key] === b.metadata[key]);
}
