import { Console } from "node:console";
import { Writable } from "node:stream";
import { format } from "node:util";
import type { LineLevel } from "./line.ts";
import type { Logger } from "./logger.ts";

const methods = { debug: "debug", log: "info", info: "info", warn: "warn", error: "error", trace: "debug" } as const;

/**
 * Makes a console whose lines the logger writes: log and info at level info, debug and trace at debug, warn and error at their
 * own level. An error among the arguments also becomes the field `error` of the line. Tables, counters and timers are written as
 * text.
 */
export function toConsole(logger: Logger): Console {
  const made = new Console({ stdout: toStream(logger, "info"), stderr: toStream(logger, "warn"), colorMode: false });
  for (const [name, level] of Object.entries(methods) as [keyof typeof methods, LineLevel][]) {
    made[name] = (...values: unknown[]): void => {
      const error = values.find((value) => value instanceof Error);
      const texts = values.map((value) => (value instanceof Error ? value.message : value));
      if (error === undefined) logger[level](format(...texts));
      else logger[level](format(...texts), { error });
    };
  }
  return made;
}

/**
 * Redirects everything that the app and its libraries write to the global console to the logger. Returns a function that restores
 * the console.
 */
export function redirectConsole(logger: Logger): () => void {
  const target = globalThis.console as unknown as Record<string, unknown>;
  const made = toConsole(logger) as unknown as Record<string, unknown>;
  const before: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(made)) {
    if (typeof method !== "function" || typeof target[name] !== "function") continue;
    before[name] = target[name];
    target[name] = method;
  }
  return () => void Object.assign(target, before);
}

/** The console's other methods write whole lines, some of them in several chunks. */
function toStream(logger: Logger, level: LineLevel): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk: unknown, _encoding, done) {
      logger[level](String(chunk).replace(/\n$/, ""));
      done();
    },
  });
}
