import type { DatabaseSync, StatementSync } from "node:sqlite";
import { zstdDecompressSync } from "node:zlib";
import { type DecodedSpan, decodeSpan, sliceSpans } from "@clew/trace/otel";
import type { Backing, Tag } from "../contract.ts";

/** What the attributes of a span say it called: a database, or a queue. */
export interface SpanTarget {
  readonly backing: Backing;
  /** Takes from the queue, where others send. */
  readonly isTaking: boolean;
  /** Moves messages that have spans of their own, where these are written: counted only where they are not. */
  readonly isTransfer: boolean;
  /** Attributes of the span by which others like it are found. */
  readonly tags: readonly Tag[];
}

/** What a span says beside its row. */
export interface SpanNote {
  readonly target: SpanTarget | null;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

const internalKind = 1;
const clientKind = 3;
const producerKind = 4;
const consumerKind = 5;

/** The attributes of a span as text; undefined for one that is not there, or empty. */
type ReadText = (key: string) => string | undefined;

/**
 * What a span calls, by OpenTelemetry's conventions for databases and messaging, of today and from before they were stable
 * (https://opentelemetry.io/docs/specs/semconv/). Null for what is neither.
 */
export function targetOf({ kind, attributes }: Pick<DecodedSpan, "kind" | "attributes">): SpanTarget | null {
  const values = new Map(attributes.map(({ key, value }) => [key, typeof value === "object" ? "" : String(value)]));
  const read: ReadText = (key) => values.get(key) || undefined;
  // A database that runs inside of the process may have inner spans.
  if (kind === clientKind || kind === internalKind) {
    const target = databaseOf(read);
    if (target !== null) return target;
  }
  return queueOf(kind, read);
}

/** What had another name in the conventions before; by the present one both are the same. */
const renamedSystems: Readonly<Record<string, string>> = {
  mssql: "microsoft.sql_server",
  oracle: "oracle.db",
  db2: "ibm.db2",
  dynamodb: "aws.dynamodb",
  cosmosdb: "azure.cosmosdb",
  spanner: "gcp.spanner",
};

// Some senders always tell the port, others, as the conventions want it, only one that is not usual.
const usualPorts: Readonly<Record<string, string>> = {
  postgresql: "5432",
  mysql: "3306",
  mariadb: "3306",
  redis: "6379",
  mongodb: "27017",
  cassandra: "9042",
  memcached: "11211",
  elasticsearch: "9200",
  clickhouse: "8123",
  "microsoft.sql_server": "1433",
  "oracle.db": "1521",
};

function databaseOf(read: ReadText): SpanTarget | null {
  const system = firstTag(read, "db.system.name", "db.system");
  if (system === null) return null;
  const name = firstTag(read, "db.namespace", "db.name");
  const host = firstTag(read, "server.address", "net.peer.name", "network.peer.address");
  const systemName = renamedSystems[system.value] ?? system.value;
  const port = read("server.port") ?? read("net.peer.port") ?? read("network.peer.port");
  const hasPort = host !== null && port !== undefined && port !== usualPorts[systemName];
  return {
    backing: {
      kind: "database",
      system: systemName,
      name: name?.value ?? "",
      host: host === null ? "" : hasPort ? `${host.value}:${port}` : host.value,
    },
    isTaking: false,
    isTransfer: false,
    tags: [system, name, host].filter((tag) => tag !== null),
  };
}

const kindNames: Readonly<Record<number, string>> = {
  [clientKind]: "client",
  [producerKind]: "producer",
  [consumerKind]: "consumer",
};

function queueOf(kind: number, read: ReadText): SpanTarget | null {
  const kindName = kindNames[kind];
  const system = firstTag(read, "messaging.system");
  // The name of a destination may be of one message alone; the template is of all.
  const destination = firstTag(
    read,
    "messaging.destination.template",
    "messaging.destination.name",
    "messaging.destination",
  );
  if (kindName === undefined || destination === null || (system === null && kind === clientKind)) return null;
  const operation = read("messaging.operation.type") ?? read("messaging.operation");
  // What is told to the broker about a message, not the message.
  if (kind === clientKind && operation === "settle") return null;
  const isReceived = operation === "receive";
  const isNamedForOne =
    destination.key !== "messaging.destination.template" &&
    (read("messaging.destination.temporary") === "true" || read("messaging.destination.anonymous") === "true");
  const kindTag = { key: "span.kind", value: kindName };
  return {
    backing: { kind: "queue", system: system?.value ?? "", name: isNamedForOne ? "" : destination.value, host: "" },
    isTaking: kind === consumerKind || (kind === clientKind && isReceived),
    isTransfer: kind === clientKind || isReceived,
    tags: [system, isNamedForOne ? null : destination, kindTag].filter((tag) => tag !== null),
  };
}

function firstTag(read: ReadText, ...keys: string[]): Tag | null {
  for (const key of keys) {
    const value = read(key);
    if (value !== undefined) return { key, value };
  }
  return null;
}

const noBytes = new Uint8Array();
const noLinks: SpanNote["links"] = [];
/** Of so many spans what they say is kept, for the map of services is read again and again. */
const mostNotes = 300_000;
/** Distinct targets are few, unless a destination is made for each message. */
const mostTargets = 10_000;

/** What spans say beside their rows, by the chunk and the place they lie at. A chunk never changes: each is read once. */
export class SpanNotes {
  #mayOpen = 0;
  readonly #select: StatementSync;
  readonly #chunks = new Map<number, Map<number, SpanNote>>();
  /** Spans that say the same share it. */
  readonly #shared = new Map<string, SpanNote>();
  #count = 0;

