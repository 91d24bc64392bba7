import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { aFunction, checkOptions, numberFrom, type OptionChecks, recordOf, wholeNumberFrom } from "@clew/options";
import { type Span as OtelSpan, SpanKind } from "@opentelemetry/api";
import { findAttribute } from "./attributes.ts";
import type { BatchStats } from "./batch.ts";
import { optionError } from "./errors.ts";
import { Span } from "./span.ts";
import type { SpanData } from "./span-data.ts";
import type { SpanProcessor } from "./span-processor.ts";
import type { TraceCounters } from "./trace-counters.ts";

export interface DoctorOptions {
  /** The age from which a live span counts as never ended, in milliseconds. Default: 60_000. */
  leakMs?: number;
  /** The maximum number of spans watched at the same time; further ones are ignored. Default: 10_000. */
  maxSpans?: number;
  /** The ratio of spans whose start records the stack, to report it for spans that never end; costs 5 us per stack. Default: 0. */
  stacks?: number;
  /** Functions that return the counts of the exporters' queues, keyed by exporter name. Default: none. */
  exporters?: Readonly<Record<string, () => BatchStats>>;
  /** Returns the provider's counts. Default: none. */
  provider?: () => Readonly<TraceCounters>;
  /** Returns milliseconds of a monotonic clock. Default: performance.now. */
  now?: () => number;
}

type DoctorSettings = Readonly<Required<DoctorOptions>>;

export const doctorChecks: OptionChecks<DoctorOptions> = {
  leakMs: numberFrom(0),
  maxSpans: wholeNumberFrom(1),
  stacks: numberFrom(0, 1),
  exporters: recordOf("an object of functions", aFunction),
  provider: aFunction,
  now: aFunction,
};

function resolveDoctorOptions(options: DoctorOptions): DoctorSettings {
  checkOptions("Doctor", options, doctorChecks, optionError);
  return {
    leakMs: options.leakMs ?? 60_000,
    maxSpans: options.maxSpans ?? 10_000,
    stacks: options.stacks ?? 0,
    exporters: options.exporters ?? {},
    provider: options.provider ?? (() => ({}) as TraceCounters),
    now: options.now ?? (() => performance.now()),
  };
}

/** A problem with the tracing of this process. */
export interface Finding {
  readonly what:
    | "context lost"
    | "late span"
    | "unknown parent"
    | "span never ended"
    | "API registered twice"
    | "exporter fails"
    | "spans dropped";
  /** The place: an operation with its scope, an exporter, or the path of a package. */
  readonly where: string;
  readonly count: number;
  /** Details, as readable text. */
  readonly detail: string;
  /** A suggestion that solves the problem. */
  readonly help: string;
  /** The lines of the app's code that started the span, the innermost first; empty if they were not recorded. */
  readonly stack: readonly string[];
}

interface Watched {
  readonly name: string;
  readonly scope: string;
  readonly startedAt: number;
  readonly stack: readonly string[];
  readonly isServer: boolean;
}

interface Group {
  readonly what: "context lost" | "late span" | "unknown parent";
  readonly where: string;
  count: number;
  stack: readonly string[];
}

const maxGroups = 200;

/**
 * Watches spans start and end, and reports problems: lost contexts, spans that never ended, spans that cannot be exported. Combine
 * it with the exporters by `composeProcessors`. It keeps a table entry for each live span, so use it for diagnosis, not permanently.
 */
export class Doctor implements SpanProcessor {
  /** Contexts are also lost in unsampled traces. */
  readonly recordsUnsampled = true;
  readonly #settings: DoctorSettings;
  readonly #live = new Map<string, Watched>();
  // Two generations of ended spans: when the younger is full, the older is discarded.
  #ended = new Set<string>();
  #endedBefore = new Set<string>();
  readonly #groups = new Map<string, Group>();
  #servers = 0;

  constructor(options: DoctorOptions = {}) {
    this.#settings = resolveDoctorOptions(options);
  }

