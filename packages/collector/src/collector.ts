import { rawCodec } from "@clew/exporter/otlp-service";
import { createLogger, type Logger } from "@clew/log";
import { aFunction, aLogger, aText, checkOptions, kind, listOf, numberFrom, type OptionChecks } from "@clew/options";
import { openSqliteStore, type TraceStore } from "@clew/store";
import { GrpcServer } from "@clew/transport/grpc";
import { HttpServer, resolveStopSignal } from "@clew/transport/http";
import { allowLocalOrigins, checkHost } from "./access.ts";
import { alreadyStarted, notStarted, optionError } from "./errors.ts";
import { jaegerRoutes, uiRoutes } from "./query/routes.ts";
import { Tail } from "./query/tail.ts";
import { Intake, type ReceiverStats } from "./receiver/intake.ts";
import { otlpReceiver } from "./receiver/otlp.ts";
import { otlpGrpcService } from "./receiver/otlp-grpc.ts";
import { receiverRoute } from "./receiver/receiver-route.ts";
import { skyWalkingReceivers } from "./receiver/skywalking.ts";
import { SkyWalkingServices } from "./receiver/skywalking-grpc.ts";
import { zipkinReceiver } from "./receiver/zipkin.ts";
import { uiFileRoutes } from "./ui-files.ts";

export interface CollectorOptions {
  /** The address of the UI and the query APIs. Default: ":4319". */
  address?: string;
  /** The address for spans over HTTP: OTLP, Zipkin and SkyWalking. Default: ":4318". */
  otlpAddress?: string;
  /** The address for spans over gRPC: OTLP and SkyWalking. Default: ":4317"; none if `otlpAddress` is given. */
  otlpGrpcAddress?: string;
  /** A further address for gRPC, for SkyWalking's agents, which use ":11800" by default. Default: none. */
  skywalkingGrpcAddress?: string;
  /** A further address for HTTP, for SkyWalking's agents, which use ":12800" by default. Default: none. */
  skywalkingHttpAddress?: string;
  /** A further address for HTTP, for Zipkin's senders, which use ":9411" by default. Default: none. */
  zipkinAddress?: string;
  /** The path of the file that stores the traces. It is created if it does not exist. Default: ".data/traces.db". */
  data?: string;
  /** The maximum size of the file, in bytes; when it is reached, the oldest traces are deleted. Default: 512 MiB. */
  maxBytes?: number;
  /** How long traces are kept, in milliseconds. Default: 7 days. */
  maxAgeMs?: number;
  /** How many bytes of spans may wait to be written before senders are told to try again later. Default: 64 MiB. */
  maxWaitingBytes?: number;
  /** The maximum size of a request with spans, in bytes after decompression. Default: 64 MiB. */
  bodyLimitBytes?: number;
  /** Host names besides localhost that requests from this machine may use, behind a local proxy for example. Default: none. */
  allowedHosts?: readonly string[];
  /**
   * Logs failures (as errors) and refused requests (as warnings). Default: a logger named `clew.collector` that writes errors to
   * standard output, or what LOG_LEVEL says. Use `silentLogger` to log nothing.
   */
  logger?: Logger;
  /** Returns the time, in Unix milliseconds. Default: Date.now. */
  now?: () => number;
}

/** What was received since the start, by dialect. */
export type CollectorStats = Readonly<Record<"otlp" | "skywalking" | "zipkin", ReceiverStats>>;

type OptionalAddress = "otlpGrpcAddress" | "skywalkingGrpcAddress" | "skywalkingHttpAddress" | "zipkinAddress";

type ResolvedOptions = Required<Omit<CollectorOptions, OptionalAddress>> & {
  readonly [K in OptionalAddress]: string | undefined;
};

const mebibyte = 1024 * 1024;
const dayMs = 24 * 60 * 60 * 1000;

const optionChecks: OptionChecks<CollectorOptions> = {
  address: aText,
  otlpAddress: aText,
  otlpGrpcAddress: aText,
  skywalkingGrpcAddress: aText,
  skywalkingHttpAddress: aText,
  zipkinAddress: aText,
  data: kind("the path of a file", (given) => typeof given === "string" && given !== ""),
  maxBytes: numberFrom(mebibyte),
  maxAgeMs: numberFrom(1),
  maxWaitingBytes: numberFrom(1),
  bodyLimitBytes: numberFrom(1),
  allowedHosts: listOf("a list of names", aText),
  logger: aLogger,
  now: aFunction,
};

