import { hostname, platform } from "node:os";
import { Context, run } from "@clew/context";
import { type ReportStats, reportMetrics, tellTelemetry } from "@clew/metrics";
import { type BatchResult, suppressTracing } from "@clew/trace";
import {
  encodeInstance,
  encodePing,
  encodeSegment,
  type InstanceData,
  ipv4Addresses,
  pairsToJson,
  type SegmentData,
  type SegmentExporter,
  segmentToJson,
} from "@clew/trace/skywalking";
import { resolveSkyWalkingOptions, type SkyWalkingOptions, type SkyWalkingSettings } from "./skywalking-options.ts";
import type { Report } from "./skywalking-report.ts";
import { toBatchResult, Upstream } from "./skywalking-upstream.ts";

/** Counts of the segments exported so far, by outcome. */
export interface SkyWalkingExporterStats {
  /** Segments that the collector took. */
  readonly exported: number;
  /** Segments that the collector refused. */
  readonly failed: number;
  /** Heartbeats, and reports of the instance's properties, that the collector took. */
  readonly heartbeats: number;
  /** Counts of all reports and queries, by kind. */
  readonly reports: readonly ReportStats[];
  /** The backend in use. */
  readonly backend: string;
  /** Why the last report was not taken; undefined when it was. */
  readonly lastError: string | undefined;
}

/** An object that sends over an exporter's connections, such as SkyWalkingLogs. */
export interface ExporterUser {
  /** Sends waiting items, within a few seconds. Never rejects. */
  shutdown(): Promise<void>;
}

/** Every tenth heartbeat sends the properties again, because a restarted collector has lost them. */
const propertiesEvery = 10;

const untraced = suppressTracing(Context.root);

/**
 * Sends segments to SkyWalking's collector, and reports this instance: its properties when the first segments are sent or
 * {@link start} is called, then heartbeats. Pass it to a `SegmentProcessor`, which keeps the segments while the collector is
 * unavailable. The counts of its reports are reported as metrics of the global provider.
 */
export class SkyWalkingExporter implements SegmentExporter {
  readonly settings: SkyWalkingSettings;
  /** The connection to the collector, for other reports. */
  readonly upstream: Upstream;
  readonly #endTelling: () => void;
  readonly #users = new Set<ExporterUser>();
  #timer: NodeJS.Timeout | undefined;
  #beats = 0;
  #isKnown = false;
  #isStopped = false;
  #exported = 0;
  #failed = 0;
  #heartbeats = 0;
  #lastError: string | undefined;

  /** @throws CLEW_EXPORTER_BACKEND, CLEW_EXPORTER_PROTOCOL, CLEW_EXPORTER_TIMEOUT, CLEW_EXPORTER_CERTIFICATE, CLEW_EXPORTER_PROPERTIES */
  constructor(options?: SkyWalkingOptions) {
    this.settings = resolveSkyWalkingOptions(options);
    this.upstream = new Upstream(this.settings);
    this.#endTelling = tellTelemetry("skywalking reports", (meterProvider) => reportMetrics(this, { meterProvider }));
  }

  /** Starts the heartbeat. Its timer does not keep the process alive. */
  start(): void {
    if (this.#timer !== undefined || this.#isStopped || this.settings.isDiscarding) return;
    this.#timer = run(untraced, () => setInterval(() => void this.#beat(), this.settings.heartbeatMs)).unref();
    void this.#beat();
  }

  async export(segments: readonly SegmentData[]): Promise<BatchResult> {
    if (this.#isStopped) {
      this.#failed += segments.length;
      return { outcome: "failed" };
    }
    this.start();
    const attempt = await this.upstream.send(segmentReport(segments));
    this.#lastError = attempt.error?.message;
    const result = toBatchResult(attempt);
    const { outcome, rejected = 0 } = result;
    if (outcome === "exported") this.#exported += segments.length - rejected;
    if (outcome !== "unavailable") this.#failed += outcome === "failed" ? segments.length : rejected;
    return result;
  }

  stats(): SkyWalkingExporterStats {
    return {
      exported: this.#exported,
      failed: this.#failed,
      heartbeats: this.#heartbeats,
      reports: this.upstream.stats(),
      backend: this.upstream.backend,
      lastError: this.#lastError,
    };
  }

  /** Shuts `user` down before the connections are closed, so that it can send waiting items. Returns a function that undoes this. */
  closeAfter(user: ExporterUser): () => void {
    this.#users.add(user);
    return () => void this.#users.delete(user);
  }

  /** Shuts down all users of the connections. Resolves when all have sent their waiting items, or have given up. Never rejects. */
  async endUsers(): Promise<void> {
    await Promise.all([...this.#users].map((user) => user.shutdown()));
  }

  /** Stops the heartbeat and the users, aborts pending requests and closes the connections. */
  async shutdown(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.endUsers();
    await this.upstream.close();
    this.#endTelling();
  }

  async #beat(): Promise<void> {
    const { identity, layer } = this.settings;
    const isProperties = !this.#isKnown || this.#beats % propertiesEvery === 0;
    this.#beats++;
    const { outcome, error } = await this.upstream.send(
      isProperties ? instanceReport(this.settings) : pingReport(identity, layer),
    );
    if (outcome === "taken") this.#heartbeats++;
    this.#lastError = error?.message;
    // A collector without this service refuses it, but may still accept segments.
    if (isProperties) this.#isKnown = outcome !== "busy";
  }
}

function segmentReport(segments: readonly SegmentData[]): Report {
  return {
    what: "segments",
    service: "TraceSegmentReportService",
    method: "collect",
    messages: () => segments.map(encodeSegment),
    path: "/v3/segments",
    json: () => segments.map(segmentToJson),
    kafka: (messages) => segments.map((segment) => messages.segment(segment)),
  };
}

function instanceReport({ identity, layer, properties }: SkyWalkingSettings): Report {
  const pairs = [
    "language",
    "nodejs",
    "OS Name",
    platform(),
    "hostname",
    hostname(),
    "Process No.",
    String(process.pid),
    ...ipv4Addresses().flatMap((address) => ["ipv4", address]),
    ...Object.entries(properties).flat(),
  ];
  const instance: InstanceData = { ...identity, properties: pairs, layer };
  return {
    what: "the instance's properties",
    service: "ManagementService",
    method: "reportInstanceProperties",
    messages: () => [encodeInstance(instance)],
    path: "/v3/management/reportProperties",
    json: () => ({
      service: identity.service,
      serviceInstance: identity.instance,
      properties: pairsToJson(pairs),
      layer,
    }),
    kafka: (messages) => [messages.properties(instance)],
  };
}

function pingReport(identity: SkyWalkingSettings["identity"], layer: string): Report {
  return {
    what: "heartbeats",
    service: "ManagementService",
    method: "keepAlive",
    messages: () => [encodePing(identity, layer)],
    path: "/v3/management/keepAlive",
    json: () => ({ service: identity.service, serviceInstance: identity.instance, layer }),
    kafka: (messages) => [messages.ping(identity, layer)],
  };
}
