/** Bytes of a file: from `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

// More than a player or a download ever asks for; each costs a read (RFC 9110 section 17.15).
const rangeLimit = 16;

/**
 * Reads a `Range` (RFC 9110 section 14.2) of a file of `size` bytes. Overlapping ranges become one.
 *
 * @returns undefined when it is none of bytes or malformed, which is as if it was not there; "unsatisfiable" when the file has none
 * of them, or when they are too many
 */
export function readRange(header: string, size: number): readonly ByteRange[] | "unsatisfiable" | undefined {
  const match = /^bytes=(.*)$/i.exec(header.trim());
  if (match === null) return undefined;
  const ranges: ByteRange[] = [];
  const items = match[1]!.split(",").map((item) => item.trim());
  for (const item of items) {
    const bounds = /^(\d*)-(\d*)$/.exec(item);
    if (bounds === null || item === "-") return undefined;
    const [, first = "", last = ""] = bounds;
    // The last bytes; of which the file may have fewer.
    const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
    const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
    if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
    if (start <= end && start < size) ranges.push({ start, end });
  }
  if (ranges.length === 0 || items.length > rangeLimit) return "unsatisfiable";
  return merge(ranges);
}

// In the order they were asked for, when nothing is to merge: that is what a client reads first.
function merge(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const sorted = [...ranges].sort((one, other) => one.start - other.start);
  const merged: ByteRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && range.start <= last.end + 1) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
    } else merged.push(range);
  }
  return merged.length === ranges.length ? ranges : merged;
}
