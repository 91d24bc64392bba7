/** A set of variables: process.env, or a test's object. */
export type Environment = Readonly<Record<string, string | undefined>>;

const told = new Set<string>();

/**
 * Warns, once per variable and value, that a value is not understood: it names the variable, the given value, the accepted
 * values, and the value in effect. It is a process warning: on standard error by default, and it does not interrupt the app.
 */
export function warnOfVariable(name: string, given: string, accepted: string, held: string): void {
  const key = `${name}=${given}`;
  if (told.has(key)) return;
  told.add(key);
  const message = `${name} is ${JSON.stringify(given.slice(0, 200))}; accepted: ${accepted}. Now ${held} holds.`;
  process.emitWarning(message, { type: "ConfigurationWarning", code: "CLEW_TRACE_VARIABLE" });
}

/** Reads a whole number of at least `least` from a variable; undefined if it is not set, or is invalid (with a warning). */
export function readCount(
  env: Environment,
  name: string,
  least: number,
  fallback: string | number,
): number | undefined {
  const text = env[name]?.trim();
  if (!text) return undefined;
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= least) return count;
  warnOfVariable(name, text, `a whole number from ${least}`, String(fallback));
  return undefined;
}

/** True for "true" in any case; warns unless it is that, "false" or empty. OpenTelemetry's booleans default to false. */
export function readBoolean(env: Environment, name: string): boolean {
  const text = env[name]?.trim().toLowerCase();
  if (!text || text === "false") return false;
  if (text === "true") return true;
  warnOfVariable(name, text, "true, false", "false");
  return false;
}

/** Reads one of the `known` words, which are lower-case; undefined if the variable is not set, or is none of them (with a warning). */
export function readWord<W extends string>(
  env: Environment,
  name: string,
  known: readonly W[],
  fallback: string,
): W | undefined {
  const text = env[name]?.trim().toLowerCase();
  if (!text) return undefined;
  const word = known.find((one) => one === text);
  if (word === undefined) warnOfVariable(name, text, known.join(", "), fallback);
  return word;
}

/** Reads the words of a comma-separated variable, lower-case, without duplicates; undefined if there are none. */
export function readWords(env: Environment, name: string): string[] | undefined {
  const words = (env[name] ?? "").split(",").map((word) => word.trim().toLowerCase());
  const found = [...new Set(words.filter((word) => word !== ""))];
  return found.length === 0 ? undefined : found;
}
