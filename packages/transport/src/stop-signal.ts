import { having } from "@clew/options";
import { stopSignalInvalid } from "./errors.ts";

// Of what is aborted nothing is asked but these.
const aSignal = having("a signal", "addEventListener", "removeEventListener");

/**
 * What cuts off a stop; without one nothing does.
 *
 * @throws CLEW_TRANSPORT_STOP_SIGNAL for what is no signal: a number of milliseconds
 */
export function resolveStopSignal(given: AbortSignal | undefined): AbortSignal {
  if (given === undefined) return new AbortController().signal;
  if (aSignal("signal", given) !== undefined) throw stopSignalInvalid(given);
  return given;
}
