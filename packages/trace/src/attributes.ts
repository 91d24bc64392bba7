import { type AttributeLimits, maxNameLength } from "./span-limits.ts";

/** What an attribute can be: OpenTelemetry's AnyValue, checked and copied, so that it can always be encoded. */
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

/** The attributes of everything that has none. */
export const noAttributes: FlatAttributes = Object.freeze([]);

const maxDepth = 8;
const maxElements = 1024;

/**
 * Any value as an attribute's. It never throws: a cycle, a getter that does, a symbol become a word about themselves, depth and
 * number of elements are bounded, and strings are cut to `maxLength` characters. Undefined for what is no value.
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

/** One copy of a value under way: what it may still hold, and what it is inside of. */
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
 * Puts one attribute into a flat array; a key that is there gets the new value. Returns how many attributes were dropped: one
 * when the array holds `limits.attributes` of them, none otherwise. A value that is none leaves the array as it was.
 */
export function putAttribute(target: AttributeValue[], key: string, value: unknown, limits: AttributeLimits): number {
  if (typeof key !== "string" || key === "") return 0;
  const kept =
    typeof value === "number" || typeof value === "boolean" ? value : toAttributeValue(value, limits.valueLength);
  if (kept === undefined) return 0;
  const keptKey = key.length > maxNameLength ? key.slice(0, maxNameLength) : key;
  // A scan: spans hold about ten attributes, and comparing two interned keys is comparing two pointers.
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
    // A proxy that would not tell its keys: there is nothing to keep.
  }
  return dropped;
}

/** Attributes that many spans have in common: read and checked once, and written once. */
export interface SharedAttributes {
  readonly flat: FlatAttributes;
  readonly limits: AttributeLimits;
  /** What OTLP's encoder keeps of them. */
  otlp: unknown;
  /** What it was last joined to, what came of it, and the same of others before: a connection carries calls of several methods. */
  joined: { readonly to: SharedAttributes; readonly result: SharedAttributes | undefined } | undefined;
  earlier: Map<SharedAttributes, SharedAttributes["joined"]> | undefined;
}

const shared = new WeakMap<object, SharedAttributes>();

/** What a frozen object says, read when it is first seen; undefined for any other, and where the limits would cut something off. */
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

/** Two as one, `second` behind `first`; undefined where they are too many, or say something twice. */
export function joinAttributes(first: SharedAttributes, second: SharedAttributes): SharedAttributes | undefined {
  if (second.joined?.to !== first) second.joined = findJoined(first, second);
  return second.joined!.result;
}

/** Beyond so many, what comes of joining is forgotten. */
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
    // A proxy that will not say.
    return false;
  }
}

/** A name, whatever was given as one. */
export function toName(given: unknown): string {
  const name = toAttributeValue(given, maxNameLength);
  return typeof name === "object" ? "[object]" : String(name);
}

/** The value kept under `key`; undefined when there is none. */
export function findAttribute(attributes: FlatAttributes, key: string): AttributeValue | undefined {
  for (let index = 0; index < attributes.length; index += 2) {
    if (attributes[index] === key) return attributes[index + 1];
  }
  return undefined;
}