  constructor(database: DatabaseSync) {
    this.#select = database.prepare("SELECT bytes FROM chunk WHERE key = ?");
  }

  /** Allows so many chunks to be opened from now on. */
  mayOpen(chunks: number): void {
    this.#mayOpen = chunks;
  }

  /** True when as many were opened as may be. */
  get areEnough(): boolean {
    return this.#mayOpen <= 0;
  }

  /** Undefined for a span that names neither a database nor a queue, and has no links. */
  of(chunk: number, place: number): SpanNote | undefined {
    return (this.#chunks.get(chunk) ?? this.#read(chunk)).get(place);
  }

  #read(key: number): Map<number, SpanNote> {
    this.#mayOpen--;
    const bytes = zstdDecompressSync(this.#select.get(key)!.bytes as Uint8Array);
    const notes = new Map<number, SpanNote>();
    // Looking for bytes is far cheaper than decoding, and most spans have nothing to say.
    if (mayHaveNote(bytes)) {
      for (const { span } of sliceSpans(bytes)) {
        if (!mayHaveNote(Buffer.from(span.buffer, span.byteOffset, span.byteLength))) continue;
        const note = this.#noteOf(span);
        if (note !== undefined) notes.set(span.byteOffset - bytes.byteOffset, note);
      }
    }
    this.#chunks.set(key, notes);
    this.#count += notes.size + 1;
    for (const [oldest, { size }] of this.#chunks) {
      if (this.#count <= mostNotes || oldest === key) break;
      this.#chunks.delete(oldest);
      this.#count -= size + 1;
    }
    return notes;
  }

  #noteOf(span: Uint8Array): SpanNote | undefined {
    const decoded = decodeSpan({
      span,
      resource: noBytes,
      scope: noBytes,
      resourceSchema: noBytes,
      scopeSchema: noBytes,
    });
    const target = targetOf(decoded);
    if (decoded.links.length > 0) {
      return { target, links: decoded.links.map(({ traceId, spanId }) => ({ traceId, spanId })) };
    }
    if (target === null) return undefined;
    const name = JSON.stringify(target);
    let note = this.#shared.get(name);
    if (note === undefined) {
      if (this.#shared.size === mostTargets) this.#shared.clear();
      note = { target, links: noLinks };
      this.#shared.set(name, note);
    }
    return note;
  }
}

// Span.links is field 13, in it the id of the trace field 1, of 16 bytes.
const linksTag = (13 << 3) | 2;
const traceIdTag = Buffer.from([(1 << 3) | 2, 16]);

function mayHaveNote(bytes: Buffer): boolean {
  if (bytes.includes("db.system") || bytes.includes("messaging.destination")) return true;
  for (let at = bytes.indexOf(traceIdTag, 2); at >= 0; at = bytes.indexOf(traceIdTag, at + 1)) {
    // Between the two the length of the link, of one to three bytes.
    if (bytes[at - 2] === linksTag || bytes[at - 3] === linksTag || bytes[at - 4] === linksTag) return true;
  }
  return false;
}
