import { optionInvalid, optionsInvalid, optionUnknown } from "./errors.ts";

/** Throws when `given` is no value for the option `name`. */
export type OptionCheck = (name: string, given: unknown) => void;

/** One for each option there is: the compiler tells of one that is missing. */
export type OptionChecks<T> = Readonly<Record<keyof T, OptionCheck>>;

/**
 * Refuses an option that there is not, and a value of the wrong kind, either of which would else do nothing, or fail the first call.
 * Ranges are the business of who reads the option. What is undefined is not given.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function checkOptions<T extends object>(owner: string, options: T, checks: OptionChecks<T>): void {
  const known = Object.keys(checks);
  if (!isObject(options)) throw optionsInvalid(owner, tell(options), known);
  for (const [name, given] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) throw optionUnknown(owner, name, known);
    if (given !== undefined) checks[name as keyof T](name, given);
  }
}

export function kind(works: string, fits: (given: unknown) => boolean): OptionCheck {
  return (name, given) => {
    if (!fits(given)) throw optionInvalid(name, tell(given), works);
  };
}

export const aNumber: OptionCheck = kind("a number", (given) => typeof given === "number");
export const aBoolean: OptionCheck = kind("true or false", (given) => typeof given === "boolean");
export const aText: OptionCheck = kind("a text", (given) => typeof given === "string");
export const aFunction: OptionCheck = kind("a function", (given) => typeof given === "function");
/** Whose range its reader looks at. */
export const anything: OptionCheck = () => {};

/** What is known by its functions, for it may come from another library. */
export function having(what: string, ...functions: readonly string[]): OptionCheck {
  return kind(
    `${what}, which has ${functions.map((name) => `${name}()`).join(", ")}`,
    (given) =>
      (isObject(given) || typeof given === "function") &&
      functions.every((name) => typeof (given as Record<string, unknown>)[name] === "function"),
  );
}

export function listOf(works: string, each: OptionCheck): OptionCheck {
  const isList = kind(works, Array.isArray);
  return (name, given) => {
    isList(name, given);
    for (const [index, one] of (given as unknown[]).entries()) each(`${name}[${index}]`, one);
  };
}

export function recordOf(works: string, each: OptionCheck): OptionCheck {
  const isRecord = kind(works, isObject);
  return (name, given) => {
    isRecord(name, given);
    for (const [key, one] of Object.entries(given as object)) each(`${name}["${key}"]`, one);
  };
}

/** Either of these; `first` says what is wrong with what is not even a list. */
export function orListOf(first: OptionCheck, list: OptionCheck): OptionCheck {
  return (name, given) => (Array.isArray(given) ? list : first)(name, given);
}

export const aLogger: OptionCheck = having("a logger", "info", "warn", "error");
export const codesOfErrors: OptionCheck = listOf(
  "a list of the codes of errors, such as [503]",
  // Those of gRPC are below, and no error has them here.
  kind(
    "the code of an error, from 400 up, such as 503",
    (given) => Number.isInteger(given) && (given as number) >= 400,
  ),
);

export function isObject(given: unknown): given is object {
  return typeof given === "object" && given !== null && !Array.isArray(given);
}

/** For a message: a text and a list are not mistaken for something else, and a function is not written out. */
export function tell(given: unknown): unknown {
  if (typeof given === "string") return JSON.stringify(given.slice(0, 100));
  if (typeof given === "function") return "a function";
  return Array.isArray(given) ? "a list" : given;
}
