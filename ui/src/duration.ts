const units = [
  { us: 60_000_000, name: "m" },
  { us: 1_000_000, name: "s" },
  { us: 1000, name: "ms" },
  { us: 1, name: "µs" },
] as const;

/** Three significant digits and a unit: "850 µs", "12.4 ms", "1.24 s", "2 m 05 s". Takes microseconds. */
export function formatDuration(us: number): string {
  if (us < 0) return `−${formatDuration(-us)}`;
  if (us === 0) return "0";
  if (us < 0.995) return "<1 µs";
  if (us < 999.5) return `${Number(us.toPrecision(3))} µs`;
  if (us < 999_500) return `${significant(us / 1000)} ms`;
  if (us < 59_950_000) return `${significant(us / 1_000_000)} s`;
  const seconds = Math.round(us / 1_000_000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")} m`;
}

function significant(value: number): string {
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

/** The unit in which every tick of a ruler with this step is written. */
export function unitOfStep(stepUs: number, endUs: number): { us: number; name: string } {
  // A ruler that ends at 1.5 s reads better as 0.5 s than as 500 ms; one that ends at 40 s is never written in minutes.
  const unit = units.find(({ us, name }) => name !== "m" && endUs >= us) ?? units[3];
  return stepUs < unit.us / 1000 ? (units.find(({ us }) => us <= stepUs) ?? units[3]) : unit;
}

/**
 * Reads "200ms", "1.5 s", "80us", "2m" or a bare number of milliseconds, and gives microseconds; undefined for anything
 * else.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(us|µs|μs|ms|s|m)?\s*$/i.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] ?? "ms").toLowerCase();
  const scale = unit === "m" ? 60_000_000 : unit === "s" ? 1_000_000 : unit === "ms" ? 1000 : 1;
  return Number(match[1]) * scale;
}
