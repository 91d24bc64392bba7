import { parseDuration } from "./duration.ts";
import { keyMissing, valueInvalid } from "./errors.ts";
import { isSecretName } from "./redact.ts";
import { parseSize } from "./size.ts";
import { parsePath, parseScalar, valueAt } from "./tree.ts";

/** The functions that a {@link ConfigValue} reads with. */
export interface ConfigValueInit {
  readonly key: string;
  /** Returns the current value. */
  readonly read: () => unknown;
  /** Returns where the key was written, for errors. */
  readonly locate: () => string;
}

/**
 * The value at one key, for code that has no schema. Each read returns the current value, so the object may be kept. Every
 * reading function throws CLEW_CONFIG_KEY when the key has no value and no fallback is given, and CLEW_CONFIG_TYPE when the
 * value has another type. Text that spells a value of the wanted type is converted: "8000" is read as a number, "true" as a
 * boolean.
 */
export class ConfigValue {
  readonly #init: ConfigValueInit;

  constructor(init: ConfigValueInit) {
    this.#init = init;
  }

  /** The value without conversion; undefined when the key has none. */
  get raw(): unknown {
    return this.#init.read();
  }

  get exists(): boolean {
    return this.raw !== undefined && this.raw !== null;
  }

  text(missing?: string): string {
    return this.#read(missing, "a string", (value) => {
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

  /** Reads milliseconds: see `parseDuration`. A google.protobuf.Duration is also accepted. */
  durationMs(missing?: number): number {
    return this.#read(missing, "a duration", (value) => {
      if (typeof value === "object" && value !== null && "seconds" in value && "nanos" in value) {
        return Number(value.seconds) * 1_000 + Number(value.nanos) / 1e6;
      }
      return attempt(() => parseDuration(value));
    });
  }

  /** Reads bytes: see `parseSize`. */
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
    return valueInvalid(
      key,
      locate(),
      `must be ${what}, not ${isSecret ? "the value given (hidden: the key names a secret)" : shown}`,
    );
  }
}

/** Creates the value at a key of the tree that `root` returns. */
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
