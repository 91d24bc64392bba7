import { type RawMessage, toRawMessage } from "@clew/exporter/otlp-service";
import {
  AsyncProfilerTask,
  CLRMetricReportService,
  ConfigurationDiscoveryService,
  EventService,
  JVMMetricReportService,
  LogReportService,
  ManagementService,
  MeterReportService,
  PprofTask,
  ProfileTask,
  SpanAttachedEventReportService,
  TraceSegmentReportService,
} from "@clew/exporter/skywalking-service";
import type { Logger } from "@clew/log";
import { type Service, ServiceError, service } from "@clew/rpc";
import type { Intake, Outcome, Refusal } from "./intake.ts";
import { toServiceError } from "./otlp-grpc.ts";
import { noteOutcome } from "./receiver-route.ts";
import { takeCollection, takeSegments } from "./skywalking.ts";

type DescService = Service["desc"];

/** Reports of agents besides segments. They are answered and dropped: an agent whose reports fail fills its log with errors. */
const forgotten: readonly DescService[] = [
  LogReportService,
  MeterReportService,
  JVMMetricReportService,
  CLRMetricReportService,
  EventService,
  SpanAttachedEventReportService,
];

/** Heartbeats and queries of agents. The answer contains no commands. */
const unmoved: readonly DescService[] = [
  ManagementService,
  ConfigurationDiscoveryService,
  ProfileTask,
  PprofTask,
  AsyncProfilerTask,
];

/** An empty Commands. */
const noCommands = toRawMessage(TraceSegmentReportService.method.collect.output, new Uint8Array(0));

type RawStream = AsyncIterable<RawMessage>;

/**
 * How long streams may continue when the collector stops, in milliseconds: streams of agents that send one batch and end are
 * over by then.
 */
const graceMs = 500;

/** The services that SkyWalking's agents call; their server uses `rawCodec`. */
export class SkyWalkingServices {
  readonly services: readonly Service[];
  readonly #intake: Intake;
  readonly #logger: Logger;
  /** Functions that end the open streams. Some agents keep a stream open as long as they run. */
  readonly #open = new Set<() => void>();
  #isStopping = false;

  constructor(intake: Intake, logger: Logger) {
    this.#intake = intake;
    this.#logger = logger;
    this.services = [
      service(TraceSegmentReportService, {
        collect: (stream) => this.#collect(stream as unknown as RawStream),
        collectInSync: (request) => this.#collectInSync(request as unknown as RawMessage),
      }),
      ...forgotten.map((desc) =>
        this.#forget(desc, `SkyWalking's ${desc.name} is answered, but its reports are not stored`),
      ),
      ...unmoved.map((desc) => this.#forget(desc, undefined)),
    ];
  }

  /** Accepts no more streams, and ends those that do not end soon with UNAVAILABLE: segments that were received are written. */
  stop(): void {
    this.#isStopping = true;
    const timer = setTimeout(() => {
      for (const end of this.#open) end();
    }, graceMs);
    timer.unref();
  }

  async #collectInSync({ bytes }: RawMessage): Promise<typeof noCommands> {
    const outcome = await takeCollection(this.#intake, bytes);
    noteOutcome(this.#logger, "SkyWalking", outcome, bytes.length);
    if (!outcome.isTaken) throw toServiceError(outcome);
    return noCommands;
  }

  async #collect(stream: RawStream): Promise<typeof noCommands> {
    const writer = new SegmentWriter(this.#intake, (outcome, bytes) =>
      noteOutcome(this.#logger, "SkyWalking", outcome, bytes),
    );
    try {
      await this.#readAll(stream, ({ bytes }) => writer.write(bytes));
    } finally {
      await writer.close();
    }
    const refusal = writer.refusal();
    if (refusal !== undefined) throw toServiceError(refusal);
    return noCommands;
  }

  #forget(desc: DescService, notice: string | undefined): Service {
    let isToldOf = notice === undefined;
    const note = (): void => {
      if (isToldOf) return;
      isToldOf = true;
      this.#logger.info(notice!);
    };
    const functions = desc.methods.map(({ localName, methodKind }) => {
      const answer = async (given: unknown): Promise<typeof noCommands> => {
        note();
        if (methodKind === "client_streaming") await this.#readAll(given as RawStream, nothing);
        return noCommands;
      };
      return [localName, answer];
    });
    return service(desc, Object.fromEntries(functions));
  }

  /** Passes on each message until there are no more. @throws ServiceError when the collector stops first. */
  async #readAll(stream: RawStream, use: (message: RawMessage) => Promise<void> | void): Promise<void> {
    if (this.#isStopping) throw stopped();
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const end = (): void => reject(stopped());
    this.#open.add(end);
    const read = async (): Promise<void> => {
      for await (const message of stream) await use(message);
    };
    const reading = read();
    try {
      await Promise.race([reading, ended]);
    } finally {
      this.#open.delete(end);
      // What is left of the stream ends with the call.
      reading.catch(nothing);
    }
  }
}

function stopped(): ServiceError {
  return new ServiceError(503, "", "the collector is stopping");
}

/** How many bytes of segments of one stream may wait to be written before reading pauses. */
const maxWaitingBytes = 4 * 1024 * 1024;

/** Writes the segments of a stream; segments that arrive while others are being written are written together. */
class SegmentWriter {
  readonly #intake: Intake;
  readonly #note: (outcome: Outcome, bytes: number) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #spans = 0;
  /** Why the first malformed segment was rejected. */
  #malformed: string | undefined;
  #busy: Refusal | undefined;
  #isClosed = false;

  constructor(intake: Intake, note: (outcome: Outcome, bytes: number) => void) {
    this.#intake = intake;
    this.#note = note;
  }

  /**
   * Why the whole stream is refused: the store could not write it, or it contained no valid segment. A stream cannot report partial
   * success; that is only logged.
   */
  refusal(): Refusal | undefined {
    if (this.#busy !== undefined || this.#malformed === undefined || this.#spans > 0) return this.#busy;
    return this.#intake.refuseMalformed(this.#malformed);
  }

  async write(segment: Uint8Array): Promise<void> {
    if (this.#busy !== undefined) throw toServiceError(this.#busy);
    if (this.#isClosed) return;
    this.#waiting.push(segment);
    this.#waitingBytes += segment.length;
    this.#writing ??= this.#writeAll();
    if (this.#waitingBytes > maxWaitingBytes) await this.#writing;
  }

  /** Accepts no more; resolves when nothing waits. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 && this.#busy === undefined) {
      const segments = this.#waiting;
      const bytes = this.#waitingBytes;
      this.#waiting = [];
      this.#waitingBytes = 0;
      const outcome = await takeSegments(this.#intake, segments);
      this.#note(outcome, bytes);
      if (outcome.isTaken) {
        this.#spans += outcome.spans;
        this.#malformed ??= outcome.partial?.message;
      } else {
        this.#busy = outcome;
      }
    }
    this.#writing = undefined;
  }
}

function nothing(): void {}
