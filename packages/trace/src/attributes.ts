import { type AttributeLimits, maxNameLength } from "./span-limits.ts";

/** The value of an attribute: OpenTelemetry's AnyValue, checked and copied, so that it can always be encoded. */
export type AttributeValue =
  | string
  | number
  | boolean
  | bigint
  | null
  | Uint8Array
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

/** Attributes in one flat array: key, value, key, value. Keys are unique. */
export type FlatAttributes = readonly AttributeValue[];

/** The empty list of attributes. */
export const noAttributes: FlatAttributes = Object.freeze([]);

const maxDepth = 8;
const maxElements = 1024;

/**
 * Converts any value to an attribute's value. It never throws: a cycle, a throwing getter or a symbol is replaced by a word that
 * describes it. Depth and number of elements are limited, and strings are cut to `maxLength` characters. Undefined for no value.
 */
export function toAttributeValue(value: unknown, maxLength: number): AttributeValue | undefined {
  switch (typeof value) {
    case "string":
      return value.length > maxLength ? value.slice(0, maxLength) : value;
    case "number":
    case "boolean":
      return value;
    case "undefined":
      return undefined;
    default:
      if (value === null) return undefined;
      return new Copy(maxLength).of(value, 0);
  }
}

/** The state of copying one value: the remaining number of elements, and the enclosing objects. */
class Copy {
  readonly #maxLength: number;
  readonly #path: object[] = [];
  #elements = 0;

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  of(value: unknown, depth: number): AttributeValue {
    switch (typeof value) {
      case "string":
        return this.#cut(value);
      case "number":
      case "boolean":
        return value;
      case "bigint":
        return BigInt.asIntN(64, value) === value ? value : this.#cut(String(value));
      case "undefined":
        return null;
      case "symbol":
        return this.#cut(String(value));
      case "function":
        return "[Function]";
      default:
        if (value === null) return null;
        try {
          return this.#ofObject(value as object, depth);
        } catch {
          return "[Unreadable]";
        }
    }
  }

  #ofObject(value: object, depth: number): AttributeValue {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
    if (value instanceof Error) return this.#cut(`${String(value.name)}: ${String(value.message)}`);
    if (value instanceof RegExp || value instanceof URL) return this.#cut(String(value));
    if (value instanceof Uint8Array) return value.slice(0, this.#maxLength);
    if (this.#path.includes(value)) return "[Circular]";
    if (depth >= maxDepth) return "[Deep]";
    this.#path.push(value);
    try {
      if (Array.isArray(value)) return this.#ofElements(value, depth);
      if (value instanceof Set) return this.#ofElements(value, depth);
      if (ArrayBuffer.isView(value) && Symbol.iterator in value)
        return this.#ofElements(value as Iterable<unknown>, depth);
      if (value instanceof Map) return this.#ofEntries(value, depth);
      return this.#ofEntries(entriesOf(value), depth);
    } finally {
      this.#path.pop();
    }
  }

  #ofElements(elements: Iterable<unknown>, depth: number): AttributeValue {
    const copy: AttributeValue[] = [];
    for (const element of elements) {
      if (!this.#hasRoom()) break;
      copy.push(this.of(element, depth + 1));
    }
    return copy;
  }

  #ofEntries(entries: Iterable<readonly [unknown, unknown]>, depth: number): AttributeValue {
    const copy: Record<string, AttributeValue> = Object.create(null) as Record<string, AttributeValue>;
    for (const [key, element] of entries) {
      if (element === undefined) continue;
      if (!this.#hasRoom()) break;
      copy[this.#cut(String(key))] = this.of(element, depth + 1);
    }
    return copy;
  }

  #hasRoom(): boolean {
    this.#elements++;
    return this.#elements <= maxElements;
  }

  #cut(text: string): string {
    return text.length > this.#maxLength ? text.slice(0, this.#maxLength) : text;
  }
}

function* entriesOf(value: object): Generator<readonly [string, unknown]> {
  for (const key of Object.keys(value)) yield [key, readProperty(value, key)];
}

function readProperty(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return "[Unreadable]";
  }
}

/**
 * Puts one attribute into a flat array; an existing key gets the new value. Returns how many attributes were dropped: one if
 * the array already contains `limits.attributes` of them, otherwise none. An invalid value leaves the array unchanged.
 */
