import type { DescService } from "@bufbuild/protobuf";
import { createMethod, type Service } from "@clew/rpc";
import { methodOptionUnknown, methodOptionUnused } from "./errors.ts";

/** Options by operation, `/shop.Orders/Place`, or for all methods of a service, `/shop.Orders/*`. */
export type MethodEntries<T> = Readonly<Record<string, T>>;

/** The options that an entry may have. Servers that share their options ignore those of another protocol. */
const optionNames = ["timeoutMs", "bodyLimitBytes", "codecs", "json"];

/**
 * Returns the entries that apply to an operation: that of its service, then its own.
 *
 * @throws CLEW_TRANSPORT_METHOD_OPTION for an entry that matches no method here, and for an unknown option
 */
export function findMethodEntries<T>(
  entries: MethodEntries<T>,
  services: readonly Service[],
): (operation: string) => (readonly [key: string, entry: T])[] {
  checkMethodEntries(
    entries,
    services.map(({ desc }) => desc),
    { isAll: true },
  );
  return (operation) =>
    [`${operation.slice(0, operation.lastIndexOf("/"))}/*`, operation].flatMap((key) => {
      const entry = entries[key];
      return entry === undefined ? [] : [[key, entry] as const];
    });
}

/**
 * @param isAll whether these are all services; otherwise an entry may belong to another one
 * @throws CLEW_TRANSPORT_METHOD_OPTION for an entry that matches no method here, and for an unknown option
 */
export function checkMethodEntries<T>(
  entries: MethodEntries<T>,
  services: readonly DescService[],
  { isAll }: { readonly isAll: boolean },
): void {
  const known = services.flatMap(({ typeName, methods }) => [
    `/${typeName}/*`,
    ...methods.map((method) => createMethod(method).operation),
  ]);
  for (const [key, entry] of Object.entries(entries)) {
    if (!known.includes(key) && (isAll || !isOfAnother(key, services))) throw methodOptionUnused(key, known);
    for (const option of Object.keys(entry as object)) {
      if (!optionNames.includes(option)) throw methodOptionUnknown(key, option, optionNames);
    }
  }
}

/** Whether a key has the form of an operation, `/shop.Orders/Place`, and its service is not among these. */
function isOfAnother(key: string, services: readonly DescService[]): boolean {
  const [, typeName] = /^\/([^/]+)\/[^/]+$/.exec(key) ?? [];
  return typeName !== undefined && services.every((service) => service.typeName !== typeName);
}