  onStart(span: OtelSpan): void {
    const record = span instanceof Span ? span.record : undefined;
    if (record === undefined || this.#live.size >= this.#settings.maxSpans) return;
    const isServer = record.kind === SpanKind.SERVER || record.kind === SpanKind.CONSUMER;
    if (isServer) this.#servers++;
    else if (record.parentSpanId === "") {
      // While requests are being served, most work belongs to one of them.
      if (this.#servers > 0) this.#note("context lost", record);
    } else if (findAttribute(record.attributes, "clew.late") === true) this.#note("late span", record);
    if (record.parentSpanId !== "" && !record.isParentRemote && !this.#knows(record.parentSpanId)) {
      this.#note("unknown parent", record);
    }
    const keepsStack = this.#settings.stacks > 0 && Math.random() < this.#settings.stacks;
    this.#live.set(record.spanId, {
      name: record.name,
      scope: record.scope.name,
      startedAt: this.#settings.now(),
      stack: keepsStack ? appStack() : [],
      isServer,
    });
  }

  onEnd(span: SpanData): void {
    const watched = this.#live.get(span.spanId);
    if (watched === undefined) return;
    this.#live.delete(span.spanId);
    if (watched.isServer) this.#servers--;
    this.#ended.add(span.spanId);
    if (this.#ended.size >= this.#settings.maxSpans) {
      this.#endedBefore = this.#ended;
      this.#ended = new Set();
    }
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}

