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
  /** Name to value or values: the live object behind this one, for a transport that writes it out. */
  readonly record: Record<string, string | string[] | undefined>;

  constructor(init?: MetadataInit) {
    this.record = new Values();
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
    const metadata = Object.create(Metadata.prototype) as { record: typeof headers };
    metadata.record = headers;
    return metadata as Metadata;
  }

  /** The first value of a name. */
  get(name: string): string | undefined {
    const value = this.record[name.toLowerCase()];
    if (typeof value === "string") return value;
    // An adopted object has a prototype: what is neither text nor a list is no header.
    return Array.isArray(value) ? value[0] : undefined;
  }

  /** All values of a name, in order; empty when there is none. */
  getAll(name: string): string[] {
    const value = this.record[name.toLowerCase()];
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
