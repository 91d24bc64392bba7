import { hash, randomUUID } from "node:crypto";
import { getEnvironmentData, setEnvironmentData, threadId } from "node:worker_threads";
import type { TraceState as OtelTraceState } from "@opentelemetry/api";
import { createTraceId, noSpanId, noTraceId } from "../ids.ts";
import { TraceState } from "../otel/trace-state.ts";

/**
 * How ids look. "plain": 32 hex digits, which are W3C's trace id as they stand. "go" and "java": `<32 hex>.<thread>.<time + count>`,
 * which differ in the moment from which the time is counted.
 */
export type IdForm = "plain" | "go" | "java";

/** Go's agent counts from Date(1900, 0, 0), which Go takes for 1899-11-30; Java's from 1970. */
const goEpochMs = 2_211_753_600_000;

export interface IdGeneratorOptions {
  /** Default: "plain". */
  form?: IdForm;
  /** The first part, of the process: 32 hex digits. Default: random, the same in all threads of a process. */
  process?: string;
  /** The second part. Default: the number of this thread. */
  thread?: number;
  /** Unix milliseconds. Default: Date.now. */
  now?: () => number;
}

const processKey = "clew.skywalking.process";

// Worker threads inherit what was set before they start; one that starts earlier has a random part of its own.
function processPart(): string {
  const known = getEnvironmentData(processKey);
  if (typeof known === "string") return known;
  const made = randomUUID().replaceAll("-", "");
  setEnvironmentData(processKey, made);
  return made;
}

/**
 * Makes ids for traces and segments, each only once.
 *
 * The third part is `milliseconds * 10_000 + count`, beyond what a number holds: so it is written as two numbers side by side. When
 * more than 10_000 are taken in a millisecond the next ones belong to the milliseconds to come, and a clock that is set back is
 * waited for in the same way: the time of the ids never goes back.
 */
export class IdGenerator {
  readonly #form: IdForm;
  readonly #prefix: string;
  readonly #epochMs: number;
  readonly #now: () => number;
  #lastMs = 0;
  #count = 0;

  constructor(options: IdGeneratorOptions = {}) {
    this.#form = options.form ?? "plain";
    this.#prefix = this.#form === "plain" ? "" : `${options.process ?? processPart()}.${options.thread ?? threadId}.`;
    this.#epochMs = this.#form === "go" ? goEpochMs : 0;
    this.#now = options.now ?? Date.now;
  }

  create(): string {
    if (this.#form === "plain") return createTraceId();
    const nowMs = Math.floor(this.#now());
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs;
      this.#count = 0;
    } else if (this.#count === 10_000) {
      this.#lastMs++;
      this.#count = 0;
    }
    const count = this.#count++;
    const digits = count < 1000 ? String(count).padStart(4, "0") : count;
    return `${this.#prefix}${this.#lastMs + this.#epochMs}${digits}`;
  }
}

const plainPattern = /^[0-9a-f]{32}$/;

/**
 * The one mapping of a foreign trace id to W3C's 16 bytes: 32 lower-case hex digits are themselves; of any other text it is the first
 * 16 bytes of SHA-256 of its UTF-8. The same on every hop, so a trace stays one trace (docs/adr/0005).
 */
export function toTraceId(foreignId: string): string {
  if (plainPattern.test(foreignId) && foreignId !== noTraceId) return foreignId;
  return hash("sha256", foreignId, "hex").slice(0, 32);
}

const spanPattern = /^[0-9a-f]{32}\.[0-9a-f]{16}$/;
const TWO_32 = 4294967296;

/**
 * The segment id that stands for a span of no segment, one that was recorded by other means: its trace's and its own id. The span is
 * number 0 of it.
 */
export function loneSegmentId(traceId: string, spanId: string): string {
  return `${traceId}.${spanId}`;
}

/**
 * The span ids of one segment: span `n` has a number of 8 bytes plus `n` (modulo 2^64). A segment id of 32 lower-case hex digits begins
 * with that number; of any other text it is the first 8 bytes of SHA-256. The segment of a lone span tells its span id itself.
 */
export class SegmentSpanIds {
  readonly #lone: string | undefined;
  readonly #high: number;
  readonly #low: number;

  constructor(segmentId: string) {
    this.#lone = segmentId.length === 49 && spanPattern.test(segmentId) ? segmentId.slice(33) : undefined;
    // A hash costs 2 us, more than all else that is done for a span.
    const digest = plainPattern.test(segmentId) ? segmentId : hash("sha256", segmentId, "hex");
    this.#high = Number.parseInt(digest.slice(0, 8), 16);
    this.#low = Number.parseInt(digest.slice(8, 16), 16);
  }

  /** The id of span `number`: 16 hex digits. */
  of(number: number): string {
    if (number === 0 && this.#lone !== undefined && this.#lone !== noSpanId) return this.#lone;
    const low = this.#low + number;
    const high = (this.#high + Math.floor(low / TWO_32)) % TWO_32;
    const id = high.toString(16).padStart(8, "0") + (low % TWO_32).toString(16).padStart(8, "0");
    return id === noSpanId ? "ffffffffffffffff" : id;
  }

  /** Which span of the segment has this id, by the same rule; undefined when none below 2^31 has. */
  numberOf(spanId: string): number | undefined {
    if (spanId === this.#lone) return 0;
    const low = Number.parseInt(spanId.slice(8), 16) - this.#low;
    const high = Number.parseInt(spanId.slice(0, 8), 16) - this.#high - (low < 0 ? 1 : 0);
    const number = low < 0 ? low + TWO_32 : low;
    return high % TWO_32 === 0 && number <= 0x7fff_ffff ? number : undefined;
  }
}

/** The one mapping of a span in a segment to a span id; for several of one segment make {@link SegmentSpanIds} once. */
export function toSpanId(segmentId: string, number: number): string {
  return new SegmentSpanIds(segmentId).of(number);
}

/** The member of `tracestate` that keeps a foreign trace id across W3C hops. */
const stateKey = "sw";

/**
 * The trace id as SkyWalking knows it. `traceState` tells it where it is not the trace id itself; a text there that does not map to
 * this trace is another's and counts for nothing.
 */
export function foreignTraceId(
  traceId: string,
  traceState: { get(key: string): string | undefined } | undefined,
): string {
  const kept = traceState?.get(stateKey);
  if (kept === undefined) return traceId;
  const foreignId = unescapeMember(kept);
  return foreignId !== undefined && toTraceId(foreignId) === traceId ? foreignId : traceId;
}

/** `tracestate` with the foreign id in it. As it was when the trace id says it all, and when the id is too long for a member. */
export function keepForeignId(
  foreignId: string,
  traceId: string,
  state: OtelTraceState | undefined,
): OtelTraceState | undefined {
  if (foreignId === traceId) return state;
  return keepIn(state ?? TraceState.empty, escapeMember(foreignId));
}

function keepIn(state: OtelTraceState, value: string): OtelTraceState | undefined {
  const kept = state.set(stateKey, value);
  return kept === TraceState.empty ? undefined : kept;
}

/** A member's value is printable ASCII without comma and equals sign, and spaces at its end are lost. */
function escapeMember(text: string): string {
  return /^[\x21-\x24\x26-\x2b\x2d-\x3c\x3e-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

function unescapeMember(text: string): string | undefined {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
