import { aText, checkOptions, numberFrom, type OptionChecks } from "@clew/options";
import type { Call } from "@clew/rpc";
import { optionError } from "./errors.ts";
import type { Node } from "./node.ts";

/** Returns the nodes that a call may be sent to; the result may be empty. It must not change the list. */
export type NodeFilter = (nodes: readonly Node[], call: Call) => readonly Node[];

/** Selects nodes of this version. */
export function byVersion(version: string): NodeFilter {
  return (nodes) => nodes.filter((node) => node.version === version);
}

/** Selects nodes whose metadata has all of these labels. */
export function byLabels(labels: Readonly<Record<string, string>>): NodeFilter {
  const wanted = Object.entries(labels);
  return (nodes) => nodes.filter(({ metadata }) => wanted.every(([key, value]) => metadata[key] === value));
}

export interface ZoneOptions {
  /** The metadata key that contains a node's zone. Default: "zone". */
  label?: string;
  /** If the zone has fewer nodes than this, calls go to all zones. Default: 1. */
  minNodes?: number;
  /**
   * If the zone has a smaller part of all nodes than this, in percent, calls go to all zones: otherwise a few nodes would get the
   * calls of a whole zone. Default: 0.
   */
  minPercent?: number;
}

const zoneChecks: OptionChecks<ZoneOptions> = {
  label: aText,
  minNodes: numberFrom(1),
  minPercent: numberFrom(0, 100),
};

/**
 * Selects the nodes of the given zone while enough of them are healthy, otherwise all nodes.
 *
 * @throws CLEW_REGISTRY_OPTION
 */
export function preferZone(zone: string, options: ZoneOptions = {}): NodeFilter {
  checkOptions("preferZone", options, zoneChecks, optionError);
  const { label = "zone", minNodes = 1, minPercent = 0 } = options;
  return (nodes) => {
    const near = nodes.filter(({ metadata }) => metadata[label] === zone);
    return near.length >= minNodes && near.length * 100 >= nodes.length * minPercent ? near : nodes;
  };
}
