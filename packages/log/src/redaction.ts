/** Stands for a masked value. */
export const mask = "***";

/** The values that must not be written. */
export interface Redaction {
  /** Keys, in lower case, whose values are masked at any depth. */
  readonly keys: ReadonlySet<string>;
  /** Paths whose values are masked: `["user", "cards", "*", "number"]`, in lower case. `*` is any one key. */
  readonly paths: readonly (readonly string[])[];
  /**
   * Values that are masked wherever they occur: a string masks a value equal to it, a regular expression masks each
   * match.
   */
  readonly values: readonly (string | RegExp)[];
}

/** A place without a dot (`password`) is a key at any depth; one with dots (`user.cards.*.number`) is a path. */
export function createRedaction(places: readonly string[], values: readonly (string | RegExp)[] = []): Redaction {
  const lower = places.map((place) => place.toLowerCase());
  return {
    keys: new Set(lower.filter((place) => !place.includes("."))),
    paths: lower.filter((place) => place.includes(".")).map((place) => place.split(".")),
    // Without the flag g, or with y, a regular expression would leave later matches unmasked.
    values: values.map((value) =>
      typeof value === "string" ? value : new RegExp(value.source, `${value.flags.replace(/[gy]/g, "")}g`),
    ),
  };
}

/** Whether the value under this key is masked. `path` leads to the object that has the key. */
export function isMasked({ keys, paths }: Redaction, key: string, path: readonly string[]): boolean {
  if (keys.size > 0 && keys.has(key.toLowerCase())) return true;
  return paths.some(
    (masked) =>
      masked.length === path.length + 1 &&
      matches(masked[path.length]!, key) &&
      path.every((part, index) => matches(masked[index]!, part)),
  );
}

function matches(masked: string, key: string): boolean {
  return masked === "*" || masked === key.toLowerCase();
}

/** Returns the text with everything masked that must not be written. */
export function maskText(text: string, { values }: Redaction): string {
  let masked = text;
  for (const value of values) {
    if (typeof value !== "string") masked = masked.replace(value, mask);
    else if (masked === value) return mask;
  }
  return masked;
}
