/** Where variables are read: process.env, or what a test gives. */
export type Environment = Readonly<Record<string, string | undefined>>;

const told = new Set<string>();

/**
 * Tells that a variable has a value nobody knows, once for each: which variable, what was given, what would be accepted, what
 * holds now. It is a process warning: on standard error by default, and never in the app's way.
 */
export function warnOfVariable(name: string, given: string, accepted: string, held: string): void {
  const key = `${name}=${given}`;
  if (told.has(key)) return;
  told.add(key);
  const message = `${name} is ${JSON.stringify(given.slice(0, 200))}; accepted: ${accepted}. Now ${held} holds.`;
  process.emitWarning(message, { type: "ConfigurationWarning", code: "CLEW_TRACE_VARIABLE" });
}

/** A whole number of at least `least` out of a variable; undefined when it is not set, or was told to be wrong. */
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

/** True for "true" in any case; what is neither that nor "false" nor empty is told. OpenTelemetry's booleans default to false. */
export function readBoolean(env: Environment, name: string): boolean {
  const text = env[name]?.trim().toLowerCase();
  if (!text || text === "false") return false;
  if (text === "true") return true;
  warnOfVariable(name, text, "true, false", "false");
  return false;
}

/** One of the `known` words, which are lower-case; undefined when the variable is not set, or was told to be none of them. */
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

/** The words of a comma-separated variable, lower-case, each once; undefined when there is none. */
export function readWords(env: Environment, name: string): string[] | undefined {
  const words = (env[name] ?? "").split(",").map((word) => word.trim().toLowerCase());
  const found = [...new Set(words.filter((word) => word !== ""))];
  return found.length === 0 ? undefined : found;
}
