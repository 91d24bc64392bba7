const pad = (value: number, width = 2): string => String(value).padStart(width, "0");

/** "14:05:01.220", local time. */
export function formatClock(ms: number): string {
  const at = new Date(ms);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
}

/** "2026-11-21", local time. */
export function formatDay(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

/** "13:02" when it is of the day of `now`, "2026-11-20 13:02" otherwise. */
export function formatSince(ms: number, now: number): string {
  const clock = formatClock(ms).slice(0, 5);
  return formatDay(ms) === formatDay(now) ? clock : `${formatDay(ms)} ${clock}`;
}