export function putAttribute(target: AttributeValue[], key: string, value: unknown, limits: AttributeLimits): number {
  if (typeof key !== "string" || key === "") return 0;
  const kept =
    typeof value === "number" || typeof value === "boolean" ? value : toAttributeValue(value, limits.valueLength);
  if (kept === undefined) return 0;
  const keptKey = key.length > maxNameLength ? key.slice(0, maxNameLength) : key;
  // A linear scan: spans have about ten attributes, and comparing two interned keys compares two pointers.
  for (let index = 0; index < target.length; index += 2) {
    if (target[index] === keptKey) {
      target[index + 1] = kept;
      return 0;
    }
  }
  if (target.length >= limits.attributes * 2) return 1;
  target.push(keptKey, kept);
  return 0;
}

/** Puts all attributes of a user's object, as {@link putAttribute} does. Returns how many were dropped. */
export function putAttributes(target: AttributeValue[], attributes: unknown, limits: AttributeLimits): number {
  if (typeof attributes !== "object" || attributes === null) return 0;
  let dropped = 0;
  try {
    for (const key of Object.keys(attributes)) {
      dropped += putAttribute(target, key, readProperty(attributes, key), limits);
    }
  } catch {
    // A proxy that throws when its keys are read: it has no attributes to keep.
  }
  return dropped;
}

/** Attributes that many spans share: read, checked and encoded once. */
export interface SharedAttributes {
  readonly flat: FlatAttributes;
  readonly limits: AttributeLimits;
  /** The OTLP encoder's cache for them. */
  otlp: unknown;
  /** What it was last joined to, what came of it, and the same of others before: a connection carries calls of several methods. */
  joined: { readonly to: SharedAttributes; readonly result: SharedAttributes | undefined } | undefined;
  earlier: Map<SharedAttributes, SharedAttributes["joined"]> | undefined;
}

const shared = new WeakMap<object, SharedAttributes>();

/** Returns the attributes of a frozen object, which is read once. Undefined for other objects, and if limits would cut anything off. */
export function shareAttributes(attributes: object, limits: AttributeLimits): SharedAttributes | undefined {
  const known = shared.get(attributes);
  if (known !== undefined) return known.limits === limits ? known : undefined;
  if (!isFrozen(attributes)) return undefined;
  const flat: AttributeValue[] = [];
  if (putAttributes(flat, attributes, limits) > 0) return undefined;
  const made: SharedAttributes = { flat, limits, otlp: undefined, joined: undefined, earlier: undefined };
  shared.set(attributes, made);
  return made;
}

/** Joins two sets of attributes, `second` after `first`; undefined if there are too many, or if they have a key in common. */
export function joinAttributes(first: SharedAttributes, second: SharedAttributes): SharedAttributes | undefined {
  if (second.joined?.to !== first) second.joined = findJoined(first, second);
  return second.joined!.result;
}

/** The maximum number of cached joins. */
const maxJoined = 64;

function findJoined(first: SharedAttributes, second: SharedAttributes): SharedAttributes["joined"] {
  second.earlier ??= new Map();
  let joined = second.earlier.get(first);
  if (joined === undefined) {
    joined = { to: first, result: join(first, second) };
    if (second.earlier.size >= maxJoined) second.earlier.clear();
    second.earlier.set(first, joined);
  }
  return joined;
}

function join(
  { flat: first, limits }: SharedAttributes,
  { flat: second }: SharedAttributes,
): SharedAttributes | undefined {
  if (first.length + second.length > 2 * limits.attributes) return undefined;
  for (let index = 0; index < second.length; index += 2) {
    if (findAttribute(first, second[index] as string) !== undefined) return undefined;
  }
  return { flat: [...first, ...second], limits, otlp: undefined, joined: undefined, earlier: undefined };
}

function isFrozen(value: object): boolean {
  try {
    return Object.isFrozen(value);
  } catch {
    // A proxy that throws.
    return false;
  }
}

/** Converts any value to a name. */
export function toName(given: unknown): string {
  const name = toAttributeValue(given, maxNameLength);
  return typeof name === "object" ? "[object]" : String(name);
}

/** Returns the value of `key`; undefined if there is none. */
export function findAttribute(attributes: FlatAttributes, key: string): AttributeValue | undefined {
  for (let index = 0; index < attributes.length; index += 2) {
    if (attributes[index] === key) return attributes[index + 1];
  }
  return undefined;
}
