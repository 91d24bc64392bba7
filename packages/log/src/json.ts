import type { Destination, LineWriter } from "./line.ts";
import { loadPino } from "./load-pino.ts";

/**
 * Writes JSON lines with pino: `{"level":"info","time":"2026-01-02T03:04:05.678Z", ...fields, "msg":"..."}`. The time is
 * ISO 8601 in UTC, which people and every log system can read without knowing a unit.
 */
export function createJsonWriter(destination: Destination): LineWriter {
  const { pino } = loadPino();
  const engine = pino(
    {
      // The Logger decides which lines are written; pino writes all it is given.
      level: "debug",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // The fields are plain JSON already; pino's own serializer would treat our errors as its own.
      serializers: { err: (value: unknown) => value },
    },
    destination as { write(line: string): void },
  );
  return (level, message, fields) => engine[level](fields, message);
}
