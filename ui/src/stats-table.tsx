import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import type { CallStats } from "./api.ts";
import { formatDuration } from "./duration.ts";
import { Icon } from "./icons.tsx";
import { countOf, formatCount, formatShare } from "./quantity.ts";

/** A column with names, left of the numbers. */
export interface NameColumn<T> {
  title: string;
  of: (row: T) => string;
  cell: (row: T) => ComponentChildren;
}

interface Props<T extends CallStats> {
  caption: string;
  names: NameColumn<T>[];
  rows: readonly T[];
  /** Where the calls of a row that failed are to be seen, and what the tooltip says of that. */
  failures: (row: T) => { url: string; hint: string };
  /** The name of the row that stands out. */
  current?: string | null;
}

const numbers: { title: string; hint?: string; of: (row: CallStats) => number }[] = [
  { title: "Calls", of: ({ callCount }) => callCount },
  { title: "Failed", of: ({ callCount, errorCount }) => errorCount / Math.max(1, callCount) },
  { title: "p50", hint: "Half of the calls took no longer", of: ({ p50Ms }) => p50Ms },
  { title: "p95", hint: "95 in 100 calls took no longer", of: ({ p95Ms }) => p95Ms },
];

/** Calls, failures and times by name, in the order of the column whose head was clicked. */
export function StatsTable<T extends CallStats>({ caption, names, rows, failures, current }: Props<T>): JSX.Element {
  const order = useSignal({ column: names.length, isDescending: true });
  const columns: { title: string; hint?: string; of: (row: T) => string | number }[] = [...names, ...numbers];
  const sorted = sortRows(rows, columns[order.value.column]!.of, order.value.isDescending);
  const keyOf = (row: T): string => names.map(({ of }) => of(row)).join(" ");
  const sortBy = (column: number): void => {
    const now = order.peek();
    // Names from a to z, numbers from the largest.
    order.value = { column, isDescending: now.column === column ? !now.isDescending : column >= names.length };
  };
  return (
    <table class="stats">
      <caption>{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ title, hint }, column) => {
            const isSorted = order.value.column === column;
            const direction = order.value.isDescending ? "descending" : "ascending";
            return (
              <th
                key={title}
                scope="col"
                class={column < names.length ? "" : "number"}
                aria-sort={isSorted ? direction : undefined}
              >
                <button type="button" class="link-button" title={hint} onClick={() => sortBy(column)}>
                  {title}
                  {isSorted && <Icon name={order.value.isDescending ? "down" : "up"} />}
                </button>
              </th>
            );
          })}
        </tr>
      </thead>
      <tbody>
        {sorted.map((row) => (
          <tr key={keyOf(row)} data-row={keyOf(row)} class={keyOf(row) === current ? "is-current" : ""}>
            {names.map(({ title, cell }) => (
              <td key={title}>{cell(row)}</td>
            ))}
            <td class="number">{formatCount(row.callCount)}</td>
            <td class="number">
              <Failed row={row} {...failures(row)} />
            </td>
            <td class="number">{formatDuration(row.p50Ms * 1000)}</td>
            <td class="number">{formatDuration(row.p95Ms * 1000)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Failed({ row, url, hint }: { row: CallStats; url: string; hint: string }): JSX.Element {
  const share = formatShare(row.errorCount, row.callCount);
  if (row.errorCount === 0) return <span class="dim">{share}</span>;
  return (
    <a class="error-mark" href={url} title={`${countOf(row.errorCount, "failure")}: ${hint}`}>
      <Icon name="error" /> {share}
    </a>
  );
}

/** The rows in the order of a column; rows of the same value keep theirs. */
export function sortRows<T>(rows: readonly T[], of: (row: T) => string | number, isDescending: boolean): T[] {
  const sign = isDescending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [of(a), of(b)];
    return x === y ? 0 : x < y ? -sign : sign;
  });
}
