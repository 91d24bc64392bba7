/**
 * The state that all spans of one trace under one local root in this process share. A local root is a span whose parent is in
 * another process, or that has no parent.
 *
 *     remote parent ──▶ local root ─┬▶ child ──▶ child
 *                                   └▶ child               late: started after the local root has ended
 *
 * There is one small object for each request. Spans get it from their parent, so there is no table of traces.
 */
export class Segment {
  rootSpanId = "";
  /** Spans created so far. */
  spans = 0;
  /** Spans that were not created, because there were too many. */
  droppedSpans = 0;
  /** Whether the local root has ended. */
  hasEnded = false;
  /** The tail processor's state for these spans; see TailProcessor. */
  tail: unknown = undefined;
  /** The state of the provider's source of ids for these spans, if it has one; see IdSource. */
  book: unknown = undefined;
}
