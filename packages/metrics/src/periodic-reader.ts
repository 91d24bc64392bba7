import { Context, run } from "@clew/context";
import { aNumber, anObject, anything, checkOptions, checkValue, having, type OptionChecks } from "@clew/options";
import { readCount, readWord, type SendingStats, suppressTracing } from "@clew/trace";
import { DeltaMemory } from "./delta-memory.ts";
import { optionError, optionInvalid } from "./errors.ts";
import type { MeterProvider } from "./meter-provider.ts";
import type { MetricsData } from "./metric-data.ts";

/** What became of the points that an exporter was handed, and what it took to send them. */
export interface PointStats extends SendingStats {
  readonly exported: number;
  readonly rejected: number;
  readonly failed: number;
}

/** Brings metrics somewhere. */
export interface MetricsExporter {
  /** What kind it is, in OpenTelemetry's words for `otel.component.type` where there is one. Default: the name of its class. */
  readonly componentType?: string;
  /** Default: nothing is told. */
  stats?(): PointStats;
  /** Resolves with whether the destination took them. A rejection counts as false. */
  export(data: MetricsData): Promise<boolean>;
  /** Cuts off what is under way and lets go of sockets. */
  shutdown(): Promise<void>;
}

export interface PeriodicReaderOptions {
  /** How often metrics are exported, in milliseconds. Default: OTEL_METRIC_EXPORT_INTERVAL, or 60_000. */
  intervalMs?: number;
  /**
   * How long one collection and its export may take before it counts as failed, in milliseconds. Default:
   * OTEL_METRIC_EXPORT_TIMEOUT, or 30_000.
   */
  timeoutMs?: number;
  /** How long {@link PeriodicReader.shutdown} may take, in milliseconds. Default: 2_000, for a stop must end soon. */
  shutdownTimeoutMs?: number;
  /**
   * Whether sums and histograms are totals or what came since the last export. Default:
   * OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE if it is "delta" or "lowmemory", or "cumulative".
   */
  temporality?: "cumulative" | "delta";
  /** Where the OTEL_ variables are read. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

type PeriodicReaderSettings = Readonly<Required<Omit<PeriodicReaderOptions, "env">>>;

/** What is anything here is looked at below. */
const optionChecks: OptionChecks<PeriodicReaderOptions> = {
  intervalMs: aNumber,
  timeoutMs: aNumber,
  shutdownTimeoutMs: aNumber,
  temporality: anything,
  env: anObject,
};
const anExporter = having("an exporter", "export", "shutdown");

/** @throws CLEW_METRICS_OPTION */
export function resolvePeriodicReaderOptions(options: PeriodicReaderOptions = {}): PeriodicReaderSettings {
  checkOptions("PeriodicReader", options, optionChecks, optionError);
  const env = options.env ?? process.env;
  const preference = readWord(
    env,
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    ["cumulative", "delta", "lowmemory"],
    "cumulative",
  );
  const settings = {
    intervalMs: options.intervalMs ?? readCount(env, "OTEL_METRIC_EXPORT_INTERVAL", 1, 60_000) ?? 60_000,
    timeoutMs: options.timeoutMs ?? readCount(env, "OTEL_METRIC_EXPORT_TIMEOUT", 1, 30_000) ?? 30_000,
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 2000,
    temporality: options.temporality ?? (preference === "delta" || preference === "lowmemory" ? "delta" : "cumulative"),
  };
  for (const name of ["intervalMs", "timeoutMs", "shutdownTimeoutMs"] as const) {
    const given = settings[name];
    if (!(given > 0 && given < 2 ** 31)) throw optionInvalid(name, given, "a number of milliseconds above 0");
  }
  if (settings.temporality !== "cumulative" && settings.temporality !== "delta") {
    throw optionInvalid("temporality", settings.temporality, '"cumulative" or "delta"');
  }
  return settings;
}

export interface PeriodicReaderStats {
  readonly exported: number;
  /** Exports that the destination did not take, or that took too long. A delta that was not taken is lost; a total is not. */
  readonly failed: number;
}

/**
 * Collects and exports again and again. Its timer does not keep the process alive; whoever flushes or shuts down waits.
 *
 * An export that takes longer than the interval leaves the next one out: two at a time would arrive in any order.
 */
export class PeriodicReader {
  readonly #provider: Pick<MeterProvider, "collect">;
  readonly #exporter: MetricsExporter;
  readonly #settings: PeriodicReaderSettings;
  readonly #memory: DeltaMemory | undefined;
  readonly #timer: NodeJS.Timeout;
  #exporting: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;
  #exported = 0;
  #failed = 0;

  constructor(provider: Pick<MeterProvider, "collect">, exporter: MetricsExporter, options?: PeriodicReaderOptions) {
    checkValue("exporter", exporter, anExporter, optionError);
    this.#provider = provider;
    this.#exporter = exporter;
    this.#settings = resolvePeriodicReaderOptions(options);
    this.#memory = this.#settings.temporality === "delta" ? new DeltaMemory() : undefined;
    this.#timer = run(readerContext, () => setInterval(() => void this.#export(), this.#settings.intervalMs));
    this.#timer.unref();
  }

  stats(): PeriodicReaderStats {
    return { exported: this.#exported, failed: this.#failed };
  }

  /** Resolves once what was measured until now is exported, or given up. Never rejects. */
  async forceFlush(): Promise<void> {
    // Keeps the process alive, as the deadline of a shutdown does: somebody waits for this.
    const alive = setInterval(nothing, 60_000);
    await this.#flush();
    clearInterval(alive);
  }

  async #flush(): Promise<void> {
    // One that is under way may have collected before.
    await this.#exporting;
    await this.#export();
  }

  /** Exports a last time, for at most `shutdownTimeoutMs`, and shuts the exporter down. Never rejects. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#stop();
    return this.#shutdown;
  }

  async #stop(): Promise<void> {
    clearInterval(this.#timer);
    let deadline: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<void>((resolve) => {
      deadline = setTimeout(resolve, this.#settings.shutdownTimeoutMs);
    });
    await Promise.race([this.#flush(), timeIsUp]);
    try {
      await Promise.race([this.#exporter.shutdown(), timeIsUp]);
    } catch {
      // Whatever it could not let go of, nothing of ours is in it.
    }
    clearTimeout(deadline);
  }

  #export(): Promise<void> {
    this.#exporting ??= run(readerContext, () => this.#exportOnce()).finally(() => {
      this.#exporting = undefined;
    });
    return this.#exporting;
  }

  async #exportOnce(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, this.#settings.timeoutMs, false);
      timer.unref();
    });
    try {
      const isTaken = await Promise.race([this.#collectAndExport(), timeIsUp]);
      if (isTaken) this.#exported++;
      else this.#failed++;
    } catch {
      this.#failed++;
    } finally {
      clearTimeout(timer);
    }
  }

  async #collectAndExport(): Promise<boolean> {
    const data = await this.#provider.collect(this.#memory);
    return data.scopes.length === 0 || (await this.#exporter.export(data));
  }
}

const readerContext = suppressTracing(Context.root);

function nothing(): void {}