  /** Returns the problems, the most frequent of each kind first. */
  findings(): Finding[] {
    const groups = [...this.#groups.values()].sort((a, b) => b.count - a.count);
    const spans = groups.map(({ what, where, count, stack }) => ({ what, where, count, stack, ...advice[what] }));
    return [...spans, ...this.#leaks(), ...this.#exporterFindings(), ...findApiCopies()];
  }

  /** Returns the findings as text, for a terminal or a log. */
  report(): string {
    const findings = this.findings();
    if (findings.length === 0) return "tracing is well: nothing to report\n";
    let text = `${findings.length} ${findings.length === 1 ? "finding" : "findings"}\n`;
    for (const { what, where, count, detail, help, stack } of findings) {
      text += `\n${what}: ${where}${count > 1 ? `, ${count} times` : ""}\n  ${detail}\n`;
      for (const line of stack) text += `    ${line}\n`;
      text += `  what helps: ${help}\n`;
    }
    return text;
  }

  #knows(spanId: string): boolean {
    return this.#live.has(spanId) || this.#ended.has(spanId) || this.#endedBefore.has(spanId);
  }

  #note(what: Group["what"], record: SpanData): void {
    const where = nameOf(record.name, record.scope.name);
    const key = `${what}\n${where}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= maxGroups) return;
      group = { what, where, count: 0, stack: appStack() };
      this.#groups.set(key, group);
    }
    group.count++;
    // The first such span may have been started from the event loop, where the stack has no line of the app.
    if (group.stack.length === 0 && group.count <= 5) group.stack = appStack();
  }

  #leaks(): Finding[] {
    const now = this.#settings.now();
    const oldest = new Map<string, { count: number; ageMs: number; stack: readonly string[] }>();
    for (const { name, scope, startedAt, stack } of this.#live.values()) {
      const ageMs = now - startedAt;
      if (ageMs < this.#settings.leakMs) continue;
      const where = nameOf(name, scope);
      const known = oldest.get(where) ?? { count: 0, ageMs: 0, stack: [] };
      oldest.set(where, {
        count: known.count + 1,
        ageMs: Math.max(known.ageMs, ageMs),
        stack: known.stack.length > 0 ? known.stack : stack,
      });
    }
    return [...oldest].map(([where, { count, ageMs, stack }]) => ({
      what: "span never ended",
      where,
      count,
      stack,
      detail: `the oldest started ${Math.round(ageMs / 1000)} s ago`,
      help: "end() it on every way out, also after an error: withSpan does. `stacks: 0.01` shows where it was started",
    }));
  }

  #exporterFindings(): Finding[] {
    const findings: Finding[] = [];
    for (const [where, stats] of Object.entries(this.#settings.exporters)) {
      const { failed, dropped, rejected, waiting, exported } = stats();
      if (failed + rejected === 0 && dropped === 0) continue;
      findings.push({
        what: "exporter fails",
        where,
        count: failed + rejected + dropped,
        stack: [],
        detail: `exported ${exported}, refused ${rejected}, failed ${failed}, dropped ${dropped}, waiting ${waiting}`,
        help: "see the exporter's log for the reason; a larger OTEL_BSP_MAX_QUEUE_SIZE bridges a destination that is away",
      });
    }
    const { droppedSpans = 0 } = this.#settings.provider();
    if (droppedSpans > 0) {
      findings.push({
        what: "spans dropped",
        where: "limits",
        count: droppedSpans,
        stack: [],
        detail: "local roots had more spans below them than the limit; they tell how many as clew.dropped_spans",
        help: "one span for the whole loop, or a higher `limits.spans`",
      });
    }
    return findings;
  }
}

const advice: Readonly<Record<Group["what"], { detail: string; help: string }>> = {
  "context lost": {
    detail: "it began a trace of its own while requests were being served",
    help: "where a pool or a queue calls back later, wrap the callback in bind() of @clew/context; work of its own, such as a scheduled job, begins with a CONSUMER span",
  },
  "late span": {
    detail: "it started after its parent and the request had ended",
    help: "await the work, or keep a span open around it until it is done",
  },
  "unknown parent": {
    detail: "its parent is of no span this provider made, or ended long ago",
    help: "one tracer provider for the process; and a parent from another process belongs through a propagator, which marks it as remote",
  },
};

function nameOf(name: string, scope: string): string {
  return scope === "" ? name : `${name} (${scope})`;
}

// The built code, and, with source maps, its sources.
const ownFolders = ["../dist/", "../src/"].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));

/** Returns the stack's lines in the app, without lines in this package, OpenTelemetry and Node. */
function appStack(): string[] {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 30;
  const lines = (new Error().stack ?? "").split("\n").slice(1);
  Error.stackTraceLimit = stackTraceLimit;
  return lines
    .map((line) => line.trim())
    .filter(
      (line) =>
        !ownFolders.some((folder) => line.includes(folder)) &&
        !/node:|[\\/]@opentelemetry[\\/]|[\\/]@clew[\\/]/.test(line),
    )
    .slice(0, 5);
}

/**
 * Finds loaded copies of the API that have different versions: the registered copy serves only copies that are not
 * newer.
 */
function findApiCopies(): Finding[] {
  const versions = new Map<string, string>();
  for (const path of Object.keys(createRequire(import.meta.url).cache)) {
    const folder = /^.*[\\/]@opentelemetry[\\/]api(?=[\\/])/.exec(path)?.[0];
    if (folder !== undefined && !versions.has(folder)) versions.set(folder, readVersion(folder));
  }
  for (const symbol of Object.getOwnPropertySymbols(globalThis)) {
    if (!symbol.description?.startsWith("opentelemetry.js.api.")) continue;
    const registered = (globalThis as unknown as Record<symbol, { version?: string } | undefined>)[symbol];
    if (registered?.version !== undefined) versions.set(`registered as ${symbol.description}`, registered.version);
  }
  if (new Set(versions.values()).size < 2) return [];
  return [
    {
      what: "API registered twice",
      where: "@opentelemetry/api",
      count: 1,
      stack: [],
      detail: [...versions].map(([where, version]) => `${version} (${where})`).join(", "),
      help: "one version for all: `npm ls @opentelemetry/api` shows who brings which, `overrides` in package.json makes them one",
    },
  ];
}

function readVersion(folder: string): string {
  try {
    const manifest: unknown = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    return String((manifest as { version?: unknown }).version);
  } catch {
    return "unknown";
  }
}
