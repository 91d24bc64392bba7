import { Context, run } from "@clew/context";
import { aNumber, anObject, anything, checkOptions, checkValue, having, type OptionChecks } from "@clew/options";
import { readCount, readWord, type SendingStats, suppressTracing } from "@clew/trace";
import { DeltaMemory } from "./delta-memory.ts";
import { optionError, optionInvalid } from "./errors.ts";
import type { MeterProvider } from "./meter-provider.ts";
import type { MetricsData } from "./metric-data.ts";

/** What happened to the points given to an exporter, and the cost of sending them. */
export interface PointStats extends SendingStats {
  readonly exported: number;
  readonly rejected: number;
  readonly failed: number;
}

/** Sends metrics to a destination. */
export interface MetricsExporter {
  /**
   * The kind of the exporter, in OpenTelemetry's values of `otel.component.type` if there is one. Default: the name of its
   * class.
   */
  readonly componentType?: string;
  /** Returns its statistics. Default: none are reported. */
  stats?(): PointStats;
  /** Resolves with true if the destination accepted the metrics. A rejection counts as false. */
  export(data: MetricsData): Promise<boolean>;
  /** Aborts exports in progress and closes sockets. */
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
  /** How long {@link PeriodicReader.shutdown} may take, in milliseconds. Default: 2_000, because a stop must end soon. */
  shutdownTimeoutMs?: number;
  /**
   * Whether sums and histograms are totals, or what was measured since the last export. Default: "delta" if
   * OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE is "delta" or "lowmemory", otherwise "cumulative".
   */
  temporality?: "cumulative" | "delta";
  /** The environment from which the OTEL_ variables are read. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

type PeriodicReaderSettings = Readonly<Required<Omit<PeriodicReaderOptions, "env">>>;

/** The options checked as `anything` are checked below. */
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
  /**
   * The number of exports that the destination did not accept, or that took too long. A failed delta is lost; a total is not.
   */
  readonly failed: number;
}

/**
 * Collects and exports metrics periodically. Its timer does not keep the process alive, but forceFlush and shutdown do while
 * they wait.
 *
 * If an export takes longer than the interval, the next one is skipped: two at the same time could arrive in any order.
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

  /** Resolves when everything measured until now has been exported, or the export was given up. Never rejects. */
  async forceFlush(): Promise<void> {
    // Keeps the process alive, as the deadline of a shutdown does, because a caller waits for this.
    const alive = setInterval(nothing, 60_000);
    await this.#flush();
    clearInterval(alive);
  }

  async #flush(): Promise<void> {
    // An export that is in progress may have collected before this call.
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
      // The exporter could not close something; nothing of this reader depends on it.
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
