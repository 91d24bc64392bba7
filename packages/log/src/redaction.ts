/** What stands for a masked value. */
export const mask = "***";

/** What must not be written. */
export interface Redaction {
  /** Lower-case keys whose values are masked wherever they stand. */
  readonly keys: ReadonlySet<string>;
  /** Places whose values are masked: `["user", "cards", "*", "number"]`, in lower case; a `*` is any one key. */
  readonly paths: readonly (readonly string[])[];
  /** Texts that are masked wherever they stand, whole or, for an expression, what it finds. */
  readonly values: readonly (string | RegExp)[];
}

/** `password` is a key anywhere, `user.cards.*.number` a place. */
export function createRedaction(places: readonly string[], values: readonly (string | RegExp)[] = []): Redaction {
  const lower = places.map((place) => place.toLowerCase());
  return {
    keys: new Set(lower.filter((place) => !place.includes("."))),
    paths: lower.filter((place) => place.includes(".")).map((place) => place.split(".")),
    // An expression that finds once, or remembers where it was, would let the next one through.
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

/** A text without what must not be written. */
export function maskText(text: string, { values }: Redaction): string {
  let masked = text;
  for (const value of values) {
    if (typeof value !== "string") masked = masked.replace(value, mask);
    else if (masked === value) return mask;
  }
  return masked;
}
