/** A provider's counts of requested spans; {@link BatchStats} counts the created ones by outcome. */
export interface TraceCounters {
  /** Spans that were created: sampled ones, and ones recorded for a decision at the end. */
  recorded: number;
  /** Spans of `recorded` that the sampler rejected, recorded for a decision at the end. */
  recordedOnly: number;
  /** Spans of `recorded` that have ended. */
  ended: number;
  /** Spans of `recordedOnly` that have ended. */
  endedOnly: number;
  /** Spans that the sampler rejected, and that are not recorded. */
  unsampled: number;
  /** Spans that were not created, because their local root had too many; it counts them in `clew.dropped_spans`. */
  droppedSpans: number;
  /** Attributes beyond the limits, including those of events and links. */
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
