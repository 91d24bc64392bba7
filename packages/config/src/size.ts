import { sizeInvalid } from "./errors.ts";

const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/**
 * Reads a size and returns bytes: "512B", "64KiB", "10MB", "1.5GiB". The B is optional and case does not matter. K is 1000, Ki is
 * 1024. A number is taken as bytes. The result is a whole number and never negative.
 *
 * @throws CLEW_CONFIG_SIZE
 */
export function parseSize(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?([kmgt]i?)?b?$/i.exec(value) : null;
  if (match === null) throw sizeInvalid(value);
  const bytes = Math.round(Number(match[1]) * unitBytes[(match[2] ?? "").toLowerCase()]!);
  if (!Number.isSafeInteger(bytes)) throw sizeInvalid(value);
  return bytes;
}
