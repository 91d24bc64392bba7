import { Context, run } from "@clew/context";
import type { ReportStats } from "@clew/metrics";
import { type BatchResult, suppressTracing } from "@clew/trace";
import { type Attempt, noAnswer, unsupported } from "./delivery.ts";
import { HttpSender } from "./http-sender.ts";
import { backOffMs } from "./retry.ts";
import type { GrpcLine } from "./skywalking-grpc-line.ts";
import { KafkaLine } from "./skywalking-kafka-line.ts";
import type { SkyWalkingSettings } from "./skywalking-options.ts";
import type { Report, ReportAttempt } from "./skywalking-report.ts";

/** The transport to one backend. */
interface Line {
  send(report: Report, signal: AbortSignal): Promise<ReportAttempt>;
  close(): Promise<void>;
}

type Counts = Record<Attempt["outcome"], number>;

const untraced = suppressTracing(Context.root);

/**
 * Sends reports to SkyWalking's collector: to one of several backends, and to the next one when it is unavailable. Its requests are
 * not traced, and do not keep the process alive.
 */
export class Upstream {
  readonly #settings: SkyWalkingSettings;
  readonly #backends: readonly string[];
  readonly #stopping = new AbortController();
  #index = 0;
  #line: Line | undefined;
  #isAway = false;
  #failures = 0;
  readonly #counts = new Map<string, Counts>();
  /** The kinds of reports whose refusal was logged. */
  readonly #refused = new Set<string>();

  constructor(settings: SkyWalkingSettings) {
    this.#settings = settings;
    // Not all agents of a fleet must connect to the first backend.
    this.#backends = settings.backends
      .map((backend) => [Math.random(), backend] as const)
      .sort()
      .map(([, backend]) => backend);
  }

  /** The backend in use. */
  get backend(): string {
    return this.#backends[this.#index]!;
  }

  /** Sends a report to the backend in use, or to the others if it is unavailable. Never rejects. */
  send(report: Report): Promise<ReportAttempt> {
    if (this.#settings.isDiscarding) return Promise.resolve(discarded);
    return run(untraced, () => this.#sendToAny(report));
  }

  /** Counts of the reports so far, by kind and outcome. */
  stats(): ReportStats[] {
    return [...this.#counts].map(([method, { taken, refused, busy }]) => {
      return { method, taken, refused, unavailable: busy };
    });
  }

  /** Aborts pending requests and closes the connections. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#line?.close();
    await this.#settings.kafka?.producer.close?.();
  }

  async #sendToAny(report: Report): Promise<ReportAttempt> {
    const { signal } = this.#stopping;
    let attempt: ReportAttempt = noAnswer(new Error("the exporter is shut down"));
    for (let tries = 0; tries < this.#backends.length && !signal.aborted; tries++) {
      const index = this.#index;
      this.#line ??= this.#open(this.backend);
      const line = this.#line;
      attempt = await line.send(report, signal);
      if (attempt.outcome !== "busy") break;
      // Another report may have switched to the next backend meanwhile.
      if (index === this.#index && line === this.#line) this.#turn();
    }
    this.#count(report, attempt);
    this.#note(report, attempt);
    if (attempt.outcome !== "busy") return attempt;
    const waitMs = backOffMs(Math.min(this.#failures, 6), { initialMs: 1000, maxMs: 30_000, limitMs: 0 });
    return { ...attempt, retryAfterMs: attempt.retryAfterMs ?? waitMs };
  }

  #turn(): void {
    const line = this.#line;
    this.#line = undefined;
    this.#index = (this.#index + 1) % this.#backends.length;
    void line?.close().catch(nothing);
  }

  #open(backend: string): Line {
    const { kafka, timeoutMs } = this.#settings;
    if (kafka !== undefined) return new KafkaLine(kafka, timeoutMs);
    return this.#settings.protocol === "http"
      ? new HttpLine(backend, this.#settings)
      : new LazyGrpcLine(backend, this.#settings);
  }

  #count({ service, method }: Report, { outcome }: Attempt): void {
    const name = `${service}/${method}`;
    const counts = this.#counts.get(name) ?? { taken: 0, refused: 0, busy: 0 };
    counts[outcome]++;
    this.#counts.set(name, counts);
  }

  #note({ what }: Report, { outcome, error, rejected = 0 }: ReportAttempt): void {
    const { logger } = this.#settings;
    if (this.#stopping.signal.aborted) return;
    if (outcome === "busy") {
      this.#failures++;
      if (this.#isAway) return;
      this.#isAway = true;
      logger?.warn("SkyWalking's collector is away, trying again", {
        backends: this.#backends,
        reason: error?.message,
      });
      return;
    }
    this.#failures = 0;
    if (this.#isAway) {
      this.#isAway = false;
      logger?.info("SkyWalking's collector is back", { backend: this.backend });
    }
    // A collector without a service refuses each report to it; one line is enough.
    const isTaken = outcome === "taken" && rejected === 0;
    if (isTaken) this.#refused.delete(what);
    if (isTaken || this.#refused.has(what)) return;
    this.#refused.add(what);
    logger?.error(`SkyWalking's collector refused ${what}`, { backend: this.backend, reason: error?.message });
  }
}

/** Loads the gRPC client and its dependencies at the first report. */
class LazyGrpcLine implements Line {
  readonly #backend: string;
  readonly #settings: SkyWalkingSettings;
  #line: Promise<GrpcLine> | undefined;

  constructor(backend: string, settings: SkyWalkingSettings) {
    this.#backend = backend;
    this.#settings = settings;
  }

  async send(report: Report, signal: AbortSignal): Promise<Attempt> {
    this.#line ??= import("./skywalking-grpc-line.ts").then(
      ({ GrpcLine }) => new GrpcLine(this.#backend, this.#settings),
    );
    return (await this.#line).send(report, signal);
  }

  async close(): Promise<void> {
    await (await this.#line)?.close();
  }
}

class HttpLine implements Line {
  readonly #base: string;
  readonly #settings: SkyWalkingSettings;
  readonly #senders = new Map<string, HttpSender>();

  constructor(backend: string, settings: SkyWalkingSettings) {
    this.#base = `${settings.isSecure ? "https" : "http"}://${backend}`;
    this.#settings = settings;
  }

  async send({ path, json, what }: Report, signal: AbortSignal): Promise<Attempt> {
    if (path === undefined || json === undefined) return unsupported(new Error(`${what} do not go over HTTP`));
    let sender = this.#senders.get(path);
    if (sender === undefined) {
      const { headers, timeoutMs, tls } = this.#settings;
      const url = new URL(path, this.#base);
      sender = new HttpSender({ url, headers, contentType: "application/json", isCompressed: false, timeoutMs, tls });
      this.#senders.set(path, sender);
    }
    return sender.send(Buffer.from(JSON.stringify(json())), signal);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#senders.values()].map((sender) => sender.close()));
  }
}

const discarded = unsupported(new Error("SW_AGENT_REPORTER_DISCARD is true"));

/** Converts the result of a report for its queue. */
export function toBatchResult({ outcome, retryAfterMs, rejected = 0 }: ReportAttempt): BatchResult {
  if (outcome === "taken") return rejected === 0 ? { outcome: "exported" } : { outcome: "exported", rejected };
  if (outcome === "refused") return { outcome: "failed" };
  return retryAfterMs === undefined ? { outcome: "unavailable" } : { outcome: "unavailable", retryAfterMs };
}

function nothing(): void {}
