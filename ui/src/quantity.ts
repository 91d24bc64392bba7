const count = new Intl.NumberFormat("en-US");

/** "12,345". */
export function formatCount(value: number): string {
  return count.format(value);
}

/** "1 span", "12,345 spans". */
export function countOf(value: number, noun: string): string {
  return `${count.format(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** "6.1 %", "0 %", "<0.1 %": what share of the whole a part is. */
export function formatShare(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  if (percent > 0 && percent < 0.05) return "<0.1 %";
  // 99.96 % is not all.
  const shown = percent < 100 ? Math.min(percent, 99.9) : 100;
  return `${Number(shown.toFixed(shown < 10 || shown > 99 ? 1 : 0))} %`;
}

/** "812 B", "4.1 KB", "412 MB": decimal units, two digits where they tell something. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = "B";
  for (const next of ["KB", "MB", "GB", "TB"]) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}
