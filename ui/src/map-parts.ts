import type { Backing, CallStats, ServiceMap, Tag } from "./api.ts";
import { tracesOf } from "./summary-filter.ts";
import type { TimeRange } from "./time-range.ts";

/** A service, a database or a queue on the map and in its tables. */
export interface MapNode {
  /** Of this map alone. */
  id: string;
  kind: "service" | Backing["kind"];
  /** "user"; of a database its namespace or its host, of a queue its destination. */
  name: string;
  /** "postgresql"; empty for a service, and where it is the name already. */
  system: string;
  /** What tells it from others, in one line: "database shop, postgresql, db-1". */
  title: string;
  stats: CallStats;
  url: string;
  failedUrl: string;
}

/** One calls another, or a link leads from one to the other. */
export interface MapCall extends CallStats {
  parent: string;
  child: string;
  from: MapNode;
  to: MapNode;
  isLink: boolean;
  /** "user calls profile", "mailer takes from the queue orders, kafka". */
  title: string;
  url: string;
  failedUrl: string;
}

/** What the map and its tables show of the services and all that they call; links lead to the traces of the range. */
export function partsOf(map: ServiceMap, range: TimeRange): { nodes: MapNode[]; calls: MapCall[] } {
  const services = new Map(
    map.services.map((stats): [string, MapNode] => [
      stats.name,
      {
        id: stats.name,
        kind: "service",
        name: stats.name,
        system: "",
        title: stats.name,
        stats,
        url: tracesOf(stats.name, range),
        failedUrl: tracesOf(stats.name, range, { failed: true }),
      },
    ]),
  );
  const backings = map.backings.map((backing, index): MapNode => {
    const { kind, system, host } = backing;
    const name = nameOf(backing, map.backings);
    const tags = tagsOf(map, index);
    return {
      id: `${kind} ${system}/${backing.name}@${host}`,
      kind,
      name,
      system: name === system ? "" : system,
      title: [`${kind} ${name}`, name === system ? "" : system, host === name ? "" : host]
        .filter((part) => part !== "")
        .join(", "),
      stats: backing,
      url: tracesOf("", range, { tags }),
      failedUrl: tracesOf("", range, { tags, failed: true }),
    };
  });
  const between = (calls: ServiceMap["dependencies"], isLink: boolean): MapCall[] =>
    calls.map((call) => {
      const { parent, child } = call;
      // The collector finds a caller by its parent alone, not by a link.
      const caller = isLink ? {} : { caller: parent };
      return {
        ...call,
        from: services.get(parent)!,
        to: services.get(child)!,
        isLink,
        title: isLink ? `a link leads from ${parent} to ${child}` : `${parent} calls ${child}`,
        url: tracesOf(child, range, caller),
        failedUrl: tracesOf(child, range, { ...caller, failed: true }),
      };
    });
  const ofBackings = map.backingCalls.map((call): MapCall => {
    const { service, tags, isTaking } = call;
    const node = services.get(service)!;
    const backing = backings[call.backing]!;
    const [from, to] = isTaking ? [backing, node] : [node, backing];
    const verb = isTaking ? "takes from" : backing.kind === "queue" ? "sends to" : "asks";
    return {
      ...call,
      parent: from.id,
      child: to.id,
      from,
      to,
      isLink: false,
      title: `${service} ${verb} the ${backing.title}`,
      url: tracesOf(service, range, { tags }),
      failedUrl: tracesOf(service, range, { tags, failed: true }),
    };
  });
  return {
    nodes: [...services.values(), ...backings],
    calls: [...between(map.dependencies, false), ...between(map.links, true), ...ofBackings],
  };
}

/** As short as it can be told from the others. */
function nameOf(backing: Backing, all: readonly Backing[]): string {
  const { kind, system, name, host } = backing;
  if (name === "") return host || system || "unnamed";
  const isAlone = !all.some((other) => {
    return other !== backing && other.kind === kind && other.system === system && other.name === name;
  });
  return isAlone || host === "" ? name : `${host}/${name}`;
}

/** By what its traces are found, whoever calls it: as most of its calls are written. */
function tagsOf({ backingCalls }: ServiceMap, backing: number): Tag[] {
  const calls = backingCalls.filter((call) => call.backing === backing).sort((a, b) => b.callCount - a.callCount);
  const named = calls.map(({ tags }) => tags.filter(({ key }) => key !== "span.kind"));
  return named.find((tags) => tags.length > 0) ?? calls[0]?.tags ?? [];
}
