import { having } from "@clew/options";
import { stopSignalInvalid } from "./errors.ts";

// Only these functions of the signal are used.
const aSignal = having("a signal", "addEventListener", "removeEventListener");

/**
 * Returns the signal that cuts off a stop; if none is given, one that never aborts.
 *
 * @throws CLEW_TRANSPORT_STOP_SIGNAL for a value that is not a signal, such as a number of milliseconds
 */
export function resolveStopSignal(given: AbortSignal | undefined): AbortSignal {
  if (given === undefined) return new AbortController().signal;
  if (aSignal("signal", given) !== undefined) throw stopSignalInvalid(given);
  return given;
}
