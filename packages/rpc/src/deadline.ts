import { clock } from "./clock.ts";

/**
 * The moment by which a call must be answered, in milliseconds on the clock of `performance.now()`: absolute, and untouched
 * when the wall clock is set. A duration is turned into a deadline once, where it comes in.
 */
export type Deadline = number;

/** The deadline that lies `timeoutMs` ahead of now. */
export function deadlineIn(timeoutMs: number): Deadline {
  return clock.now() + timeoutMs;
}

/** What is left until the deadline, in milliseconds; zero or less when it has passed. */
export function remainingMs(deadline: Deadline): number {
  return deadline - clock.now();
}

/** The earlier of two deadlines, where either may be missing. */
export function earliest(a: Deadline | undefined, b: Deadline | undefined): Deadline | undefined {
  if (a === undefined) return b;
  return b === undefined || a < b ? a : b;
}
