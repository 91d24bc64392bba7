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
  /** Where the UI and the query APIs listen. Default: ":4319". */
  address?: string;
  /** Where spans are received over HTTP: OTLP, Zipkin's and SkyWalking's. Default: ":4318". */
  otlpAddress?: string;
  /** Where spans are received over gRPC: OTLP and SkyWalking's. Default: ":4317"; with an `otlpAddress`, nowhere. */
  otlpGrpcAddress?: string;
  /** Where gRPC is received as well, for SkyWalking's agents, which look for ":11800". Default: nowhere. */
  skywalkingGrpcAddress?: string;
  /** Where HTTP is received as well, for SkyWalking's agents, which look for ":12800". Default: nowhere. */
  skywalkingHttpAddress?: string;
  /** Where HTTP is received as well, for Zipkin's senders, which look for ":9411". Default: nowhere. */
  zipkinAddress?: string;
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
  /**
   * Where it says what fails (errors), and what it refuses (warnings). Default: one named `clew.collector` that writes errors to
   * standard output, or what LOG_LEVEL says; `silentLogger` tells nobody.
   */
  logger?: Logger;
  /** The time, in Unix milliseconds. Default: Date.now. */
  now?: () => number;
}

/** What came in by dialect since the start. */
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
    // Whoever puts one port elsewhere has another collector on this machine, or a test.
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
    // Of what is refused its sender is told, and anybody may send.
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

/** Receives spans, keeps them, answers questions about them and shows them. One server for an App to run. */
export class Collector {
  readonly #options: ResolvedOptions;
  #isStarted = false;
  #running: Running | undefined;

  /** @throws CLEW_COLLECTOR_OPTION */
  constructor(options: CollectorOptions = {}) {
    this.#options = resolveCollectorOptions(options);
  }

  /** Opens the store and the ports. When one of them fails nothing stays open. */
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
    // Every port takes every dialect of its protocol.
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
        // They would be asked in messages that stay bytes.
        health: false,
        reflection: false,
        maxMessageBytes: bodyLimitBytes,
        timeoutMs: 10_000,
        // Agents keep a connection alive that is quiet for minutes.
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
   * Takes no more requests, finishes those it has, and closes the store. What is open when `signal` aborts is cut off; without one nothing is.
   *
   * @throws CLEW_TRANSPORT_STOP_SIGNAL
   */
  async stop(signal?: AbortSignal): Promise<void> {
    const cutOff = resolveStopSignal(signal);
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    // Neither has an end of its own.
    running.tail.close();
    running.skyWalking.stop();
    const results = await Promise.allSettled(Object.values(running.servers).map((server) => server.stop(cutOff)));
    results.push(...(await Promise.allSettled([running.store.close()])));
    const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, "the collector did not stop cleanly");
  }

  /** What came in by dialect since the start. What the store turned away is in its own stats, at /api/ui/stats. Throws before {@link start}. */
  stats(): CollectorStats {
    if (this.#running === undefined) throw notStarted();
    return statsOf(this.#running.intakes);
  }

  /** Where the UI and the query APIs are: http://127.0.0.1:4319. Throws before {@link start}. */
  endpoint(): URL {
    return this.#endpoint("ui")!;
  }

  /** Where spans are received: http://127.0.0.1:4318. Throws before {@link start}. */
  otlpEndpoint(): URL {
    return this.#endpoint("otlp")!;
  }

  /** Where spans are received over gRPC: grpc://127.0.0.1:4317. Undefined when nowhere. Throws before {@link start}. */
  otlpGrpcEndpoint(): URL | undefined {
    return this.#endpoint("otlpGrpc");
  }

  /** Where SkyWalking's agents find it over gRPC: grpc://127.0.0.1:11800. Undefined when nowhere. Throws before {@link start}. */
  skywalkingGrpcEndpoint(): URL | undefined {
    return this.#endpoint("skywalkingGrpc");
  }

  /** Where SkyWalking's agents find it over HTTP: http://127.0.0.1:12800. Undefined when nowhere. Throws before {@link start}. */
  skywalkingHttpEndpoint(): URL | undefined {
    return this.#endpoint("skywalkingHttp");
  }

  /** Where Zipkin's senders find it: http://127.0.0.1:9411. Undefined when nowhere. Throws before {@link start}. */
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
