import type { Service } from "@clew/rpc";
import { methodOptionUnused } from "./errors.ts";

/** Options by operation, `/shop.Orders/Place`, or for all methods of a service, `/shop.Orders/*`. */
export type MethodEntries<T> = Readonly<Record<string, T>>;

/**
 * Finds the entries that hold for an operation: that of its service, then its own.
 *
 * @throws CLEW_TRANSPORT_METHOD_OPTION for an entry that names nothing here
 */
export function findMethodEntries<T>(
  entries: MethodEntries<T>,
  services: readonly Service[],
): (operation: string) => (readonly [key: string, entry: T])[] {
  const known = new Set<string>();
  for (const service of services) {
    known.add(`/${service.desc.typeName}/*`);
    for (const { method } of service.methods) known.add(method.operation);
  }
  for (const key of Object.keys(entries)) if (!known.has(key)) throw methodOptionUnused(key, [...known]);
  return (operation) =>
    [`${operation.slice(0, operation.lastIndexOf("/"))}/*`, operation].flatMap((key) => {
      const entry = entries[key];
      return entry === undefined ? [] : [[key, entry] as const];
    });
}
