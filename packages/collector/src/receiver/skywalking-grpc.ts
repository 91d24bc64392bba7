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
import { type Service, service } from "@clew/rpc";
import type { Intake, Outcome, Refusal } from "./intake.ts";
import { toServiceError } from "./otlp-grpc.ts";
import { noteOutcome } from "./receiver-route.ts";
import { takeCollection, takeSegments } from "./skywalking.ts";

type DescService = Service["desc"];

/** What agents report beside segments. It is read and forgotten, and answered: an agent whose reports fail fills its log with that. */
const forgotten: readonly DescService[] = [
  LogReportService,
  MeterReportService,
  JVMMetricReportService,
  CLRMetricReportService,
  EventService,
  SpanAttachedEventReportService,
];

/** Who is there, and what agents ask. There is no command for any of them. */
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

/** The services that SkyWalking's agents call; their server speaks `rawCodec`. */
export class SkyWalkingServices {
  readonly services: readonly Service[];
  readonly #intake: Intake;
  readonly #logger: Logger;
  /** Ends the streams that are open: those of the agents for Go, Python and Java stay so for as long as they run. */
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
        this.#forget(desc, `SkyWalking's ${desc.name} is answered, and what it reports is not kept`),
      ),
      ...unmoved.map((desc) => this.#forget(desc, undefined)),
    ];
  }

  /** Answers the streams that are open with what came so far; their agents open others. */
  stop(): void {
    this.#isStopping = true;
    for (const end of this.#open) end();
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
      await this.#whileOpen(stream, ({ bytes }) => writer.write(bytes));
    } finally {
      await writer.flush();
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
        if (methodKind === "client_streaming") await this.#whileOpen(given as RawStream, nothing);
        return noCommands;
      };
      return [localName, answer];
    });
    return service(desc, Object.fromEntries(functions));
  }

  /** Hands on each message until there are no more, or the collector stops. */
  async #whileOpen(stream: RawStream, use: (message: RawMessage) => Promise<void> | void): Promise<void> {
    if (this.#isStopping) return;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
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

/** How many bytes of segments one stream may have waiting to be written, before it is read no further. */
const maxWaitingBytes = 4 * 1024 * 1024;

/** Writes the segments of a stream, those together that come while others are being written. */
class SegmentWriter {
  readonly #intake: Intake;
  readonly #note: (outcome: Outcome, bytes: number) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #spans = 0;
  /** Why the first malformed segment is. */
  #malformed: string | undefined;
  #busy: Refusal | undefined;

  constructor(intake: Intake, note: (outcome: Outcome, bytes: number) => void) {
    this.#intake = intake;
    this.#note = note;
  }

  /**
   * Why the stream as a whole is refused: the store could not take it, or nothing in it was a segment. A stream cannot be told of a
   * part; the log is.
   */
  refusal(): Refusal | undefined {
    if (this.#busy !== undefined || this.#malformed === undefined || this.#spans > 0) return this.#busy;
    return this.#intake.refuseMalformed(this.#malformed);
  }

  async write(segment: Uint8Array): Promise<void> {
    if (this.#busy !== undefined) throw toServiceError(this.#busy);
    this.#waiting.push(segment);
    this.#waitingBytes += segment.length;
    this.#writing ??= this.#writeAll();
    if (this.#waitingBytes > maxWaitingBytes) await this.#writing;
  }

  /** Resolves when nothing waits any more. */
  async flush(): Promise<void> {
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
