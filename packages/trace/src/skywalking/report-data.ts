import type { Identity } from "./identity.ts";

/** What an instance tells about itself (`InstanceProperties`). */
export interface InstanceData extends Identity {
  /** key, value, key, value; a key may be there several times. */
  readonly properties: readonly string[];
  readonly layer: string;
}

/** Which span a log line belongs to. */
export interface LogSpan {
  readonly traceId: string;
  readonly segmentId: string;
  readonly spanId: number;
}

/** One log line (`LogData`). */
export interface LogData extends Identity {
  /** Unix milliseconds. */
  readonly timeMs: number;
  /** The operation that the line belongs to; empty where there is none. */
  readonly endpoint: string;
  readonly text: string;
  /** Undefined outside of any trace: lines that name a trace "N/A" would be found together. */
  readonly span: LogSpan | undefined;
  /** key, value, key, value. */
  readonly tags: readonly string[];
  readonly layer: string;
}

/** One value of a meter (`MeterData`). */
export interface MeterData {
  readonly name: string;
  /** key, value, key, value. */
  readonly labels: readonly string[];
  /** A single value, or the buckets of a histogram. */
  readonly value: number | readonly MeterBucket[];
}

export interface MeterBucket {
  /** Where it begins; -Infinity for what is below all others. */
  readonly from: number;
  /** How many values are in this one. */
  readonly count: number;
}

/** What the collector wants (`Command`). */
export interface Command {
  readonly name: string;
  readonly args: ReadonlyMap<string, string>;
}

/** One look at the stack of a profiled request (`ThreadSnapshot`). */
export interface StackSnapshot {
  readonly taskId: string;
  readonly segmentId: string;
  /** Unix milliseconds. */
  readonly timeMs: number;
  /** From 0, in the order of time. */
  readonly sequence: number;
  /** The outermost first: `function:line`. */
  readonly frames: readonly string[];
}
