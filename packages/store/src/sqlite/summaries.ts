import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import type { Summary } from "../contract.ts";

export type Row = Record<string, SQLOutputValue>;

/** The columns of `trace`, named t, that {@link Summaries.of} reads. */
export const summaryColumns: string =
  "t.key, t.id, t.start_us, t.end_us, t.span_count, t.error_count, t.root_operation, t.root_path, t.complete";

/** Makes a {@link Summary} of a row of `trace`. */
export class Summaries {
  readonly #operation: StatementSync;
  readonly #services: StatementSync;

  constructor(database: DatabaseSync) {
    this.#operation = database.prepare("SELECT service, name FROM operation WHERE key = ?");
    this.#services = database.prepare(`
      SELECT o.service AS name, sum(t.span_count) AS spans, sum(t.error_count) AS errors
      FROM trace_operation t JOIN operation o ON o.key = t.operation
      WHERE t.trace = ? GROUP BY o.service ORDER BY min(t.start_us), name`);
  }

  of(row: Row): Summary {
    const root = this.#operation.get(row.root_operation!);
    return {
      traceId: hex(row.id),
      rootService: String(root?.service ?? ""),
      rootOperation: String(root?.name ?? ""),
      path: row.root_path === null ? null : String(row.root_path),
      startMs: Number(row.start_us) / 1000,
      durationMs: (Number(row.end_us) - Number(row.start_us)) / 1000,
      spanCount: Number(row.span_count),
      errorCount: Number(row.error_count),
      services: this.#services.all(row.key!).map((service) => ({
        name: String(service.name),
        spanCount: Number(service.spans),
        errorCount: Number(service.errors),
      })),
      complete: row.complete === 1,
    };
  }
}

export function hex(value: SQLOutputValue | undefined): string {
  return Buffer.from(value as Uint8Array).toString("hex");
}
