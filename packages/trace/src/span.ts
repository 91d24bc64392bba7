import {
  type Exception,
  type Link,
  type Span as OtelSpan,
  type SpanContext,
  type SpanKind,
  type SpanStatus,
  SpanStatusCode,
  type TimeInput,
  TraceFlags,
} from "@opentelemetry/api";
import {
  type AttributeValue,
  type FlatAttributes,
  findAttribute,
  joinAttributes,
  noAttributes,
  putAttribute,
  putAttributes,
  type SharedAttributes,
  shareAttributes,
  toName,
} from "./attributes.ts";
import { isTick, isTimeInput, parseTime, readOffsetUs } from "./clock.ts";
import type { IdSource } from "./id-source.ts";
import { noSpanId, noTraceId } from "./ids.ts";
import type { LocalContext } from "./local-context.ts";
import { isDecisionOnly } from "./remote-context.ts";
import type { Resource } from "./resource.ts";
import type { Segment } from "./segment.ts";
import type { EventData, LinkData, Scope, SpanData } from "./span-data.ts";
import type { SpanLimits } from "./span-limits.ts";
import type { SpanProcessor } from "./span-processor.ts";
import type { TraceCounters } from "./trace-counters.ts";

const noEvents: EventData[] = [];
const noLinks: LinkData[] = [];

/** The properties that all spans of one tracer share. */
export interface SpanMaker {
  readonly scope: Scope;
  readonly resource: Resource;
  readonly limits: SpanLimits;
  readonly processor: SpanProcessor;
  readonly ids: IdSource | undefined;
  readonly counters: TraceCounters;
  /** The parent of spans whose context has none: the span that started this process. Default: none. */
  readonly rootParent?: SpanContext | undefined;
}

/** The record that a live span writes. All records have one shape, and all fields are set at once: reading a field is one load. */
class SpanRecord implements SpanData {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly isParentRemote: boolean;
  readonly traceFlags: number;
  readonly traceState: string;
  name: string;
  readonly kind: SpanKind;
  readonly startUs: number;
  endUs = 0;
  statusCode: SpanStatusCode = SpanStatusCode.UNSET;
  statusMessage = "";
  attributes: AttributeValue[] = [];
  droppedAttributes = 0;
  events: EventData[] = noEvents;
  droppedEvents = 0;
  links: LinkData[] = noLinks;
  droppedLinks = 0;
  readonly scope: Scope;
  readonly resource: Resource;
  readonly segment: Segment;
  // What it says in common with others. Not in `attributes` until somebody asks for all of them: no key is in both, and what
  // many spans say alike is neither copied for each nor written anew.
  #shared: SharedAttributes | undefined;
  #isJoined = false;
  readonly #context: LocalContext;

  constructor(
    context: LocalContext,
    parent: SpanContext | undefined,
    name: string,
    kind: SpanKind,
    startUs: number,
    maker: SpanMaker,
    segment: Segment,
  ) {
    this.#context = context;
    this.traceId = context.traceId;
    this.spanId = context.spanId;
    const isRemote = parent !== undefined && parent.isRemote === true;
    const isNone = parent === undefined || (isRemote && isDecisionOnly(parent));
    this.parentSpanId = isNone ? "" : parent.spanId;
    this.isParentRemote = isRemote && !isNone;
    this.traceFlags = context.traceFlags;
    this.traceState = context.traceState === undefined ? "" : context.traceState.serialize();
    this.name = name;
    this.kind = kind;
    this.startUs = startUs;
    this.scope = maker.scope;
    this.resource = maker.resource;
    this.segment = segment;
  }

  put(key: string, value: unknown, limits: SpanLimits): void {
    const shared = this.#shared;
    if (shared !== undefined && !this.#isJoined) {
      const isFull = shared.flat.length + this.attributes.length >= 2 * limits.attributes;
      if (isFull || findAttribute(shared.flat, key) !== undefined) this.join();
    }
    this.droppedAttributes += putAttribute(this.attributes, key, value, limits);
  }

