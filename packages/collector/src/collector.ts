import { rawCodec } from "@clew/exporter/otlp-service";
import { type Logger, silentLogger } from "@clew/log";
import { openSqliteStore, type TraceStore } from "@clew/store";
import { GrpcServer } from "@clew/transport/grpc";
import { HttpServer } from "@clew/transport/http";
import { allowLocalOrigins, checkHost } from "./access.ts";
import { alreadyStarted, notStarted, optionInvalid } from "./errors.ts";
import { jaegerRoutes, uiRoutes } from "./query/routes.ts";
import { Tail } from "./query/tail.ts";
import { otlpGrpcService } from "./receiver/grpc.ts";
import { otlpRoute } from "./receiver/route.ts";
import { uiFileRoutes } from "./ui-files.ts";

export interface CollectorOptions {
  /** Where the UI and the query APIs listen. Default: ":4319". */
  address?: string;
  /** Where spans are received, OTLP over HTTP at /v1/traces. Default: ":4318". */
  otlpAddress?: string;
  /** Where spans are received, OTLP over gRPC. Default: ":4317"; with an `otlpAddress`, nowhere. */
  otlpGrpcAddress?: string;
  /** Path of the file that keeps the traces, made when it is not there. Default: ".data/traces.db". */
  data?: string;
  /** How large the file may grow, in bytes; then the oldest traces go. Default: 512 MiB. */
  maxBytes?: number;
  /** How long traces are kept, in milliseconds. Default: 7 days. */
  maxAgeMs?: number;
  /** How many bytes of spans may wait to be written before senders are told to come again. Default: 64 MiB. */
  maxWaitingBytes?: number;
  /** The largest request of spans, in bytes after decompression. Default: 64 MiB. */
  bodyLimitBytes?: number;
  /** Names besides localhost that this machine's own requests may use, behind a local proxy for example. Default: none. */
  allowedHosts?: readonly string[];
  /** Where it says what it refuses and what fails. Default: nowhere. */
  logger?: Logger;
  /** The time, in Unix milliseconds. Default: Date.now. */
  now?: () => number;
}

type ResolvedOptions = Required<Omit<CollectorOptions, "otlpGrpcAddress">> & {
  readonly otlpGrpcAddress: string | undefined;
};

const MIB = 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1000;

function resolveCollectorOptions(options: CollectorOptions): ResolvedOptions {
  const resolved: ResolvedOptions = {
    address: ":4319",
    otlpAddress: ":4318",
    // Whoever puts one port elsewhere has another collector on this machine, or a test.
    otlpGrpcAddress: options.otlpAddress === undefined ? ":4317" : undefined,
    data: ".data/traces.db",
    maxBytes: 512 * MIB,
    maxAgeMs: 7 * DAY_MS,
    maxWaitingBytes: 64 * MIB,
    bodyLimitBytes: 64 * MIB,
    allowedHosts: [],
    logger: silentLogger,
    now: Date.now,
    ...options,
  };
  if (!(resolved.bodyLimitBytes > 0)) {
    throw optionInvalid("bodyLimitBytes", resolved.bodyLimitBytes, "a number of bytes above 0");
  }
  return resolved;
}

interface Running {
  readonly store: TraceStore;
  readonly tail: Tail;
  readonly otlp: HttpServer;
  readonly ui: HttpServer;
  readonly otlpGrpc: GrpcServer | undefined;
}

/** Receives spans, keeps them, answers questions about them and shows them. One server for an App to run. */
export class Collector {
  readonly #options: ResolvedOptions;
  #isStarted = false;
  #running: Running | undefined;

  constructor(options: CollectorOptions = {}) {
    this.#options = resolveCollectorOptions(options);
  }

  /** Opens the store and the ports. When one of them fails nothing stays open. */
  async start(): Promise<void> {
    if (this.#isStarted) throw alreadyStarted();
    this.#isStarted = true;
    const { address, otlpAddress, otlpGrpcAddress, allowedHosts, bodyLimitBytes, logger, now } = this.#options;
    const { data: file, maxBytes, maxAgeMs, maxWaitingBytes } = this.#options;
    const store = await openSqliteStore({ file, maxBytes, maxAgeMs, maxWaitingBytes, now });
    const tail = new Tail(store);
    const opened: (HttpServer | GrpcServer)[] = [];
    try {
      const otlp = new HttpServer({
        address: otlpAddress,
        filters: [checkHost(allowedHosts), allowLocalOrigins()],
        routes: [otlpRoute(store, bodyLimitBytes, logger)],
        logger,
      });
      const ui = new HttpServer({
        address,
        filters: [checkHost(allowedHosts)],
        routes: [...uiRoutes(store, tail), ...jaegerRoutes(store, now, logger), ...uiFileRoutes()],
        logger,
      });
      const otlpGrpc =
        otlpGrpcAddress === undefined
          ? undefined
          : new GrpcServer({
              address: otlpGrpcAddress,
              services: [otlpGrpcService(store, logger)],
              codecs: [rawCodec],
              // They would be asked in messages that stay bytes.
              health: false,
              reflection: false,
              maxMessageBytes: bodyLimitBytes,
              timeoutMs: 10_000,
              logger,
            });
      for (const server of [otlp, ui, ...(otlpGrpc === undefined ? [] : [otlpGrpc])]) {
        await server.start();
        opened.push(server);
      }
      this.#running = { store, tail, otlp, ui, otlpGrpc };
    } catch (error) {
      await Promise.all(opened.map((server) => server.stop(AbortSignal.abort())));
      await store.close();
      throw error;
    }
  }

  /** Takes no more requests, finishes those it has, and closes the store. */
  async stop(signal: AbortSignal): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    // A tail has no end of its own.
    running.tail.close();
    const results = await Promise.allSettled([
      running.otlp.stop(signal),
      running.ui.stop(signal),
      running.otlpGrpc?.stop(signal),
    ]);
    results.push(...(await Promise.allSettled([running.store.close()])));
    const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, "the collector did not stop cleanly");
  }

  /** Where the UI and the query APIs are: http://127.0.0.1:4319. Throws before {@link start}. */
  endpoint(): URL {
    if (this.#running === undefined) throw notStarted();
    return this.#running.ui.endpoint();
  }

  /** Where spans are received: http://127.0.0.1:4318. Throws before {@link start}. */
  otlpEndpoint(): URL {
    if (this.#running === undefined) throw notStarted();
    return this.#running.otlp.endpoint();
  }

  /** Where spans are received over gRPC: grpc://127.0.0.1:4317. Undefined when nowhere. Throws before {@link start}. */
  otlpGrpcEndpoint(): URL | undefined {
    if (this.#running === undefined) throw notStarted();
    return this.#running.otlpGrpc?.endpoint();
  }
}
