import { type Profiler, Session } from "node:inspector";
import { Context, run } from "@clew/context";
import { anObject, checkOptions, millisecondsFrom, type OptionChecks } from "@clew/options";
import { readCount, type Span, type SpanData, type SpanProcessor, suppressTracing } from "@clew/trace";
import {
  decodeCommands,
  encodeProfileFinish,
  encodeProfileQuery,
  encodeSnapshot,
  operationOf,
  placeOf,
  type StackSnapshot,
} from "@clew/trace/skywalking";
import { optionError } from "./errors.ts";
import type { SkyWalkingExporter } from "./skywalking.ts";

export interface TraceProfilerOptions {
  /** The time between queries for tasks, in milliseconds. Default: SW_AGENT_REPORTER_GRPC_PROFILE_FETCH_INTERVAL (seconds), or 20_000. */
  intervalMs?: number;
  /** The maximum time that one request is profiled, in milliseconds. Default: 60_000. */
  maxRequestMs?: number;
  /** The environment that the variable is read from. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

const optionChecks: OptionChecks<TraceProfilerOptions> = {
  intervalMs: millisecondsFrom(1),
  maxRequestMs: millisecondsFrom(1),
  env: anObject,
};

/** The collector's request to profile the requests of one operation (`ProfileTaskQuery`). */
interface Task {
  readonly id: string;
  readonly endpoint: string;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Shorter requests are not reported. */
  readonly minDurationMs: number;
  readonly periodMs: number;
  /** The number of requests still to be profiled. */
  left: number;
  timer: NodeJS.Timeout | undefined;
}

/** One request that is being profiled. */
interface Look {
  readonly task: Task;
  readonly spanId: string;
  readonly segmentId: string;
  readonly startMs: number;
  readonly timer: NodeJS.Timeout;
}

const untraced = suppressTracing(Context.root);
const maxDurationMs = 15 * 60_000;
const maxDepth = 500;
const maxTasks = 5;
const maxTimerMs = 2 ** 31 - 1;

/**
 * Implements SkyWalking's trace profiling: it fetches tasks from the collector, and while a request of the operation runs, it samples
 * the stack with V8's profiler and sends the samples as snapshots of the request's segment. It profiles one request at a time. All
 * requests share one thread, so the samples also contain the work of concurrent ones.
 *
 * It is a processor, and must receive spans together with the `SegmentProcessor`.
 */
export class TraceProfiler implements SpanProcessor {
  readonly #exporter: SkyWalkingExporter;
  readonly #maxRequestMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #tasks = new Map<string, Task>();
  #session: Session | undefined;
  #look: Look | undefined;
  #lastCommandMs = 0;
  #sending: Promise<unknown> = Promise.resolve();
  #snapshots = 0;

  /** @throws CLEW_EXPORTER_OPTION */
  constructor(exporter: SkyWalkingExporter, options: TraceProfilerOptions = {}) {
    checkOptions("TraceProfiler", options, optionChecks, optionError);
    const env = options.env ?? process.env;
    const seconds = readCount(env, "SW_AGENT_REPORTER_GRPC_PROFILE_FETCH_INTERVAL", 1, 20);
    this.#exporter = exporter;
    this.#maxRequestMs = options.maxRequestMs ?? 60_000;
    const intervalMs = Math.min(options.intervalMs ?? (seconds ?? 20) * 1000, maxTimerMs);
    this.#timer = run(untraced, () => setInterval(() => void this.fetch(), intervalMs)).unref();
  }

