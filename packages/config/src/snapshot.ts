/** A configuration at one moment: complete, valid, and deeply frozen. */
export type Snapshot<T> = unknown extends T
  ? T
  : T extends ((...args: never[]) => unknown) | Date | URL | RegExp | Uint8Array
    ? T
    : { readonly [K in keyof T]: Snapshot<T[K]> };

/**
 * Freezes maps, lists and protobuf messages at every depth. Other objects that a schema made (a Date, a URL) stay as
 * they are.
 */
export function freezeSnapshot<T>(value: T): Snapshot<T> {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    const prototype: unknown = Object.getPrototypeOf(value);
    const isPlain = prototype === Object.prototype || prototype === Array.prototype || prototype === null;
    if (isPlain || "$typeName" in value) {
      Object.freeze(value);
      for (const inner of Object.values(value)) freezeSnapshot(inner);
    }
  }
  return value as Snapshot<T>;
}
