// Nearly every name is in lower case already: checking that is cheaper than converting.
function toLower(name: string): string {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if ((code >= 0x41 && code <= 0x5a) || code >= 0x80) return name.toLowerCase();
  }
  return name;
}

/** Values that {@link Metadata} can be created from: pairs, or an object whose values are a string or several. */
export type MetadataInit = Iterable<readonly [string, string]> | Readonly<Record<string, string | readonly string[]>>;

// An object without inherited names that keeps V8's fast properties; Object.create(null) would lose them.
class Values {
  [name: string]: string | string[] | undefined;
}
Object.setPrototypeOf(Values.prototype, null);

/**
 * The headers of a call or of its reply. Names are kept in lower case; a name may have several values. Binary values
 * (names that end in `-bin` in gRPC) are base64 text here, as on the wire.
 */
export class Metadata implements Iterable<[string, string]> {
  #record: Record<string, string | string[] | undefined> | undefined;
  /** The headers as they were received, until a second one of them is read. */
  #raw: RawHeaders | undefined;

  constructor(init?: MetadataInit) {
    if (init === undefined) return;
    if (Symbol.iterator in init) {
      for (const [name, value] of init) this.append(name, value);
      return;
    }
    for (const [name, value] of Object.entries(init)) {
      if (typeof value === "string") this.set(name, value);
      else for (const one of value) this.append(name, one);
    }
  }

  /** Takes over an object whose names are in lower case, such as `IncomingMessage.headers`, without copying it. */
  static adopt(headers: Record<string, string | string[] | undefined>): Metadata {
    const metadata = new Metadata();
    metadata.#record = headers;
    return metadata;
  }

  /**
   * Takes headers as they were received, and converts them to an object only when all of them are wanted or one is changed. Most
   * requests have two or three headers read by name, and the conversion costs more than that (0.7 us).
   */
  static lazily(raw: RawHeaders): Metadata {
    const metadata = new Metadata();
    metadata.#raw = raw;
    return metadata;
  }

  /** Values by name: the live object behind this one, for a transport that writes it. */
  get record(): Record<string, string | string[] | undefined> {
    if (this.#record === undefined) {
      this.#record = this.#raw === undefined ? new Values() : this.#raw.toRecord();
      this.#raw = undefined;
    }
    return this.#record;
  }

  /** Returns the first value of a name. */
  get(name: string): string | undefined {
    if (this.#raw !== undefined) {
      const { pairs } = this.#raw;
      const at = indexOfHeader(pairs, name);
      if (at === -1) return undefined;
      // If a name occurs several times, how its values are joined depends on the header: toRecord() knows that.
      if (indexOfHeader(pairs, name, at + 2) === -1) return pairs[at + 1];
    }
    const value = this.record[toLower(name)];
    if (typeof value === "string") return value;
    // An adopted object has a prototype: an inherited value that is neither text nor a list is not a header.
    return Array.isArray(value) ? value[0] : undefined;
  }

  /** Returns all values of a name, in order; empty when there is none. */
  getAll(name: string): string[] {
    if (this.#raw !== undefined && indexOfHeader(this.#raw.pairs, name) === -1) return [];
    const value = this.record[toLower(name)];
    if (typeof value === "string") return [value];
    return Array.isArray(value) ? [...value] : [];
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Replaces all values of a name. */
  set(name: string, value: string | readonly string[]): void {
    this.record[name.toLowerCase()] = typeof value === "string" ? value : [...value];
  }

  /** Adds a value to the values of a name. */
  append(name: string, value: string): void {
    const key = name.toLowerCase();
    const old = this.record[key];
    if (typeof old === "string") this.record[key] = [old, value];
    else this.record[key] = Array.isArray(old) ? [...old, value] : value;
  }

  delete(name: string): void {
    delete this.record[name.toLowerCase()];
  }

  /** Whether any name begins with `prefix`, which must be in lower case. */
  hasPrefix(prefix: string): boolean {
    if (this.#raw === undefined) {
      for (const name in this.record) if (name.startsWith(prefix)) return true;
      return false;
    }
    const { pairs } = this.#raw;
    const first = prefix.charCodeAt(0);
    for (let at = 0; at < pairs.length; at += 2) {
      const name = pairs[at]!;
      // Small and capital letters differ in one bit.
      if ((name.charCodeAt(0) | 0x20) === (first | 0x20) && name.toLowerCase().startsWith(prefix)) return true;
    }
    return false;
  }

  /** Returns the names that have a value. */
  keys(): string[] {
    return Object.keys(this.record).filter((name) => this.record[name] !== undefined);
  }

  /** Iterates over pairs of a name and a value, one pair for each value. */
  *[Symbol.iterator](): Iterator<[string, string]> {
    for (const name in this.record) {
      const value = this.record[name];
      if (typeof value === "string") yield [name, value];
      else if (Array.isArray(value)) for (const one of value) yield [name, one];
    }
  }
}

/** Headers as they were received over the wire. */
export interface RawHeaders {
  /** Names and values alternately. */
  readonly pairs: readonly string[];
  /** Returns all headers by their lower-case names. */
  toRecord(): Record<string, string | string[] | undefined>;
}

/**
 * Returns the index of the first header with this name, in capitals or not, in an alternating list of names and values, searching
 * from `from`; -1 when there is none.
 */
export function indexOfHeader(pairs: readonly string[], name: string, from = 0): number {
  for (let at = from; at < pairs.length; at += 2) if (isSameName(pairs[at]!, name)) return at;
  return -1;
}

/** Whether two names are the same but for ASCII capitals. It makes no string, as `toLowerCase()` would for each header. */
function isSameName(one: string, other: string): boolean {
  const { length } = one;
  if (other.length !== length) return false;
  for (let index = 0; index < length; index++) {
    const code = one.charCodeAt(index);
    const difference = code ^ other.charCodeAt(index);
    if (difference === 0) continue;
    const letter = code | 0x20;
    if (difference !== 0x20 || letter < 0x61 || letter > 0x7a) return false;
  }
  return true;
}
