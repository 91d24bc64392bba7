import type { Service } from "@clew/rpc";
import { methodOptionUnknown, methodOptionUnused } from "./errors.ts";

/** Options by operation, `/shop.Orders/Place`, or for all methods of a service, `/shop.Orders/*`. */
export type MethodEntries<T> = Readonly<Record<string, T>>;

/** What an entry may say. Servers that share their options pass over what is of another protocol. */
const optionNames = ["timeoutMs", "bodyLimitBytes", "codecs", "json"];

/**
 * Finds the entries that hold for an operation: that of its service, then its own.
 *
 * @throws CLEW_TRANSPORT_METHOD_OPTION for an entry that names nothing here, and for an option that there is not
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
  for (const [key, entry] of Object.entries(entries)) {
    if (!known.has(key)) throw methodOptionUnused(key, [...known]);
    for (const option of Object.keys(entry as object)) {
      if (!optionNames.includes(option)) throw methodOptionUnknown(key, option, optionNames);
    }
  }
  return (operation) =>
    [`${operation.slice(0, operation.lastIndexOf("/"))}/*`, operation].flatMap((key) => {
      const entry = entries[key];
      return entry === undefined ? [] : [[key, entry] as const];
    });
}
