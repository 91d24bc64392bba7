import { randomFillSync } from "node:crypto";

/** Random bytes, and the same bytes as lower-case hex digits. */
export interface IdPool {
  readonly bytes: Uint8Array;
  readonly digits: string;
}

const poolBytes = 4096;

/**
 * The pool of random digits that ids are sliced from: drawing and formatting each id by itself takes many times longer. A pool stays in
 * memory as long as any id that was sliced from it.
 */
export let pool: IdPool = { bytes: new Uint8Array(0), digits: "" };
let position = 0;

/** Takes `size` bytes of {@link pool}, which it may replace by a new one, and returns their offset. */
export function takeBytes(size: number): number {
  if (position + size > pool.bytes.length) {
    const bytes = randomFillSync(Buffer.allocUnsafeSlow(poolBytes));
    pool = { bytes, digits: bytes.toString("hex") };
    position = 0;
  }
  position += size;
  return position - size;
}

/** Returns the hex digits of `size` bytes of {@link pool}. */
export function digitsOf(at: number, size: number): string {
  return pool.digits.slice(2 * at, 2 * (at + size));
}

/** Takes the bytes of a trace id and, behind them, those of its first span id; neither is all zero. Returns their offset. */
export function takeRootIds(): number {
  for (;;) {
    const at = takeBytes(24);
    if (!isZeros(at, 16) && !isZeros(at + 16, 8)) return at;
  }
}

/** Takes the bytes of a span id, which is not all zero, and returns their offset. */
export function takeSpanId(): number {
  for (;;) {
    const at = takeBytes(8);
    if (!isZeros(at, 8)) return at;
  }
}

function isZeros(at: number, size: number): boolean {
  const { bytes } = pool;
  for (let index = at; index < at + size; index++) if (bytes[index] !== 0) return false;
  return true;
}

/** A random trace id: 32 lower-case hex digits, never all zero. */
export function createTraceId(): string {
  const at = takeRootIds();
  return digitsOf(at, 16);
}

/** A random span id: 16 lower-case hex digits, never all zero. */
export function createSpanId(): string {
  const at = takeSpanId();
  return digitsOf(at, 8);
}

/** The id that means "none" on the wire. */
export const noTraceId = "00000000000000000000000000000000";
/** The id that means "none" on the wire. */
export const noSpanId = "0000000000000000";
