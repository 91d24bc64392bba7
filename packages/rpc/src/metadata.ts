// Nearly every name is in lower case already: seeing that is cheaper than making it so.
function toLower(name: string): string {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if ((code >= 0x41 && code <= 0x5a) || code >= 0x80) return name.toLowerCase();
  }
  return name;
}

/** What {@link Metadata} can be made from: pairs, or an object whose values are a string or several. */
export type MetadataInit = Iterable<readonly [string, string]> | Readonly<Record<string, string | readonly string[]>>;

// An object without inherited names that keeps V8's fast properties, which Object.create(null) does not.
class Values {
  [name: string]: string | string[] | undefined;
}
Object.setPrototypeOf(Values.prototype, null);

/**
 * The headers of a call or of its reply. Names are kept in lower case; a name may have several values.
 * Binary values (`-bin` names in gRPC) are base64 text here, as they are on the wire.
 */
export class Metadata implements Iterable<[string, string]> {
  #record: Record<string, string | string[] | undefined> | undefined;
  /** Headers as they came, until somebody asks for more than one of them. */
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

  /** Takes over an object that already has lower-case names, such as `IncomingMessage.headers`, without copying it. */
  static adopt(headers: Record<string, string | string[] | undefined>): Metadata {
    const metadata = new Metadata();
    metadata.#record = headers;
    return metadata;
  }

  /**
   * Takes headers as they came, and makes an object of them only for who wants them all or changes one: of most requests somebody
   * looks at two or three by name, and making the object costs more than that (0.7 us).
   */
  static lazily(raw: RawHeaders): Metadata {
    const metadata = new Metadata();
    metadata.#raw = raw;
    return metadata;
  }

  /** Name to value or values: the live object behind this one, for a transport that writes it out. */
  get record(): Record<string, string | string[] | undefined> {
    if (this.#record === undefined) {
      this.#record = this.#raw === undefined ? new Values() : this.#raw.toRecord();
      this.#raw = undefined;
    }
    return this.#record;
  }

  /** The first value of a name. */
  get(name: string): string | undefined {
    const key = toLower(name);
    if (this.#raw !== undefined) {
      const at = indexOfHeader(this.#raw.pairs, key);
      if (at === -1) return undefined;
      // Several of a name are for those to join who know how.
      if (indexOfHeader(this.#raw.pairs, key, at + 2) === -1) return this.#raw.pairs[at + 1];
    }
    const value = this.record[key];
    if (typeof value === "string") return value;
    // An adopted object has a prototype: what is neither text nor a list is no header.
    return Array.isArray(value) ? value[0] : undefined;
  }

  /** All values of a name, in order; empty when there is none. */
  getAll(name: string): string[] {
    const key = toLower(name);
    if (this.#raw !== undefined && indexOfHeader(this.#raw.pairs, key) === -1) return [];
    const value = this.record[key];
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

  /** Adds a value to those the name has. */
  append(name: string, value: string): void {
    const key = name.toLowerCase();
    const old = this.record[key];
    if (typeof old === "string") this.record[key] = [old, value];
    else this.record[key] = Array.isArray(old) ? [...old, value] : value;
  }

  delete(name: string): void {
    delete this.record[name.toLowerCase()];
  }

  /** Whether a name begins with `prefix`, which is in lower case. */
  hasPrefix(prefix: string): boolean {
    if (this.#raw === undefined) {
      for (const name in this.record) if (name.startsWith(prefix)) return true;
      return false;
    }
    const { pairs } = this.#raw;
    const first = prefix.charCodeAt(0);
    for (let at = 0; at < pairs.length; at += 2) {
      const name = pairs[at]!;
      // Letters differ by one bit from their capitals.
      if ((name.charCodeAt(0) | 0x20) === (first | 0x20) && name.toLowerCase().startsWith(prefix)) return true;
    }
    return false;
  }

  /** The names that have a value. */
  keys(): string[] {
    return Object.keys(this.record).filter((name) => this.record[name] !== undefined);
  }

  /** Every name with every value, one pair for each value. */
  *[Symbol.iterator](): Iterator<[string, string]> {
    for (const name in this.record) {
      const value = this.record[name];
      if (typeof value === "string") yield [name, value];
      else if (Array.isArray(value)) for (const one of value) yield [name, one];
    }
  }
}

/** Headers as they came over the wire. */
export interface RawHeaders {
  /** Names and values in turn. */
  readonly pairs: readonly string[];
  /** All of them by their lower-case names. */
  toRecord(): Record<string, string | string[] | undefined>;
}

/** Where the first header of this lower-case name is among names and values in turn, from `from` on; -1 when there is none. */
export function indexOfHeader(pairs: readonly string[], name: string, from = 0): number {
  const { length } = name;
  for (let at = from; at < pairs.length; at += 2) {
    const other = pairs[at]!;
    if (other.length === length && (other === name || other.toLowerCase() === name)) return at;
  }
  return -1;
}
