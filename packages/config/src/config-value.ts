import { parseDuration } from "./duration.ts";
import { keyMissing, valueInvalid } from "./errors.ts";
import { isSecretName } from "./redact.ts";
import { parseSize } from "./size.ts";
import { parsePath, parseScalar, valueAt } from "./tree.ts";

/** What a {@link ConfigValue} reads from. */
export interface ConfigValueInit {
  readonly key: string;
  /** What holds now. */
  readonly read: () => unknown;
  /** Where the key was written, for errors. */
  readonly locate: () => string;
}

/**
 * The value at one key, for code that has no schema. It reads what holds at that moment, so it may be kept. Each of its readers
 * throws CLEW_CONFIG_KEY when there is no value, unless it is given one for that case, and CLEW_CONFIG_TYPE when the value is of
 * another kind; text that says one is taken as one: "8000" is a number, "true" a boolean.
 */
export class ConfigValue {
  readonly #init: ConfigValueInit;

  constructor(init: ConfigValueInit) {
    this.#init = init;
  }

  /** The value as it is; undefined when there is none. */
  get raw(): unknown {
    return this.#init.read();
  }

  get exists(): boolean {
    return this.raw !== undefined && this.raw !== null;
  }

  text(missing?: string): string {
    return this.#read(missing, "a text", (value) => {
      return typeof value === "object" ? undefined : String(value);
    });
  }

  number(missing?: number): number {
    return this.#read(missing, "a number", (value) => {
      const number = typeof value === "string" ? parseScalar(value) : typeof value === "bigint" ? Number(value) : value;
      return typeof number === "number" ? number : undefined;
    });
  }

  integer(missing?: number): number {
    const number = this.number(missing);
    if (!Number.isSafeInteger(number)) throw this.#wrong("a whole number", number);
    return number;
  }

  boolean(missing?: boolean): boolean {
    return this.#read(missing, "true or false", (value) => {
      const flag = typeof value === "string" ? parseScalar(value) : value;
      return typeof flag === "boolean" ? flag : undefined;
    });
  }

  /** Milliseconds: see `parseDuration`; a google.protobuf.Duration is one too. */
  durationMs(missing?: number): number {
    return this.#read(missing, "a duration", (value) => {
      if (typeof value === "object" && value !== null && "seconds" in value && "nanos" in value) {
        return Number(value.seconds) * 1_000 + Number(value.nanos) / 1e6;
      }
      return attempt(() => parseDuration(value));
    });
  }

  /** Bytes: see `parseSize`. */
  sizeBytes(missing?: number): number {
    return this.#read(missing, "a size", (value) => attempt(() => parseSize(value)));
  }

  list(missing?: readonly unknown[]): readonly unknown[] {
    return this.#read(missing, "a list", (value) => (Array.isArray(value) ? (value as readonly unknown[]) : undefined));
  }

  map(missing?: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    return this.#read(missing, "a map", (value) => {
      const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
      return isMap ? (value as Readonly<Record<string, unknown>>) : undefined;
    });
  }

  #read<T>(missing: T | undefined, what: string, convert: (value: unknown) => T | undefined): T {
    const { raw } = this;
    if (raw === undefined || raw === null) {
      if (missing !== undefined) return missing;
      throw keyMissing(this.#init.key);
    }
    const converted = convert(raw);
    if (converted === undefined) throw this.#wrong(what, raw);
    return converted;
  }

  #wrong(what: string, value: unknown): Error {
    const { key, locate } = this.#init;
    const isSecret = key.split(".").some(isSecretName);
    const shown = typeof value === "object" ? (Array.isArray(value) ? "a list" : "a map") : JSON.stringify(value);
    return valueInvalid(key, locate(), `must be ${what}, not ${isSecret ? "what it is" : shown}`);
  }
}

/** The value at a key of what `root` gives. */
export function createConfigValue(key: string, root: () => unknown, locate: () => string): ConfigValue {
  const path = parsePath(key);
  return new ConfigValue({ key, read: () => valueAt(root(), path), locate });
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
