export type {
  Dependency,
  IngestResult,
  Operation,
  PageRequest,
  StoreStats,
  Summary,
  SummaryPage,
  TimeRange,
  TraceQuery,
  TraceSkeleton,
  TraceStore,
} from "./contract.ts";
export { openSqliteStore, type SqliteStoreOptions } from "./sqlite/sqlite-store.ts";
