const count = new Intl.NumberFormat("en-US");

/** "12,345". */
export function formatCount(value: number): string {
  return count.format(value);
}

/** "1 span", "12,345 spans". */
export function countOf(value: number, noun: string): string {
  return `${count.format(value)} ${noun}${value === 1 ? "" : "s"}`;
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
