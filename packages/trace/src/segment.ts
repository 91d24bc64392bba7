/**
 * What the spans of one trace under one local root in this process have in common. A local root is a span whose parent is in
 * another process, or nowhere.
 *
 *     remote parent ──▶ local root ─┬▶ child ──▶ child
 *                                   └▶ child               late: started after the local root has ended
 *
 * One small object for each request: spans find it in their parent, so nobody keeps a table of traces.
 */
export class Segment {
  rootSpanId = "";
  /** Spans made so far. */
  spans = 0;
  /** Spans that were not made, because there were too many. */
  droppedSpans = 0;
  /** Whether the local root has ended. */
  hasEnded = false;
  /** What the tail processor keeps for these spans; see TailProcessor. */
  tail: unknown = undefined;
  /** What the source of the ids keeps for these spans, where the provider has one; see IdSource. */
  book: unknown = undefined;
}
