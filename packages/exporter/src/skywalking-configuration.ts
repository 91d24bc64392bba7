import { Context, run } from "@clew/context";
import { anObject, checkOptions, millisecondsFrom, type OptionChecks } from "@clew/options";
import { readCount, suppressTracing } from "@clew/trace";
import { decodeCommands, encodeConfigurationRequest } from "@clew/trace/skywalking";
import { optionError } from "./errors.ts";
import type { SkyWalkingExporter } from "./skywalking.ts";

/** An object that can be configured while it runs: a `DynamicSampler`. */
export interface Configurable {
  /** Applies settings, keyed as in SkyWalking's agents (`agent.sample_rate`); missing settings return to their initial values. */
  configure(wishes: ReadonlyMap<string, string>): void;
}

export interface DynamicConfigurationOptions {
  /** The time between two queries, in milliseconds; 0 for none. Default: SW_AGENT_REPORTER_GRPC_CDS_FETCH_INTERVAL (seconds), or 20_000. */
  intervalMs?: number;
  /** The environment that the variable is read from. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

const optionChecks: OptionChecks<DynamicConfigurationOptions> = { intervalMs: millisecondsFrom(0), env: anObject };

const untraced = suppressTracing(Context.root);
/** Node runs a timer with a longer delay at once. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Periodically queries SkyWalking's collector for the configuration of this service, and passes it to the Configurable objects. If the
 * collector lacks this API, or is unavailable, nothing changes. Its timer does not keep the process alive.
 */
export class DynamicConfiguration {
  readonly #exporter: SkyWalkingExporter;
  readonly #targets: readonly Configurable[];
  readonly #timer: NodeJS.Timeout | undefined;
  #uuid = "";

  /** @throws CLEW_EXPORTER_OPTION */
  constructor(
    exporter: SkyWalkingExporter,
    targets: readonly Configurable[],
    options: DynamicConfigurationOptions = {},
  ) {
    checkOptions("DynamicConfiguration", options, optionChecks, optionError);
    const env = options.env ?? process.env;
    const seconds = readCount(env, "SW_AGENT_REPORTER_GRPC_CDS_FETCH_INTERVAL", 0, 20);
    const intervalMs = Math.min(options.intervalMs ?? (seconds ?? 20) * 1000, maxTimerMs);
    this.#exporter = exporter;
    this.#targets = targets;
    if (intervalMs > 0) this.#timer = run(untraced, () => setInterval(() => void this.fetch(), intervalMs)).unref();
  }

  /** Queries now. Resolves to whether the configuration is new. Never rejects. */
  async fetch(): Promise<boolean> {
    const { upstream, settings } = this.#exporter;
    const { outcome, reply } = await upstream.send({
      what: "questions for the configuration",
      service: "ConfigurationDiscoveryService",
      method: "fetchConfigurations",
      messages: () => [encodeConfigurationRequest(settings.identity.service, this.#uuid)],
    });
    if (outcome !== "taken") return false;
    let isNew = false;
    try {
      for (const { name, args } of decodeCommands(reply)) {
        const uuid = args.get("UUID") ?? "";
        if (name !== "ConfigurationDiscoveryCommand" || uuid === this.#uuid) continue;
        this.#uuid = uuid;
        isNew = true;
        for (const target of this.#targets) target.configure(args);
      }
    } catch (error) {
      settings.logger?.warn("SkyWalking's configuration is not understood", { error });
    }
    return isNew;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
