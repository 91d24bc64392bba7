import type { TraceStore } from "@clew/store";
import type { SpanData } from "@clew/trace";
import { decodeRequest, encodeRequest, MalformedError, type PartialSuccess, type RawBatch } from "@clew/trace/otel";

/** What came in one dialect since the collector started. */
export interface ReceiverStats {
  /** Spans that the store took, those that it had already among them. */
  readonly spans: number;
  /** Spans, and segments, that were left out because they are malformed. */
  readonly rejected: number;
  /** Requests answered with an error: malformed, too large, in an unknown encoding, or more than the store could take. */
  readonly refusedRequests: number;
}

/** The spans of a request, and what could not be read of it. */
export interface ReadSpans {
  readonly spans: readonly SpanData[];
  /** Spans, or segments, left out because they are malformed. */
  readonly rejected: number;
  /** Why the first of them was; empty when none was. */
  readonly message: string;
}

/** What became of a request: taken, with what was not of it, or refused by a code like HTTP's and, if it helps, a time to come again. */
export type Outcome =
  | { readonly isTaken: true; readonly spans: number; readonly partial: PartialSuccess | undefined }
  | Refusal;

export interface Refusal {
  readonly isTaken: false;
  readonly status: 400 | 413 | 415 | 503;
  readonly message: string;
  /** When to send again; only for what is worth sending again. */
  readonly retryAfterS?: number;
  /** What led to a failure of ours, for the log; never sent. */
  readonly cause?: unknown;
}

/** The answer to what carries no spans. */
export const nothingToTake: Outcome = { isTaken: true, spans: 0, partial: undefined };

// The store empties its queue in well under this.
const comeAgainS = 1;

/** The way of one dialect's spans into the store. */
export class Intake {
  readonly #store: TraceStore;
  #spans = 0;
  #rejected = 0;
  #refusedRequests = 0;

  constructor(store: TraceStore) {
    this.#store = store;
  }

  /** Takes what `read` makes of a request, which may throw {@link MalformedError}. */
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
      if (isFull) return this.refuse(later("the trace store has too much waiting; send again later"));
    } catch (cause) {
      // The caller cannot help a full disk, but what it sends again then is not lost.
      return this.refuse({ ...later("the trace store cannot write; send again later"), cause });
    }
    this.#spans += size;
    return { isTaken: true, spans: size, partial: rejected === 0 ? undefined : { rejectedSpans: rejected, message } };
  }

  /** Takes a request of a dialect in which nobody is told of a part: it is refused when there is no span in it that can be taken. */
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

/** Everything is kept in OTLP's bytes. */
export function toBatch({ spans, rejected, message }: ReadSpans): RawBatch {
  const batch = decodeRequest(encodeRequest(spans));
  return { ...batch, rejected: rejected + batch.rejected, message: message || batch.message };
}

function later(message: string): Refusal {
  return { isTaken: false, status: 503, message, retryAfterS: comeAgainS };
}
