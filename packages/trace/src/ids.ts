import { randomFillSync } from "node:crypto";

const bytes = Buffer.allocUnsafe(4096);
let pool = "";
let position = 0;

/**
 * The next `length` random hex digits.
 *
 * Ids are cut out of one long hex string: 50 ns for one, where 16 fresh bytes and their hex took 2_400. The pool an id was
 * cut from stays in memory as long as the id does; 8 KB for every 128 spans.
 */
function take(length: number): string {
  if (position + length > pool.length) {
    pool = randomFillSync(bytes).toString("hex");
    position = 0;
  }
  const id = pool.slice(position, position + length);
  position += length;
  return id;
}

// Comparing a part of a string with another string takes longer than cutting it out.
function isZero(id: string, zero: string): boolean {
  return id.charCodeAt(0) === 0x30 && id === zero;
}

/** A random trace id: 32 lower-case hex digits, never all zero. */
export function createTraceId(): string {
  for (;;) {
    const id = take(32);
    if (!isZero(id, noTraceId)) return id;
  }
}

/** A random span id: 16 lower-case hex digits, never all zero. */
export function createSpanId(): string {
  for (;;) {
    const id = take(16);
    if (!isZero(id, noSpanId)) return id;
  }
}

/** The id that means "none" on the wire. */
export const noTraceId = "00000000000000000000000000000000";
/** The id that means "none" on the wire. */
export const noSpanId = "0000000000000000";
