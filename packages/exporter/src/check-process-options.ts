import type { Logger } from "@clew/log";
import { checkFunctions, checkKind, tellGiven } from "@clew/trace";
import { optionErrors } from "./errors.ts";

/** What tracing, metrics and logs of a process have in common. */
export interface ProcessOptions {
  readonly service?: string;
  readonly version?: string;
  readonly signals?: readonly NodeJS.Signals[];
  readonly logger?: Logger;
}

/** @throws CLEW_EXPORTER_OPTION */
export function checkProcessOptions(options: ProcessOptions): void {
  for (const name of ["service", "version"] as const) checkKind(name, options[name], "string", optionErrors);
  checkFunctions("logger", options.logger, "a logger", ["info", "warn", "error"], optionErrors);
  const { signals } = options;
  const isSignals = Array.isArray(signals) && signals.every((one) => /^SIG[A-Z\d]+$/.test(one));
  if (signals === undefined || isSignals) return;
  throw optionErrors.invalid("signals", tellGiven(signals), 'a list of signals, such as ["SIGTERM"]');
}
