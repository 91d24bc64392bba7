import { timeoutInvalid } from "./errors.ts";

/** A variable that is set, and its value. */
export type Variable = readonly [name: string, value: string];

export function findVariable(env: Readonly<Record<string, string | undefined>>, name: string): Variable | undefined {
  const value = env[name]?.trim();
  return value ? [name, value] : undefined;
}

/**
 * Returns a time in milliseconds: the option's, or else the variable's, whose unit is `unitMs`.
 *
 * @throws CLEW_EXPORTER_TIMEOUT, which names the invalid option or variable
 */
export function resolveMs(
  option: string,
  given: number | undefined,
  variable: Variable | undefined,
  fallbackMs: number,
  unitMs = 1,
): number {
  const ms = given ?? (variable === undefined ? fallbackMs : Number(variable[1]) * unitMs);
  if (ms > 0 && ms < 2 ** 31) return ms;
  if (given !== undefined || variable === undefined) throw timeoutInvalid(option, ms, "milliseconds");
  const [name, value] = variable;
  throw timeoutInvalid(name, JSON.stringify(value), unitMs === 1 ? "milliseconds" : "seconds");
}
