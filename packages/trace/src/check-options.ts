/** Every option there is: the compiler tells of one that is missing. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/** What makes the error of a package: CLEW_TRACE_OPTION and the like. */
export interface OptionErrors {
  invalid(option: string, given: string, works: string): Error;
  unknown(owner: string, option: string, known: readonly string[]): Error;
}

/** Refuses options that are no object, and one that there is not, which would else do nothing and say nothing. */
export function checkOptionNames<T>(owner: string, options: T, names: OptionNames<T>, errors: OptionErrors): void {
  const known = Object.keys(names);
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw errors.invalid(`options of ${owner}`, tellGiven(options), `an object with some of ${known.join(", ")}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw errors.unknown(owner, name, known);
  }
}

/** Refuses what lacks one of these functions, by which `what` is known: it may come from another library. What is undefined is not given. */
export function checkFunctions(
  option: string,
  given: unknown,
  what: string,
  functions: readonly string[],
  errors: OptionErrors,
): void {
  if (given !== undefined) requireFunctions(option, given, what, functions, errors);
}

/** The same where it cannot be left out: in a list. */
export function requireFunctions(
  option: string,
  given: unknown,
  what: string,
  functions: readonly string[],
  errors: OptionErrors,
): void {
  const has = (name: string): boolean => typeof (given as Record<string, unknown> | null)?.[name] === "function";
  if (functions.every(has)) return;
  throw errors.invalid(
    option,
    tellGiven(given),
    `${what}, which has ${functions.map((name) => `${name}()`).join(", ")}`,
  );
}

/** Refuses what is neither of this kind nor undefined. */
export function checkKind(
  option: string,
  given: unknown,
  kind: "string" | "number" | "boolean",
  errors: OptionErrors,
): void {
  if (given === undefined || typeof given === kind) return;
  const works = { string: "a text", number: "a number", boolean: "true or false" }[kind];
  throw errors.invalid(option, tellGiven(given), works);
}

/** What was given, for a message: short, and a text is not mistaken for a number. */
export function tellGiven(given: unknown): string {
  if (typeof given === "string") return JSON.stringify(given.slice(0, 100));
  if (typeof given === "function") return "a function";
  if (Array.isArray(given)) return "a list";
  return typeof given === "object" && given !== null ? "an object" : String(given);
}
