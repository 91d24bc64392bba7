import { cut, maxEndpointLength, maxInstanceLength, maxPeerLength, maxServiceLength } from "./text-limits.ts";

/** A span of another process, as the header `sw8` tells of it. */
export interface Place {
  /** SkyWalking's own text, whatever it looks like. */
  readonly traceId: string;
  readonly segmentId: string;
  /** The span's number in its segment. */
  readonly number: number;
  readonly service: string;
  readonly instance: string;
  /** The operation with which the caller's segment began. */
  readonly endpoint: string;
  /** Where the caller reached us, as it knows us. */
  readonly address: string;
}

export interface Sw8 {
  readonly place: Place;
  /** Undefined when the caller leaves the decision to us (sample flag 0). */
  readonly isSampled: boolean | undefined;
}

/** A header beyond this is no agent's: the specification asks for less than 2 KB. */
const maxHeaderLength = 8192;
const base64Pattern = /^[A-Za-z0-9+/_]+={0,2}$/;

/**
 * What `sw8` tells (Cross Process Propagation Headers Protocol v3): eight fields between dashes, texts in base64. Undefined when it
 * makes no sense; then there is a new trace. Other agents leave the last three empty, there may be more fields, and Go's agent sends the
 * header twice when a request is sent again: the first counts.
 */
export function parseSw8(header: string): Sw8 | undefined {
  if (header.length > maxHeaderLength) return undefined;
  const [sample, trace, segment, number, service, instance, endpoint, address] = firstOf(header).split("-", 8);
  if (address === undefined || !/^\d{1,10}$/.test(number!) || Number(number) > 0x7fff_ffff) return undefined;
  const traceId = decode(trace!);
  const segmentId = decode(segment!);
  if (traceId === "" || segmentId === "") return undefined;
  return {
    place: {
      traceId,
      segmentId,
      number: Number(number),
      service: cut(decode(service!), maxServiceLength),
      instance: cut(decode(instance!), maxInstanceLength),
      endpoint: cut(decode(endpoint!), maxEndpointLength),
      address: cut(decode(address), maxPeerLength),
    },
    isSampled: sample!.trim() === "0" ? undefined : true,
  };
}

/** The header. No field stays empty: Java's agent drops the whole context for one that is. */
export function formatSw8({ place, isSampled }: Sw8): string {
  return [
    isSampled === true ? "1" : "0",
    encode(place.traceId),
    encode(place.segmentId),
    place.number,
    encode(cut(place.service, maxServiceLength) || unknown),
    encode(cut(place.instance, maxInstanceLength) || unknown),
    // The specification says "less than 150".
    encode(cut(place.endpoint, maxEndpointLength - 1) || unknown),
    encode(cut(place.address, maxPeerLength) || unknown),
  ].join("-");
}

const unknown = "unknown";

export interface CorrelationLimits {
  /** Entries that travel. */
  readonly maxKeys: number;
  /** Characters of a value. */
  readonly maxValueLength: number;
}

/** `sw8-correlation`: `base64(key):base64(value)` between commas. A malformed pair is passed over, and what is beyond the limits. */
export function parseCorrelation(header: string, limits: CorrelationLimits): Map<string, string> {
  const entries = new Map<string, string>();
  if (header.length > maxHeaderLength) return entries;
  for (const pair of header.split(",")) {
    if (entries.size >= limits.maxKeys) break;
    const [key = "", value = "", ...rest] = pair.trim().split(":");
    const name = decode(key);
    const text = decode(value);
    if (rest.length > 0 || name === "" || text === "" || text.length > limits.maxValueLength) continue;
    entries.set(name, text);
  }
  return entries;
}

export function formatCorrelation(entries: Iterable<readonly [string, string]>, limits: CorrelationLimits): string {
  const pairs: string[] = [];
  for (const [key, value] of entries) {
    if (pairs.length >= limits.maxKeys) break;
    if (key === "" || value === "" || value.length > limits.maxValueLength) continue;
    pairs.push(`${encode(key)}:${encode(value)}`);
  }
  return pairs.join(",");
}

export interface Extension {
  /** Whether SkyWalking's collector only stores the spans of this trace. */
  readonly skipAnalysis: boolean;
  /** When a message was sent, unix milliseconds; undefined when it was not told. */
  readonly sentAtMs: number | undefined;
}

/** `sw8-x`: `<mode>-<time of sending>`; both may be missing or blank. */
export function parseExtension(header: string): Extension {
  const [mode = "", time = ""] = firstOf(header).split("-", 2);
  const text = time.trim();
  return { skipAnalysis: mode.trim() === "1", sentAtMs: /^\d{1,15}$/.test(text) ? Number(text) : undefined };
}

/** A header may not end in a space, which is how Java's agent writes a time that is missing. */
export function formatExtension({ skipAnalysis, sentAtMs }: Extension): string {
  return `${skipAnalysis ? 1 : 0}-${sentAtMs ?? ""}`;
}

/** Of a header that was there several times, joined with commas. */
function firstOf(header: string): string {
  const comma = header.indexOf(",");
  return comma === -1 ? header : header.slice(0, comma);
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** Empty when it is no base64. */
function decode(text: string): string {
  const field = text.trim();
  return base64Pattern.test(field) ? Buffer.from(field, "base64").toString() : "";
}
