export type {
  CallStats,
  Dependency,
  IngestResult,
  Operation,
  PageRequest,
  ServiceMap,
  ServiceMapLimits,
  ServiceStats,
  StoreStats,
  Summary,
  SummaryPage,
  TimeRange,
  TraceQuery,
  TraceSkeleton,
  TraceStore,
} from "./contract.ts";
export { openSqliteStore, type SqliteStoreOptions } from "./sqlite/sqlite-store.ts";
