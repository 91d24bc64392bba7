import { aBoolean, aFunction, checkOptions, numberFrom, type OptionChecks, wholeNumberFrom } from "@clew/options";
import { type ExportResult, type SpanData, type SpanExporter, serviceNameOf } from "@clew/trace";
import { optionError } from "./errors.ts";
import { renderWaterfall, type WaterfallSpan } from "./waterfall.ts";

export interface ConsoleExporterOptions {
  /** Receives the text to print. Default: writes to standard output. */
  write?: (text: string) => void;
  /** The width in columns. Default: the width of the terminal, or 100. */
  width?: number;
  /** Whether to print colours. Default: true if standard output is a terminal or FORCE_COLOR is set, and NO_COLOR is not. */
  color?: boolean;
  /** The maximum number of traces that wait for their root; beyond that the oldest is printed incomplete. Default: 100. */
  maxTraces?: number;
  /** The maximum number of spans of such a trace; further ones are not shown. Default: 1_000. */
  maxSpans?: number;
}

interface ConsoleExporterSettings {
  readonly write: (text: string) => void;
  readonly width: number | undefined;
  readonly color: boolean;
  readonly maxTraces: number;
  readonly maxSpans: number;
}

const optionChecks: OptionChecks<ConsoleExporterOptions> = {
  write: aFunction,
  width: numberFrom(1),
  color: aBoolean,
  maxTraces: wholeNumberFrom(0),
  maxSpans: wholeNumberFrom(1),
};

/** @throws CLEW_EXPORTER_OPTION */
function resolveConsoleExporterOptions(options: ConsoleExporterOptions): ConsoleExporterSettings {
  checkOptions("ConsoleExporter", options, optionChecks, optionError);
  return {
    write: options.write ?? ((text) => void process.stdout.write(text)),
    width: options.width,
    color: options.color ?? hasColors(),
    maxTraces: options.maxTraces ?? 100,
    maxSpans: options.maxSpans ?? 1000,
  };
}

/** Prints every trace of this process as a waterfall when its first span has ended. For development. */
export class ConsoleExporter implements SpanExporter {
  readonly #settings: ConsoleExporterSettings;
  readonly #traces = new Map<string, WaterfallSpan[]>();

  constructor(options: ConsoleExporterOptions = {}) {
    this.#settings = resolveConsoleExporterOptions(options);
  }

  async export(spans: readonly SpanData[]): Promise<ExportResult> {
    const { maxTraces, maxSpans } = this.#settings;
    const ended = new Set<string>();
    for (const span of spans) {
      let trace = this.#traces.get(span.traceId);
      if (trace === undefined) {
        trace = [];
        this.#traces.set(span.traceId, trace);
      }
      if (trace.length < maxSpans) trace.push(toWaterfallSpan(span));
      if (span.parentSpanId === "" || span.isParentRemote) ended.add(span.traceId);
    }
    for (const traceId of ended) this.#print(traceId);
    for (const traceId of this.#traces.keys()) {
      if (this.#traces.size <= maxTraces) break;
      this.#print(traceId);
    }
    return { outcome: "exported" };
  }

  /** Prints the traces that wait for their root. */
  async shutdown(): Promise<void> {
    for (const traceId of [...this.#traces.keys()]) this.#print(traceId);
  }

  #print(traceId: string): void {
    const spans = this.#traces.get(traceId);
    if (spans === undefined) return;
    this.#traces.delete(traceId);
    const { write, color } = this.#settings;
    const width = this.#settings.width ?? process.stdout.columns ?? 100;
    write(`${renderWaterfall(spans, { width, color })}\n`);
  }
}

/** A finished span as a waterfall shows it. */
export function toWaterfallSpan(span: SpanData): WaterfallSpan {
  return {
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    service: serviceNameOf(span.resource),
    name: span.name,
    startMs: span.startUs / 1000,
    durationMs: (span.endUs - span.startUs) / 1000,
    error: span.statusCode === 2,
  };
}

/** Whether to write colours to standard output (no-color.org: NO_COLOR counts when it is not empty). */
export function hasColors(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== "0";
  return process.stdout.isTTY === true && env.TERM !== "dumb";
}
