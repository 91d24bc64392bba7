import type { Destination, LineWriter } from "./line.ts";
import { loadPino } from "./load-pino.ts";

/**
 * Writes JSON lines with pino: `{"level":"info","time":"2026-01-02T03:04:05.678Z", ...fields, "msg":"..."}`. The time is
 * ISO 8601 in UTC: every log system reads it without being told the unit, and so do people.
 */
export function createJsonWriter(destination: Destination): LineWriter {
  const { pino } = loadPino();
  const engine = pino(
    {
      // Which lines are written is the Logger's decision; here all are.
      level: "debug",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Fields come as plain JSON; pino's own serializer would take our errors for its.
      serializers: { err: (value: unknown) => value },
    },
    destination as { write(line: string): void },
  );
  return (level, message, fields) => engine[level](fields, message);
}
