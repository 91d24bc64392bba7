import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Backing, BackingCall, BackingStats, Dependency } from "../contract.ts";
import { Calls, type CallsByPair, callsOfPair, memberOf } from "./calls.ts";
import type { SpanNote, SpanNotes, SpanTarget } from "./span-target.ts";
import type { Row } from "./summaries.ts";

const consumerKind = 5;
const mostLinksOfSpan = 128;

/** What {@link BackingCalls} needs to know of a span and of its parent. */
export interface CallingSpan {
  readonly service: string;
  readonly kind: number;
  readonly isFirst: boolean;
  readonly durationUs: number;
  readonly isError: boolean;
  readonly note: SpanNote | undefined;
  readonly parent: { readonly service: string; readonly note: SpanNote | undefined } | undefined;
}

/** One service's calls of a database or a queue, in one direction. */
interface Pair {
  readonly service: string;
  readonly target: SpanTarget;
  /** Of spans that are the message's, or the query's, own. */
  readonly calls: Calls;
  readonly transfers: Calls;
}

/** Counts what spans say of databases and queues, and of services that a link leads to. */
export class BackingCalls {
  /** How many spans were looked for because a link leads to them. */
  linkedCount = 0;
  readonly #notes: SpanNotes;
  readonly #findLinked: StatementSync;
  readonly #backings = new Map<string, Map<string, Pair>>();
  readonly #links: CallsByPair = new Map();

  constructor(database: DatabaseSync, notes: SpanNotes) {
    this.#notes = notes;
    this.#findLinked = database.prepare(`
      SELECT o.service, s.error, s.chunk, s.place FROM trace t
      CROSS JOIN span s ON s.trace = t.key AND s.id = ?
      CROSS JOIN operation o ON o.key = s.operation WHERE t.id = ?`);
  }

  /** What the span at this place says beside its row. */
  noteOf(row: Row, chunk: "chunk" | "parent_chunk", place: "place" | "parent_place"): SpanNote | undefined {
    return this.#notes.of(Number(row[chunk]), Number(row[place]));
  }

  /** Takes a span. True when it came by way of a queue, and not straight from the service of its parent. */
  see(span: CallingSpan): boolean {
    const { service, kind, note, parent } = span;
    const isInner = parent?.service === service;
    const target = note?.target ?? null;
    if (target !== null) {
      const { backing } = target;
      const around = isInner ? parent.note?.target?.backing : undefined;
      // A library on top of another: both tell of the same query.
      if (backing.kind === "database" && around?.kind === "database" && around.system === backing.system) return false;
      this.#add(span, target);
      return target.isTaking;
    }
    if (kind === consumerKind && parent !== undefined && !isInner) {
      const sent = parent.note?.target;
      if (sent?.backing.kind !== "queue") return false;
      this.#add(span, takingFrom(sent.backing));
      return true;
    }
    if (note !== undefined && (span.isFirst || kind === consumerKind) && (parent === undefined || isInner)) {
      this.#follow(span, note.links);
    }
    return false;
  }

  /** A consumer that says nothing of its queue: those that its links lead to may. */
  #follow(span: CallingSpan, links: SpanNote["links"]): void {
    const seen = new Set<string>();
    for (const { traceId, spanId } of links.slice(0, mostLinksOfSpan)) {
      this.linkedCount++;
      const row = this.#findLinked.get(Buffer.from(spanId, "hex"), Buffer.from(traceId, "hex"));
      if (row === undefined) continue;
      const sent = this.noteOf(row, "chunk", "place")?.target;
      const sender = String(row.service);
      const name = sent?.backing.kind === "queue" ? keyOf(sent.backing) : `service ${sender}`;
      if (seen.has(name)) continue;
      seen.add(name);
      if (sent?.backing.kind === "queue") this.#add(span, takingFrom(sent.backing));
      else if (sender !== span.service) {
        callsOfPair(this.#links, sender, span.service).add(span.durationUs, span.isError || row.error === 1);
      }
    }
  }

  #add({ service, durationUs, isError }: CallingSpan, target: SpanTarget): void {
    const pairs = memberOf(this.#backings, keyOf(target.backing), () => new Map<string, Pair>());
    const pair = memberOf(pairs, `${target.isTaking ? "from" : "to"} ${service}`, () => ({
      service,
      target,
      calls: new Calls(),
      transfers: new Calls(),
    }));
    (target.isTransfer ? pair.transfers : pair.calls).add(durationUs, isError);
  }

  /** What was found out: of these services alone, and of so many databases and queues, those used most. */
  result(
    services: readonly string[],
    maxBackings: number,
  ): { backings: BackingStats[]; backingCalls: BackingCall[]; links: Dependency[]; backingCount: number } {
    const shown = new Set(services);
    const used = [...this.#backings.values()]
      .map((pairs) => [...pairs.values()].filter(({ service }) => shown.has(service)))
      .filter((pairs) => pairs.length > 0);
    const chosen = used
      .map((pairs) => ({ pairs, count: pairs.reduce((sum, pair) => sum + countedOf(pair).count, 0) }))
      .sort((a, b) => b.count - a.count)
      .slice(0, maxBackings)
      .map(({ pairs }) => pairs)
      .sort((a, b) => compare(nameOf(a), nameOf(b)));
    return {
      backings: chosen.map((pairs): BackingStats => {
        const calls = new Calls();
        for (const pair of pairs) if (!pair.target.isTaking) calls.addAll(countedOf(pair));
        return { ...pairs[0]!.target.backing, ...calls.stats() };
      }),
      backingCalls: chosen.flatMap((pairs, backing) =>
        pairs
          .sort((a, b) => Number(a.target.isTaking) - Number(b.target.isTaking) || compare(a.service, b.service))
          .map((pair): BackingCall => {
            const { service, target } = pair;
            return { service, backing, isTaking: target.isTaking, tags: target.tags, ...countedOf(pair).stats() };
          }),
      ),
      links: services.flatMap((parent) =>
        services.flatMap((child): Dependency[] => {
          const calls = this.#links.get(parent)?.get(child);
          return calls === undefined ? [] : [{ parent, child, ...calls.stats() }];
        }),
      ),
      backingCount: used.length,
    };
  }
}

function takingFrom(backing: Backing): SpanTarget {
  return { backing, isTaking: true, isTransfer: false, tags: [{ key: "span.kind", value: "consumer" }] };
}

/** Each message once, where it has a span of its own; otherwise each time that some were moved. */
function countedOf({ calls, transfers }: Pair): Calls {
  return calls.count > 0 ? calls : transfers;
}

function keyOf({ kind, system, name, host }: Backing): string {
  return JSON.stringify([kind, system, name, host]);
}

function nameOf([pair]: readonly Pair[]): string {
  return keyOf(pair!.target.backing);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