function resolveCollectorOptions(options: CollectorOptions): ResolvedOptions {
  checkOptions("Collector", options, optionChecks, optionError);
  const given: CollectorOptions = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  );
  return {
    address: ":4319",
    otlpAddress: ":4318",
    // A collector with another port is probably a test, or a second one on this machine.
    otlpGrpcAddress: given.otlpAddress === undefined ? ":4317" : undefined,
    skywalkingGrpcAddress: undefined,
    skywalkingHttpAddress: undefined,
    zipkinAddress: undefined,
    data: ".data/traces.db",
    maxBytes: 512 * mebibyte,
    maxAgeMs: 7 * dayMs,
    maxWaitingBytes: 64 * mebibyte,
    bodyLimitBytes: 64 * mebibyte,
    allowedHosts: [],
    // Only errors: senders are told themselves when they are refused, and anybody may send.
    logger: createLogger({ name: "clew.collector", ...(process.env.LOG_LEVEL ? {} : { level: "error" }) }),
    now: Date.now,
    ...given,
  };
}

type Listening = "ui" | "otlp" | "otlpGrpc" | "skywalkingGrpc" | "skywalkingHttp" | "zipkin";

interface Running {
  readonly store: TraceStore;
  readonly tail: Tail;
  readonly intakes: Readonly<Record<keyof CollectorStats, Intake>>;
  readonly skyWalking: SkyWalkingServices;
  readonly servers: Readonly<Partial<Record<Listening, HttpServer | GrpcServer>>>;
}

/** Receives spans, stores them, answers queries about them and shows them in a UI. It is a server for an App. */
export class Collector {
  readonly #options: ResolvedOptions;
  #isStarted = false;
  #running: Running | undefined;

  /** @throws CLEW_COLLECTOR_OPTION */
  constructor(options: CollectorOptions = {}) {
    this.#options = resolveCollectorOptions(options);
  }

  /** Opens the store and the ports. If one of them fails, none remains open. */
  async start(): Promise<void> {
    if (this.#isStarted) throw alreadyStarted();
    this.#isStarted = true;
    const { data: file, maxBytes, maxAgeMs, maxWaitingBytes, now } = this.#options;
    const store = await openSqliteStore({ file, maxBytes, maxAgeMs, maxWaitingBytes, now });
    const opened: (HttpServer | GrpcServer)[] = [];
    try {
      const running = this.#assemble(store);
      for (const server of Object.values(running.servers)) {
        await server.start();
        opened.push(server);
      }
      this.#running = running;
    } catch (error) {
      await Promise.all(opened.map((server) => server.stop(AbortSignal.abort())));
      await store.close();
      throw error;
    }
  }

  #assemble(store: TraceStore): Running {
    const { address, otlpAddress, allowedHosts, bodyLimitBytes, logger, now } = this.#options;
    const { otlpGrpcAddress, skywalkingGrpcAddress, skywalkingHttpAddress, zipkinAddress } = this.#options;
    const tail = new Tail(store);
    const intakes = { otlp: new Intake(store), skywalking: new Intake(store), zipkin: new Intake(store) };
    const skyWalking = new SkyWalkingServices(intakes.skywalking, logger);
    // Every port accepts every dialect of its protocol.
    const receivers = [
      otlpReceiver(intakes.otlp),
      zipkinReceiver(intakes.zipkin),
      ...skyWalkingReceivers(intakes.skywalking),
    ];
    const overHttp = (address: string): HttpServer =>
      new HttpServer({
        address,
        filters: [checkHost(allowedHosts), allowLocalOrigins()],
        routes: receivers.map((receiver) => receiverRoute(receiver, bodyLimitBytes, logger)),
        logger,
      });
    const overGrpc = (address: string): GrpcServer =>
      new GrpcServer({
        address,
        services: [otlpGrpcService(intakes.otlp, logger), ...skyWalking.services],
        codecs: [rawCodec],
        // The health service needs decoded messages, but here they stay bytes.
        health: false,
        reflection: false,
        maxMessageBytes: bodyLimitBytes,
        timeoutMs: 10_000,
        // Agents ping to keep alive a connection that is quiet for minutes.
        minPingIntervalMs: 10_000,
        allowPingsWithoutCalls: true,
        logger,
      });
    const ui = new HttpServer({
      address,
      filters: [checkHost(allowedHosts)],
      routes: [
        ...uiRoutes(store, tail, now, () => statsOf(intakes)),
        ...jaegerRoutes(store, now, logger),
        ...uiFileRoutes(),
      ],
      logger,
    });
    const servers = {
      ui,
      otlp: overHttp(otlpAddress),
      ...(otlpGrpcAddress !== undefined && { otlpGrpc: overGrpc(otlpGrpcAddress) }),
      ...(skywalkingGrpcAddress !== undefined && { skywalkingGrpc: overGrpc(skywalkingGrpcAddress) }),
      ...(skywalkingHttpAddress !== undefined && { skywalkingHttp: overHttp(skywalkingHttpAddress) }),
      ...(zipkinAddress !== undefined && { zipkin: overHttp(zipkinAddress) }),
    };
    return { store, tail, intakes, skyWalking, servers };
  }

