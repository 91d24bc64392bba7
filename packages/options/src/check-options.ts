import { nearestNames } from "./nearest.ts";
import { tell } from "./tell.ts";

/** Says what is wrong with what was given for the option `name`; undefined when nothing is. */
export type OptionCheck = (name: string, given: unknown) => string | undefined;

/** One for each option there is: the compiler tells of one that is missing. */
export type OptionChecks<T> = Readonly<Record<keyof T, OptionCheck>>;

/** Makes the error of a package, with its code, of what is wrong. */
export type OptionError = (message: string) => Error;

/**
 * Refuses an option that there is not, and a value that will not do, either of which would else do nothing, or fail much later.
 * What is undefined is not given.
 *
 * @param owner whose options they are, for the message: `startTracing`, `a view`
 * @throws what `toError` makes
 */
export function checkOptions<T extends object>(
  owner: string,
  options: T,
  checks: OptionChecks<T>,
  toError: OptionError,
): void {
  const wrong = findWrong(owner, options, checks, "");
  if (wrong !== undefined) throw toError(wrong);
}

/** The same for the names alone, where the values are looked at by others. */
export function checkOptionNames(owner: string, options: object, known: readonly string[], toError: OptionError): void {
  const wrong = findUnknown(owner, options, known);
  if (wrong !== undefined) throw toError(wrong);
}

/** Refuses one value that will not do: what is handed over by itself. Undefined is none. */
export function checkValue(name: string, given: unknown, check: OptionCheck, toError: OptionError): void {
  const wrong = check(name, given);
  if (wrong !== undefined) throw toError(wrong);
}

/** Of the options of several, those that `checks` knows. */
export function pickOptions<T extends object, P>(options: T, checks: OptionChecks<P>): Pick<T, keyof T & keyof P> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(checks, name))) as T;
}

/** An option that is an object with options of its own. */
export function optionsWith<T>(checks: OptionChecks<T>): OptionCheck {
  return (name, given) => findWrong(name, given, checks, `${name}.`);
}

function findWrong<T>(owner: string, options: unknown, checks: OptionChecks<T>, path: string): string | undefined {
  const unknown = findUnknown(owner, options, Object.keys(checks));
  if (unknown !== undefined) return unknown;
  for (const [name, given] of Object.entries(options as object)) {
    const wrong = given === undefined ? undefined : checks[name as keyof T](`${path}${name}`, given);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function findUnknown(owner: string, options: unknown, known: readonly string[]): string | undefined {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    // A middleware in its chain, most often: it is handed the next handler.
    const isUncalled = typeof options === "function" && /^[a-z]\w*$/.test(owner);
    const hint = isUncalled ? `; is it \`${owner}\` where \`${owner}()\` is meant?` : "";
    return `the options of ${owner} are ${tell(options)}; they must be an object with some of ${known.join(", ")}${hint}`;
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const [nearest] = nearestNames(name, known, 1);
    const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
    return `${owner} has no option ${name}; there are ${known.join(", ")}${hint}`;
  }
  return undefined;
}
