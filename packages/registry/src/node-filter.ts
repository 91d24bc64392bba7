import { aText, checkOptions, numberFrom, type OptionChecks } from "@clew/options";
import type { Call } from "@clew/rpc";
import { optionError } from "./errors.ts";
import type { Node } from "./node.ts";

/** Says which of the nodes a call may go to; none is an answer too. It must not change the list. */
export type NodeFilter = (nodes: readonly Node[], call: Call) => readonly Node[];

/** Only nodes of this version. */
export function byVersion(version: string): NodeFilter {
  return (nodes) => nodes.filter((node) => node.version === version);
}

/** Only nodes whose metadata has all of these. */
export function byLabels(labels: Readonly<Record<string, string>>): NodeFilter {
  const wanted = Object.entries(labels);
  return (nodes) => nodes.filter(({ metadata }) => wanted.every(([key, value]) => metadata[key] === value));
}

export interface ZoneOptions {
  /** The metadata that names a node's zone. Default: "zone". */
  label?: string;
  /** With fewer nodes than this in the zone, and in all, calls go everywhere. Default: 1. */
  minNodes?: number;
  /** With a smaller part of all nodes in the zone, in percent, calls go everywhere: few nodes would take a whole zone's calls. Default: 0. */
  minPercent?: number;
}

const zoneChecks: OptionChecks<ZoneOptions> = {
  label: aText,
  minNodes: numberFrom(1),
  minPercent: numberFrom(0, 100),
};

/**
 * Nodes of the own zone while there are enough of them that are well, all nodes otherwise.
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
