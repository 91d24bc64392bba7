import { durationInvalid } from "./errors.ts";

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Reads a duration and returns milliseconds: "250ms", "1s", "1m30s", "1.5h", "2d" (the format of Go, plus days). A number
 * is taken as milliseconds. The result is never negative.
 *
 * @throws CLEW_CONFIG_DURATION
 */
export function parseDuration(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
  if (value === "0") return 0;
  if (typeof value !== "string" || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+$/.test(value)) throw durationInvalid(value);
  let sum = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)([a-zµ]+)/g)) sum += Number(amount) * unitMs[unit!]!;
  return sum;
}
