import type { Logger } from "@clew/log";
import { aLogger, anObject, aText, kind, type OptionChecks } from "@clew/options";
import type { Environment } from "@clew/trace";

/** The options that tracing, metrics and logs of a process share. */
interface ProcessOptions {
  readonly service?: string;
  readonly version?: string;
  readonly signals?: readonly NodeJS.Signals[];
  readonly logger?: Logger;
  readonly env?: Environment;
}

const signals = 'a list of signals, such as ["SIGTERM"]';

export const processOptionChecks: OptionChecks<ProcessOptions> = {
  service: aText,
  version: aText,
  signals: kind(signals, (given) => Array.isArray(given) && given.every((one) => /^SIG[A-Z\d]+$/.test(one))),
  logger: aLogger,
  env: anObject,
};
