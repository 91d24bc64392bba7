import { nearestNames } from "./nearest.ts";
import { tell } from "./tell.ts";

/** Checks the value of the option `name`. Returns the error message, or undefined when the value is valid. */
export type OptionCheck = (name: string, given: unknown) => string | undefined;

/** One check for each option: the compiler reports a missing one. */
export type OptionChecks<T> = Readonly<Record<keyof T, OptionCheck>>;

/** Creates the error of a package, with its code, from the message. */
export type OptionError = (message: string) => Error;

/**
 * Refuses an unknown option and an invalid value. Otherwise they would have no effect, or fail much later. An option whose
 * value is undefined counts as not given.
 *
 * @param owner the owner of the options, for the message: `startTracing`, `a view`
 * @throws the error that `toError` creates
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

/** Checks only the names; the values are checked elsewhere. */
export function checkOptionNames(owner: string, options: object, known: readonly string[], toError: OptionError): void {
  const wrong = findUnknown(owner, options, known);
  if (wrong !== undefined) throw toError(wrong);
}

/** Refuses one invalid value that is not part of an options object. Undefined counts as not given. */
export function checkValue(name: string, given: unknown, check: OptionCheck, toError: OptionError): void {
  const wrong = check(name, given);
  if (wrong !== undefined) throw toError(wrong);
}

/** Picks the options that `checks` knows from an object that holds the options of several owners. */
export function pickOptions<T extends object, P>(options: T, checks: OptionChecks<P>): Pick<T, keyof T & keyof P> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(checks, name))) as T;
}

/** Checks an option that is itself an object with options. */
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
    // Most often a middleware that was put into a chain without being called: it is then called with the next handler.
    const isUncalled = typeof options === "function" && /^[a-z]\w*$/.test(owner);
    const hint = isUncalled ? `; did you write \`${owner}\` where \`${owner}()\` is meant?` : "";
    return `the options of ${owner} are ${tell(options)}; they must be an object with any of ${known.join(", ")}${hint}`;
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const [nearest] = nearestNames(name, known, 1);
    const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
    return `${owner} has no option ${name}; its options are ${known.join(", ")}${hint}`;
  }
  return undefined;
}
