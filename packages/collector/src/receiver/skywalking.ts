import type { SpanData } from "@clew/trace";
import { MalformedError } from "@clew/trace/otel";
import {
  decodeSegment,
  type SegmentData,
  segmentFromJson,
  segmentToSpans,
  sliceSegments,
} from "@clew/trace/skywalking";
import { type Intake, nothingToTake, type Outcome, type ReadSpans, toBatch } from "./intake.ts";
import { type Receiver, replyText } from "./receiver-route.ts";

/** Stores some SegmentObjects of a stream. */
export function takeSegments(intake: Intake, segments: readonly Uint8Array[]): Promise<Outcome> {
  return intake.take(() => toBatch(collect(segments, decodeSegment)));
}

/** Stores a SegmentCollection. */
export function takeCollection(intake: Intake, collection: Uint8Array): Promise<Outcome> {
  return intake.takeSpans(() => collect(sliceSegments(collection), decodeSegment));
}

/** The receivers for SkyWalking over HTTP: segments are stored, other reports are answered and dropped. */
export function skyWalkingReceivers(intake: Intake): Receiver[] {
  const receiver = (path: string, receive: (body: Buffer) => Promise<Outcome>): Receiver => ({
    path,
    dialect: "SkyWalking",
    encodings: ["json"],
    intake,
    receive,
    reply: (outcome) =>
      outcome.isTaken
        ? // No commands.
          { status: 200, contentType: "application/json", body: "{}" }
        : replyText(outcome.status, outcome.message),
  });
  const segments = (toList: (json: unknown) => readonly unknown[]) => (body: Buffer) =>
    intake.takeSpans(() => collect(toList(parseJson(body)), readJsonSegment));
  return [
    receiver(
      "/v3/segment",
      segments((json) => [json]),
    ),
    receiver(
      "/v3/segments",
      segments((json) => {
        if (!Array.isArray(json)) throw new MalformedError(-1, "the body must be a list of segments");
        return json;
      }),
    ),
    ...["/v3/management/reportProperties", "/v3/management/keepAlive", "/v3/logs"].map((path) =>
      receiver(path, async () => nothingToTake),
    ),
  ];
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new MalformedError(-1, `not JSON: ${(error as Error).message}`);
  }
}

function readJsonSegment(json: unknown): SegmentData {
  const segment = segmentFromJson(json);
  if (segment === undefined) throw new MalformedError(-1, "it must be an object with a traceId and a traceSegmentId");
  return segment;
}

/** The spans of all readable segments; a malformed segment affects only itself. */
function collect<T>(items: readonly T[], read: (item: T) => SegmentData): ReadSpans {
  const spans: SpanData[] = [];
  let rejected = 0;
  let message = "";
  for (const [index, item] of items.entries()) {
    try {
      const segment = read(item);
      checkSegment(segment);
      for (const span of segmentToSpans(segment)) spans.push(span);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      rejected++;
      if (message === "") message = `segment ${index}: ${error.message}`;
    }
  }
  return { spans, rejected, message };
}

function checkSegment({ traceId, segmentId, spans }: SegmentData): void {
  if (traceId === "" || segmentId === "") {
    throw new MalformedError(-1, "it must have a traceId and a traceSegmentId");
  }
  for (const { spanId, startMs } of spans) {
    if (!Number.isInteger(spanId) || spanId < 0 || spanId > 0x7fff_ffff) {
      throw new MalformedError(-1, `a spanId must be a whole number from 0 on, not ${spanId}`);
    }
    if (!(startMs > 0)) {
      throw new MalformedError(-1, `a startTime must be milliseconds since 1970, not ${startMs}`);
    }
  }
}