  /** Queries for tasks now. Never rejects. */
  async fetch(): Promise<void> {
    const { upstream, settings } = this.#exporter;
    const { outcome, reply } = await upstream.send({
      what: "questions for profiling tasks",
      service: "ProfileTask",
      method: "getProfileTaskCommands",
      messages: () => [encodeProfileQuery(settings.identity, this.#lastCommandMs)],
    });
    if (outcome !== "taken") return;
    try {
      for (const { name, args } of decodeCommands(reply)) if (name === "ProfileTaskQuery") this.#accept(args);
    } catch (error) {
      settings.logger?.warn("a profiling task is not understood", { error });
    }
  }

  onStart(span: Parameters<SpanProcessor["onStart"]>[0]): void {
    if (this.#tasks.size === 0 || this.#look !== undefined) return;
    const { record } = span as Partial<Span>;
    const place = placeOf(span);
    if (record === undefined || place === undefined || place.spanId !== 0) return;
    const nowMs = Date.now();
    const endpoint = operationOf(record.name);
    for (const task of this.#tasks.values()) {
      if (task.left === 0 || task.endpoint !== endpoint || nowMs < task.fromMs || nowMs > task.untilMs) continue;
      task.left--;
      this.#begin(task, record.spanId, place.segmentId, nowMs);
      return;
    }
  }

  onEnd({ spanId }: SpanData): void {
    if (this.#look?.spanId === spanId) this.#finishLook(this.#look);
  }

  /** Counts of the snapshots taken, and of the active tasks. */
  stats(): { readonly snapshots: number; readonly tasks: number } {
    return { snapshots: this.#snapshots, tasks: this.#tasks.size };
  }

  async forceFlush(): Promise<void> {
    await this.#sending;
  }

  async shutdown(): Promise<void> {
    clearInterval(this.#timer);
    for (const task of this.#tasks.values()) clearTimeout(task.timer);
    this.#tasks.clear();
    if (this.#look !== undefined) this.#finishLook(this.#look);
    await this.#sending;
    this.#session?.disconnect();
    this.#session = undefined;
  }

  #accept(args: ReadonlyMap<string, string>): void {
    const number = (name: string): number => Number(args.get(name) ?? 0) || 0;
    this.#lastCommandMs = Math.max(this.#lastCommandMs, number("CreateTime"));
    const id = args.get("TaskId") ?? "";
    const durationMs = Math.min(number("Duration") * 60_000, maxDurationMs);
    if (id === "" || durationMs <= 0 || this.#tasks.has(id) || this.#tasks.size >= maxTasks) return;
    const startMs = Math.max(Date.now(), number("StartTime"));
    const task: Task = {
      id,
      endpoint: args.get("EndpointName") ?? "",
      fromMs: startMs,
      untilMs: startMs + durationMs,
      minDurationMs: number("MinDurationThreshold"),
      // Not below 10 ms, like Java's agent.
      periodMs: Math.max(10, number("DumpPeriod")),
      left: Math.max(1, number("MaxSamplingCount")),
      timer: undefined,
    };
    this.#tasks.set(id, task);
    const waitMs = Math.min(task.untilMs - Date.now(), maxTimerMs);
    task.timer = run(untraced, () => setTimeout(() => this.#endTask(task), waitMs)).unref();
  }

  #begin(task: Task, spanId: string, segmentId: string, startMs: number): void {
    this.#session ??= connect();
    // All of these commands complete synchronously: the inspector of this thread needs no turn of the event loop.
    this.#session.post("Profiler.setSamplingInterval", { interval: task.periodMs * 1000 });
    this.#session.post("Profiler.start");
    const timer = run(untraced, () =>
      setTimeout(() => {
        if (this.#look?.spanId === spanId) this.#finishLook(this.#look);
      }, this.#maxRequestMs),
    ).unref();
    this.#look = { task, spanId, segmentId, startMs, timer };
  }

  #finishLook(look: Look): void {
    this.#look = undefined;
    clearTimeout(look.timer);
    const { task, startMs } = look;
    this.#session?.post("Profiler.stop", (error, result) => {
      if (error !== null || Date.now() - startMs < task.minDurationMs) return;
      const snapshots = toSnapshots(result.profile, look);
      this.#snapshots += snapshots.length;
      this.#send(snapshots);
    });
    if (task.left === 0) this.#endTask(task);
  }

  #endTask(task: Task): void {
    clearTimeout(task.timer);
    if (!this.#tasks.delete(task.id)) return;
    const { upstream, settings } = this.#exporter;
    this.#sending = this.#sending.then(() =>
      upstream.send({
        what: "the end of a profiling task",
        service: "ProfileTask",
        method: "reportTaskFinish",
        messages: () => [encodeProfileFinish(settings.identity, task.id)],
      }),
    );
  }

  #send(snapshots: readonly StackSnapshot[]): void {
    if (snapshots.length === 0) return;
    this.#sending = this.#sending.then(() =>
      this.#exporter.upstream.send({
        what: "snapshots",
        service: "ProfileTask",
        method: "collectSnapshot",
        messages: () => snapshots.map(encodeSnapshot),
      }),
    );
  }
}

function connect(): Session {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  return session;
}

/** Converts V8's samples to SkyWalking's snapshots: each is a stack, the outermost function first. */
function toSnapshots(profile: Profiler.Profile, { task, segmentId, startMs }: Look): StackSnapshot[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const { id, children = [] } of profile.nodes) for (const child of children) parents.set(child, id);
  const snapshots: StackSnapshot[] = [];
  let us = 0;
  for (const [index, sample] of (profile.samples ?? []).entries()) {
    us += profile.timeDeltas?.[index] ?? 0;
    const frames: string[] = [];
    for (let id: number | undefined = sample; id !== undefined && frames.length < maxDepth; id = parents.get(id)) {
      const frame = nodes.get(id)?.callFrame;
      if (frame !== undefined && frame.functionName !== "(root)") frames.push(describeFrame(frame));
    }
    snapshots.push({
      taskId: task.id,
      segmentId,
      timeMs: startMs + Math.max(0, Math.round(us / 1000)),
      sequence: snapshots.length,
      frames: frames.reverse(),
    });
  }
  return snapshots;
}

function describeFrame({ functionName, url, lineNumber }: Profiler.Profile["nodes"][number]["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${url.slice(url.lastIndexOf("/") + 1)}.${name}:${lineNumber + 1}`;
}
