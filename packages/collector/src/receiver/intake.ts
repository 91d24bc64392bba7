import type { TraceStore } from "@clew/store";
import type { SpanData } from "@clew/trace";
import { decodeRequest, encodeRequest, MalformedError, type PartialSuccess, type RawBatch } from "@clew/trace/otel";

/** What was received in one dialect since the collector started. */
export interface ReceiverStats {
  /** The number of spans that the store accepted, including those it already had. */
  readonly spans: number;
  /** The number of spans and segments that were rejected as malformed. */
  readonly rejected: number;
  /**
   * The number of requests answered with an error: malformed, too large, in an unknown encoding, or refused by a full store.
   */
  readonly refusedRequests: number;
}

/** The spans of a request, and what could not be read. */
export interface ReadSpans {
  readonly spans: readonly SpanData[];
  /** The number of malformed spans or segments. */
  readonly rejected: number;
  /** Why the first of them was rejected; empty when none was. */
  readonly message: string;
}

/**
 * The result of a request: accepted, with what was rejected of it, or refused with a code like HTTP's and, if it helps, a time after
 * which to send again.
 */
export type Outcome =
  | { readonly isTaken: true; readonly spans: number; readonly partial: PartialSuccess | undefined }
  | Refusal;

export interface Refusal {
  readonly isTaken: false;
  readonly status: 400 | 413 | 415 | 503;
  readonly message: string;
  /** When to send again, in seconds; only if that may succeed. */
  readonly retryAfterS?: number;
  /** The internal error that caused a refusal, for the log; it is never sent. */
  readonly cause?: unknown;
}

/** The result of a request without spans. */
export const nothingToTake: Outcome = { isTaken: true, spans: 0, partial: undefined };

// In seconds: the store empties its queue in well under this.
const comeAgainS = 1;

/** Passes the spans of one dialect to the store. */
export class Intake {
  readonly #store: TraceStore;
  #spans = 0;
  #rejected = 0;
  #refusedRequests = 0;

  constructor(store: TraceStore) {
    this.#store = store;
  }

  /** Stores the batch that `read` makes of a request. `read` may throw {@link MalformedError}. */
  async take(read: () => RawBatch): Promise<Outcome> {
    let batch: RawBatch;
    try {
      batch = read();
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      return this.refuseMalformed(error.message);
    }
    const { size, rejected, message } = batch;
    this.#rejected += rejected;
    try {
      const { isFull } = await this.#store.ingest(batch);
      if (isFull) return this.refuse(later("the trace store has too many spans waiting; send again later"));
    } catch (cause) {
      // The sender cannot fix a full disk, but data that it sends again later is not lost.
      return this.refuse({ ...later("the trace store cannot write; send again later"), cause });
    }
    this.#spans += size;
    return { isTaken: true, spans: size, partial: rejected === 0 ? undefined : { rejectedSpans: rejected, message } };
  }

  /**
   * Stores a request of a dialect that cannot report partial success: the request is refused only when none of its spans can be
   * stored.
   */
  async takeSpans(read: () => ReadSpans): Promise<Outcome> {
    const outcome = await this.take(() => toBatch(read()));
    if (!outcome.isTaken || outcome.partial === undefined || outcome.spans > 0) return outcome;
    return this.refuseMalformed(outcome.partial.message);
  }

  refuseMalformed(message: string): Refusal {
    return this.refuse({ isTaken: false, status: 400, message: `the request is malformed: ${message}` });
  }

  /** Counts a request that was answered with an error. */
  refuse(refusal: Refusal): Refusal {
    this.#refusedRequests++;
    return refusal;
  }

  stats(): ReceiverStats {
    return { spans: this.#spans, rejected: this.#rejected, refusedRequests: this.#refusedRequests };
  }
}

/** Everything is stored as OTLP's bytes. */
export function toBatch({ spans, rejected, message }: ReadSpans): RawBatch {
  const batch = decodeRequest(encodeRequest(spans));
  return { ...batch, rejected: rejected + batch.rejected, message: message || batch.message };
}

function later(message: string): Refusal {
  return { isTaken: false, status: 503, message, retryAfterS: comeAgainS };
}