  /**
   * Accepts no more requests, finishes the open ones, and closes the store. When `signal` aborts, open requests are cut off; without a
   * signal, none are.
   *
   * @throws CLEW_TRANSPORT_STOP_SIGNAL
   */
  async stop(signal?: AbortSignal): Promise<void> {
    const cutOff = resolveStopSignal(signal);
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    // Neither of them ends by itself.
    running.tail.close();
    running.skyWalking.stop();
    const results = await Promise.allSettled(Object.values(running.servers).map((server) => server.stop(cutOff)));
    results.push(...(await Promise.allSettled([running.store.close()])));
    const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, "the collector did not stop cleanly");
  }

  /**
   * Returns what was received since the start, by dialect. Spans that the store refused are in the store's own statistics, at
   * /api/ui/stats. Throws before {@link start}.
   */
  stats(): CollectorStats {
    if (this.#running === undefined) throw notStarted();
    return statsOf(this.#running.intakes);
  }

  /** Returns the URL of the UI and the query APIs: http://127.0.0.1:4319. Throws before {@link start}. */
  endpoint(): URL {
    return this.#endpoint("ui")!;
  }

  /** Returns the URL for spans over HTTP: http://127.0.0.1:4318. Throws before {@link start}. */
  otlpEndpoint(): URL {
    return this.#endpoint("otlp")!;
  }

  /** Returns the URL for spans over gRPC: grpc://127.0.0.1:4317. Undefined if there is none. Throws before {@link start}. */
  otlpGrpcEndpoint(): URL | undefined {
    return this.#endpoint("otlpGrpc");
  }

  /**
   * Returns the URL for SkyWalking's agents over gRPC: grpc://127.0.0.1:11800. Undefined if there is none. Throws before {@link
   * start}.
   */
  skywalkingGrpcEndpoint(): URL | undefined {
    return this.#endpoint("skywalkingGrpc");
  }

  /**
   * Returns the URL for SkyWalking's agents over HTTP: http://127.0.0.1:12800. Undefined if there is none. Throws before {@link
   * start}.
   */
  skywalkingHttpEndpoint(): URL | undefined {
    return this.#endpoint("skywalkingHttp");
  }

  /** Returns the URL for Zipkin's senders: http://127.0.0.1:9411. Undefined if there is none. Throws before {@link start}. */
  zipkinEndpoint(): URL | undefined {
    return this.#endpoint("zipkin");
  }

  #endpoint(name: Listening): URL | undefined {
    if (this.#running === undefined) throw notStarted();
    return this.#running.servers[name]?.endpoint();
  }
}

function statsOf({ otlp, skywalking, zipkin }: Running["intakes"]): CollectorStats {
  return { otlp: otlp.stats(), skywalking: skywalking.stats(), zipkin: zipkin.stats() };
}
