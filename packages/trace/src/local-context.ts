import type { SpanContext, TraceState } from "@opentelemetry/api";
import { digitsOf, type IdPool, pool, takeRootIds, takeSpanId } from "./ids.ts";
import { bytes, writeHexDigits } from "./proto-writer.ts";

/**
 * The context of a span that was created here. It knows where the bytes of its ids are, so an encoder copies them and
 * does not parse the digits.
 */
export class LocalContext implements SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  traceFlags = 0;
  declare traceState?: TraceState;
  // Undefined for an id that does not come from the pool.
  readonly #tracePool: IdPool | undefined;
  readonly #traceAt: number;
  readonly #spanPool: IdPool | undefined;
  readonly #spanAt: number;

  private constructor(
    traceId: string,
    tracePool: IdPool | undefined,
    traceAt: number,
    spanId: string,
    spanPool: IdPool | undefined,
    spanAt: number,
  ) {
    this.traceId = traceId;
    this.spanId = spanId;
    this.#tracePool = tracePool;
    this.#traceAt = traceAt;
    this.#spanPool = spanPool;
    this.#spanAt = spanAt;
  }

  /** Creates the context of a new trace, with ids from the pool. */
  static root(): LocalContext {
    const at = takeRootIds();
    return new LocalContext(digitsOf(at, 16), pool, at, digitsOf(at + 16, 8), pool, at + 16);
  }

  /** Creates a context in the trace of `parent`, with a span id from the pool. */
  static below(parent: SpanContext): LocalContext {
    const { traceId } = parent;
    const at = takeSpanId();
    const spanId = digitsOf(at, 8);
    if (#tracePool in parent) return new LocalContext(traceId, parent.#tracePool, parent.#traceAt, spanId, pool, at);
    return new LocalContext(traceId, undefined, 0, spanId, pool, at);
  }

  /** Creates a context with ids from another source. */
  static of(traceId: string, spanId: string): LocalContext {
    return new LocalContext(traceId, undefined, 0, spanId, undefined, 0);
  }

  /** Writes the bytes of the ids: 16 at `traceAt`, 8 at `spanAt`. */
  writeIds(traceAt: number, spanAt: number): void {
    if (this.#tracePool === undefined) writeHexDigits(traceAt, this.traceId);
    else copy(this.#tracePool.bytes, this.#traceAt, 16, traceAt);
    if (this.#spanPool === undefined) writeHexDigits(spanAt, this.spanId);
    else copy(this.#spanPool.bytes, this.#spanAt, 8, spanAt);
  }
}

// For so few bytes a loop is faster than TypedArray's set, which needs a view.
function copy(source: Uint8Array, from: number, size: number, to: number): void {
  const target = bytes;
  for (let index = 0; index < size; index++) target[to + index] = source[from + index]!;
}
