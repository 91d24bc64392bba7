/** What a provider counts of the spans it was asked for; {@link BatchStats} tells what became of those that were made. */
export interface TraceCounters {
  /** Spans that were made, sampled or recorded for a decision at the end. */
  recorded: number;
  /** Of those, the ones that no sampler wanted: they wait for a decision at the end. */
  recordedOnly: number;
  /** Spans of `recorded` that have ended. */
  ended: number;
  /** Spans of `recordedOnly` that have ended. */
  endedOnly: number;
  /** Spans that no sampler wanted, and nobody records. */
  unsampled: number;
  /** Spans that were not made, because their local root had too many; it tells them as `clew.dropped_spans`. */
  droppedSpans: number;
  /** Attributes, those of events and links among them, beyond the limits. */
  droppedAttributes: number;
  droppedEvents: number;
  droppedLinks: number;
  /** Spans started after their parent and their local root had ended, marked `clew.late`. */
  lateSpans: number;
}

export function createCounters(): TraceCounters {
  return {
    recorded: 0,
    recordedOnly: 0,
    ended: 0,
    endedOnly: 0,
    unsampled: 0,
    droppedSpans: 0,
    droppedAttributes: 0,
    droppedEvents: 0,
    droppedLinks: 0,
    lateSpans: 0,
  };
}
