import type { OptionCheck } from "./check-options.ts";
import { tell } from "./tell.ts";

/** Makes a check of `fits`. `works` describes the valid values in the message: "a string". */
export function kind(works: string, fits: (given: unknown) => boolean): OptionCheck {
  return (name, given) => (fits(given) ? undefined : `option ${name} is ${tell(given)}; it must be ${works}`);
}

/** Any number, for callers that check the range themselves. */
export const aNumber: OptionCheck = kind("a number", (given) => typeof given === "number");
export const aBoolean: OptionCheck = kind("true or false", (given) => typeof given === "boolean");
export const aText: OptionCheck = kind("a string", (given) => typeof given === "string");
export const aFunction: OptionCheck = kind("a function", (given) => typeof given === "function");
export const anObject: OptionCheck = kind("an object", isObject);
/** Accepts any value: the code that reads the option checks it. */
export const anything: OptionCheck = () => undefined;

/** A number of at least `least`. Infinity is valid if `most` is not given. */
export function numberFrom(least: number, most: number = Number.POSITIVE_INFINITY): OptionCheck {
  return kind(`a number ${range(least, most)}`, (given) => isWithin(given, least, most));
}

/** A number greater than `below`. Infinity is valid if `most` is not given. */
export function numberAbove(below: number, most: number = Number.POSITIVE_INFINITY): OptionCheck {
  const range = most === Number.POSITIVE_INFINITY ? `above ${below}` : `above ${below}, at most ${most}`;
  return kind(`a number ${range}`, (given) => isWithin(given, below, most) && given !== below);
}

export function wholeNumberFrom(least: number, most: number = Number.MAX_SAFE_INTEGER): OptionCheck {
  return kind(
    `a whole number ${range(least, most)}`,
    (given) => Number.isInteger(given) && isWithin(given, least, most),
  );
}

/** The longest time that a timer can wait, in milliseconds. With a longer time, Node fires the timer at once. */
export const longestTimerMs: number = 2 ** 31 - 1;

/** A time that a timer can wait. */
export function millisecondsFrom(least: number): OptionCheck {
  return kind(`a number of milliseconds ${range(least, longestTimerMs)}`, (given) =>
    isWithin(given, least, longestTimerMs),
  );
}

export function oneOf(...words: readonly string[]): OptionCheck {
  const quoted = words.map((word) => JSON.stringify(word));
  const works = quoted.length === 1 ? quoted[0]! : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
  return kind(works, (given) => words.includes(given as string));
}

/** An object that has these functions. It is not checked by its class, because it may come from another library. */
export function having(what: string, ...functions: readonly string[]): OptionCheck {
  return kind(
    `${what}, which has ${functions.map((name) => `${name}()`).join(", ")}`,
    (given) =>
      (isObject(given) || typeof given === "function") &&
      functions.every((name) => typeof (given as Record<string, unknown>)[name] === "function"),
  );
}

export const aLogger: OptionCheck = having("a logger", "info", "warn", "error");

export function listOf(works: string, each: OptionCheck): OptionCheck {
  const isList = kind(works, Array.isArray);
  return (name, given) =>
    isList(name, given) ??
    firstWrong(
      each,
      Array.from(given as unknown[], (one, index) => [`${name}[${index}]`, one]),
    );
}

export function recordOf(works: string, each: OptionCheck): OptionCheck {
  const isRecord = kind(works, isObject);
  return (name, given) =>
    isRecord(name, given) ??
    firstWrong(
      each,
      Object.entries(given as object).map(([key, one]) => [`${name}["${key}"]`, one]),
    );
}

function firstWrong(
  check: OptionCheck,
  named: readonly (readonly [name: string, given: unknown])[],
): string | undefined {
  for (const [name, given] of named) {
    const wrong = check(name, given);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/**
 * A value that `first` accepts, or a list that `list` accepts. For a value that is not a list, the message is that of
 * `first`.
 */
export function orListOf(first: OptionCheck, list: OptionCheck): OptionCheck {
  return (name, given) => (Array.isArray(given) ? list : first)(name, given);
}

/** An object that `check` accepts, or true or false. */
export function orBoolean(check: OptionCheck): OptionCheck {
  return (name, given) => (isObject(given) ? check : aBoolean)(name, given);
}

export function isObject(given: unknown): given is object {
  return typeof given === "object" && given !== null && !Array.isArray(given);
}

function isWithin(given: unknown, least: number, most: number): boolean {
  return typeof given === "number" && given >= least && given <= most;
}

function range(least: number, most: number): string {
  return most >= Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
}