  /** Shares a frozen object without copying, if the span has no attributes of its own yet; otherwise copies its attributes. */
  putAll(attributes: object, limits: SpanLimits): void {
    const given = shareAttributes(attributes, limits);
    if (given !== undefined && this.#share(given)) return;
    this.join();
    this.droppedAttributes += putAttributes(this.attributes, attributes, limits);
  }

  #share(given: SharedAttributes): boolean {
    if (this.#isJoined || this.attributes.length > 0) return false;
    const shared = this.#shared === undefined ? given : joinAttributes(this.#shared, given);
    if (shared === undefined) return false;
    this.#shared = shared;
    return true;
  }

  /** Copies the shared attributes into `attributes`. */
  join(): this {
    if (!this.#isJoined) {
      this.#isJoined = true;
      if (this.#shared !== undefined) this.attributes = this.#shared.flat.concat(this.attributes);
    }
    return this;
  }

  static sharedOf(span: SpanData): SharedAttributes | undefined {
    if (!(#shared in span) || span.#shared === undefined) return undefined;
    if (!span.#isJoined) return span.#shared;
    const { flat } = span.#shared;
    const { attributes } = span;
    for (let index = 0; index < flat.length; index++) if (attributes[index] !== flat[index]) return undefined;
    return span.#shared;
  }

  static contextOf(span: SpanData): LocalContext | undefined {
    return #context in span ? span.#context : undefined;
  }

  static hasAll(span: SpanData): boolean {
    return !(#shared in span) || span.#isJoined || span.#shared === undefined;
  }
}

/** Returns the attributes that a span shares with others. Undefined if there are none, if they were changed, or for a copied record. */
export const sharedOf: (span: SpanData) => SharedAttributes | undefined = SpanRecord.sharedOf;

/** Returns the context of a span that was created here; undefined for other spans, and for a copied record. */
export const contextOf: (span: SpanData) => LocalContext | undefined = SpanRecord.contextOf;

/** Whether `attributes` also contains the attributes of {@link sharedOf}: it then begins with them. */
export const hasAllAttributes: (span: SpanData) => boolean = SpanRecord.hasAll;

/** Returns all attributes of a span, also for a processor with {@link SpanProcessor.onlyEncodes}. */
export function attributesOf(span: SpanData): FlatAttributes {
  return span instanceof SpanRecord ? span.join().attributes : span.attributes;
}

/**
 * A live, recorded span, created by a tracer. It writes its record until it ends. Then it passes the record on and drops its
 * reference, so that later calls change nothing. None of its methods throws, even with invalid arguments.
 *
 * There is one object for the span, one for the record, and one for the propagated context.
 */
export class Span implements OtelSpan {
  readonly #context: LocalContext;
  readonly #maker: SpanMaker;
  // Fixed at the start, so that setting the system clock meanwhile does not distort the span.
  readonly #offsetUs: number;
  #record: SpanRecord | undefined;
  /** The state that it shares with the other spans under its local root. */
  readonly segment: Segment;

  constructor(
    context: LocalContext,
    parent: SpanContext | undefined,
    name: string,
    kind: SpanKind,
    startTime: TimeInput | undefined,
    maker: SpanMaker,
    segment: Segment,
  ) {
    this.#context = context;
    this.#maker = maker;
    // A caller that has just read the clock saves us a second read.
    const tick = isTick(startTime) ? startTime : performance.now();
    this.#offsetUs = readOffsetUs(tick);
    const given = startTime === undefined || startTime === tick ? undefined : parseTime(startTime);
    this.#record = new SpanRecord(context, parent, name, kind, given ?? this.#offsetUs + tick * 1000, maker, segment);
    this.segment = segment;
  }

  /** The record of the live span, for processors that read it at the start. Undefined after the end. */
  get record(): SpanData | undefined {
    return this.#record?.join();
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return this.#record !== undefined;
  }

  setAttribute(key: string, value: unknown): this {
    const record = this.#record;
    if (record !== undefined) record.put(key, value, this.#maker.limits);
    return this;
  }

  /** A frozen object is read only once: pass one for attributes that many spans share. */
  setAttributes(attributes: Readonly<Record<string, unknown>>): this {
    if (typeof attributes !== "object" || attributes === null) return this;
    this.#record?.putAll(attributes, this.#maker.limits);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Readonly<Record<string, unknown>> | TimeInput, time?: TimeInput): this {
    const record = this.#record;
    if (record === undefined) return this;
    const { limits } = this.#maker;
    if (record.events.length >= limits.events) {
      record.droppedEvents++;
      return this;
    }
    const isTime = isTimeInput(attributesOrTime);
    const attributes: AttributeValue[] = [];
    const droppedAttributes = isTime ? 0 : putAttributes(attributes, attributesOrTime, limits.ofEvents);
    const event: EventData = {
      name: toName(name),
      timeUs: this.#timeUs(time ?? (isTime ? attributesOrTime : undefined)),
      attributes,
      droppedAttributes,
    };
    if (record.events === noEvents) record.events = [event];
    else record.events.push(event);
    return this;
  }

  addLink(link: Link): this {
    const record = this.#record;
    if (record === undefined) return this;
    try {
      const data = toLinkData(link, this.#maker.limits);
      if (data === undefined) return this;
      if (record.links.length >= this.#maker.limits.links) record.droppedLinks++;
      else if (record.links === noLinks) record.links = [data];
      else record.links.push(data);
    } catch {
      // A link that throws when it is read is ignored.
    }
    return this;
  }

  addLinks(links: readonly Link[]): this {
    try {
      if (Array.isArray(links)) for (const link of links as readonly Link[]) this.addLink(link);
    } catch {
      // If reading the list throws, the links before are kept.
    }
    return this;
  }

  /** OK takes precedence over ERROR, and ERROR over UNSET; OK is final. */
  setStatus(status: SpanStatus): this {
    const record = this.#record;
    if (record === undefined || record.statusCode === SpanStatusCode.OK) return this;
    try {
      if (status?.code === SpanStatusCode.OK) {
        record.statusCode = SpanStatusCode.OK;
        record.statusMessage = "";
      } else if (status?.code === SpanStatusCode.ERROR) {
        const { message } = status;
        record.statusCode = SpanStatusCode.ERROR;
        record.statusMessage = message === undefined || message === null ? "" : toName(message);
      }
    } catch {
      // A status that throws when it is read is ignored.
    }
    return this;
  }

  updateName(name: string): this {
    const record = this.#record;
    if (record !== undefined) record.name = toName(name);
    return this;
  }

  /** Adds the event `exception` with type, message and stack. It does not set the status. */
  recordException(exception: Exception, time?: TimeInput): void {
    if (this.#record === undefined) return;
    this.addEvent("exception", describeException(exception), time);
  }

  end(endTime?: TimeInput): void {
    const record = this.#record;
    if (record === undefined) return;
    this.#record = undefined;
    const endUs = this.#timeUs(endTime);
    record.endUs = Math.max(record.startUs, endUs);
    this.#account(record);
    const { processor } = this.#maker;
    try {
      processor.onEnd(processor.onlyEncodes === true ? record : record.join());
    } catch {
      // An error of a processor must not reach the app.
    }
  }

  #account(record: SpanRecord): void {
    const { segment } = record;
    if (record.spanId === segment.rootSpanId) {
      segment.hasEnded = true;
      // Added even beyond the limit on attributes: missing spans must be visible.
      if (segment.droppedSpans > 0) record.attributes.push("clew.dropped_spans", segment.droppedSpans);
    }
    const { counters } = this.#maker;
    counters.ended++;
    if ((record.traceFlags & TraceFlags.SAMPLED) === 0) counters.endedOnly++;
    counters.droppedAttributes += record.droppedAttributes;
    counters.droppedEvents += record.droppedEvents;
    counters.droppedLinks += record.droppedLinks;
    for (const event of record.events) counters.droppedAttributes += event.droppedAttributes;
    for (const link of record.links) counters.droppedAttributes += link.droppedAttributes;
  }

  #timeUs(given: TimeInput | undefined): number {
    if (isTick(given)) return this.#offsetUs + given * 1000;
    const us = given === undefined ? undefined : parseTime(given);
    return us ?? this.#offsetUs + performance.now() * 1000;
  }
}

const idPattern = /^(?:[0-9a-fA-F]{16}){1,2}$/;

/** Undefined for an empty link: one without ids, attributes and trace state (as the specification says). */
function toLinkData(link: Link, limits: SpanLimits): LinkData | undefined {
  if (typeof link !== "object" || !link?.context) return undefined;
  const { traceId, spanId, traceFlags, traceState, isRemote } = link.context;
  if (typeof traceId !== "string" || typeof spanId !== "string" || traceId.length !== 32 || spanId.length !== 16)
    return undefined;
  if (!idPattern.test(traceId) || !idPattern.test(spanId)) return undefined;
  let attributes: FlatAttributes = noAttributes;
  let droppedAttributes = Number(link.droppedAttributesCount ?? 0) || 0;
  if (link.attributes !== undefined) {
    const given: AttributeValue[] = [];
    droppedAttributes += putAttributes(given, link.attributes, limits.ofLinks);
    attributes = given;
  }
  const state = traceState?.serialize() ?? "";
  if (attributes.length === 0 && state === "" && traceId === noTraceId && spanId === noSpanId) return undefined;
  return {
    traceId,
    spanId,
    traceFlags: Number(traceFlags) & 0xff,
    traceState: state,
    isRemote: isRemote === true,
    attributes,
    droppedAttributes,
  };
}

/** Describes any thrown value with attributes of OpenTelemetry's conventions. */
function describeException(exception: unknown): Record<string, unknown> {
  if (typeof exception !== "object" || exception === null) return { "exception.message": exception };
  const attributes: Record<string, unknown> = {};
  try {
    const { code, name, message, stack } = exception as {
      code?: unknown;
      name?: unknown;
      message?: unknown;
      stack?: unknown;
    };
    const type = code !== undefined && code !== null && code !== "" ? code : name;
    if (type !== undefined) attributes["exception.type"] = String(type);
    if (message !== undefined) attributes["exception.message"] = String(message);
    if (stack !== undefined) attributes["exception.stacktrace"] = String(stack);
  } catch {
    attributes["exception.message"] ??= "[Unreadable]";
  }
  return attributes;
}
