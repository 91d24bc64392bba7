import { clock } from "./clock.ts";

/**
 * The moment by which a call must be answered, in milliseconds on the clock of `performance.now()`. It is absolute, and
 * setting the wall clock does not affect it. A duration is converted to a deadline once, where it enters the process.
 */
export type Deadline = number;

/** Returns the deadline that is `timeoutMs` from now. */
export function deadlineIn(timeoutMs: number): Deadline {
  return clock.now() + timeoutMs;
}

/** Returns the time left until the deadline, in milliseconds; zero or less when it has passed. */
export function remainingMs(deadline: Deadline): number {
  return deadline - clock.now();
}

/** Returns the earlier of two deadlines; either may be missing. */
export function earliest(a: Deadline | undefined, b: Deadline | undefined): Deadline | undefined {
  if (a === undefined) return b;
  return b === undefined || a < b ? a : b;
}
