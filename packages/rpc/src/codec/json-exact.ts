// JSON.parse rounds a number to a double, and an integer of 64 bits may be more than that. To look for such numbers beforehand
// would cost every message; so who needs a whole number and gets one that may be rounded says so, and the text is parsed again.

/** A whole number is needed, and the one that is there may have been rounded: {@link parseExactly} can tell. */
export class InexactInteger extends Error {}

/** JSON.parse with whole numbers from 2^53 to 2^65 as bigint: to a double what is less is exact, and what is more never fits. */
export function parseExactly(text: string): unknown {
  return JSON.parse(text, exactNumber);
}

// ES2026; Node has the source text since 21, TypeScript's library does not yet.
function exactNumber(_name: string, value: unknown, { source }: { source?: string } = {}): unknown {
  if (typeof value !== "number" || source === undefined || Number.isSafeInteger(value)) return value;
  return Math.abs(value) < 2 ** 65 ? (integerOf(source) ?? value) : value;
}

// No 64 bits need more, and BigInt takes time that grows with the square of them.
const maxDigits = 80;

/** The whole number that a JSON number is: 1e18 is one, 1.5e0 is none. */
function integerOf(source: string): bigint | undefined {
  if (source.length > maxDigits) return undefined;
  const [, whole, fraction = "", exponent = "0"] = /^(-?\d+)(?:\.(\d+))?(?:[eE](.+))?$/.exec(source)!;
  const digits = BigInt(whole! + fraction);
  const shift = Number(exponent) - fraction.length;
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const unit = 10n ** BigInt(-shift);
  return digits % unit === 0n ? digits / unit : undefined;
}
