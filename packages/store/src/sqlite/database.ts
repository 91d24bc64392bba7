import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileForeign, fileNotOpened, fileVersion } from "../errors.ts";

// "Clew", in the header of the file, where `file` and others look.
const applicationId = 0x436c6577;
/** Goes up with every change of the schema. */
const layoutVersion = 2;

/**
 *     chunk      the bytes of what was written at once, compressed: an ExportTraceServiceRequest
 *     trace      one row a trace: what a list shows, and where its root is
 *     span       one row a span, kept in order of trace: what drawing needs, and its place in its chunk
 *     operation  the dictionary of service + name + kind
 *     trace_operation  which operations a trace has, with their first start and counts: what searching by service and operation needs
 */
const schema = `
CREATE TABLE chunk (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  received_ms INTEGER NOT NULL,
  bytes BLOB NOT NULL
);
CREATE INDEX chunk_received ON chunk (received_ms);
CREATE TABLE trace (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,
  first_chunk INTEGER NOT NULL,
  start_us REAL NOT NULL,
  end_us REAL NOT NULL,
  span_count INTEGER NOT NULL,
  error_count INTEGER NOT NULL,
  root_operation INTEGER NOT NULL,
  root_start_us REAL NOT NULL,
  root_path TEXT,
  complete INTEGER NOT NULL
);
CREATE INDEX trace_start ON trace (start_us, key);
CREATE INDEX trace_chunk ON trace (first_chunk);
CREATE TABLE operation (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  service TEXT NOT NULL,
  name TEXT NOT NULL,
  kind INTEGER NOT NULL,
  last_chunk INTEGER NOT NULL,
  UNIQUE (service, name, kind)
);
CREATE TABLE trace_operation (
  trace INTEGER NOT NULL,
  operation INTEGER NOT NULL,
  start_us REAL NOT NULL,
  span_count INTEGER NOT NULL,
  error_count INTEGER NOT NULL,
  PRIMARY KEY (trace, operation)
) WITHOUT ROWID;
CREATE TABLE span (
  trace INTEGER NOT NULL,
  id BLOB NOT NULL,
  parent BLOB,
  operation INTEGER NOT NULL,
  start_us REAL NOT NULL,
  duration_us REAL NOT NULL,
  error INTEGER NOT NULL,
  chunk INTEGER NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (trace, id)
) WITHOUT ROWID;
`;

const SQLITE_BUSY = 5;
const SQLITE_NOTADB = 26;

// How long to wait for another process that has the file locked.
const busyMs = 5000;

/**
 * Opens the file to write, making it and its folder when they are not there. Refuses a file of somebody else. One of an older layout
 * is put aside, as `<file>.layout-1`: traces are kept for days, not converted.
 */
export function openToWrite(file: string): DatabaseSync {
  const deadline = performance.now() + busyMs;
  for (;;) {
    try {
      mkdirSync(dirname(file), { recursive: true });
      putAsideOlder(file);
      return openPrepared(file);
    } catch (error) {
      const { code, errcode } = error as { code?: string; errcode?: number };
      if (code?.startsWith("CLEW_")) throw error;
      if (errcode === SQLITE_NOTADB) throw fileForeign(file, "not a database");
      // Two that make a new file at once: busy_timeout does not cover the change to WAL.
      if (errcode !== SQLITE_BUSY || performance.now() > deadline) throw fileNotOpened(file, error as Error);
      pause(10);
    }
  }
}

function putAsideOlder(file: string): void {
  if (!existsSync(file)) return;
  const database = new DatabaseSync(file);
  let version: number;
  try {
    if (pragma(database, "application_id") !== applicationId) return;
    version = pragma(database, "user_version");
  } finally {
    // The last one to close a file brings all of its log into it.
    database.close();
  }
  if (version > 0 && version < layoutVersion) renameSync(file, `${file}.layout-${version}`);
}

function openPrepared(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    prepareFile(database, file);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Holds this thread, which serves nobody yet. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function prepareFile(database: DatabaseSync, file: string): void {
  // One look: somebody else may be making the tables right now.
  database.exec("BEGIN");
  const found = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  const isEmpty = countTables(database) === 0;
  database.exec("COMMIT");
  if (found !== applicationId && (found !== 0 || !isEmpty)) throw fileForeign(file, "a database of another program");
  if (version > layoutVersion) throw fileVersion(file, version, layoutVersion);
  database.exec(`PRAGMA busy_timeout = ${busyMs}`);
  // Must come before the first page is written: lets retention give space back to the disk.
  if (isEmpty) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  // WAL: one writes while others read, and a killed process loses nothing that was committed.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216");
  if (!isEmpty) return;
  database.exec("BEGIN IMMEDIATE");
  // Whoever opened the same new file a moment earlier has made the tables.
  if (countTables(database) === 0) {
    database.exec(`${schema} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${layoutVersion}`);
  }
  database.exec("COMMIT");
}

function countTables(database: DatabaseSync): number {
  return Number(database.prepare("SELECT count(*) AS count FROM sqlite_schema").get()!.count);
}

/** Opens a file that {@link openToWrite} has made, for reading only. */
export function openToRead(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { readOnly: true });
  database.exec(`PRAGMA busy_timeout = ${busyMs}; PRAGMA query_only = 1; PRAGMA cache_size = -32768`);
  return database;
}

/** The number that a pragma gives. */
export function pragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0]);
}
