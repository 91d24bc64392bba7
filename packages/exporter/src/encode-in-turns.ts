import { setImmediate as nextTurn } from "node:timers/promises";

/** The number of spans encoded in one turn of the event loop. */
const spansPerTurn = 512;

/**
 * Encodes many spans in pieces, so that a large batch does not block the event loop. The combined pieces must equal the encoding of
 * the whole.
 */
export async function encodeInTurns<S, T>(
  spans: readonly S[],
  encode: (spans: readonly S[]) => T,
  join: (pieces: T[]) => T,
): Promise<T> {
  if (spans.length <= spansPerTurn) return encode(spans);
  const pieces: T[] = [];
  for (let at = 0; at < spans.length; at += spansPerTurn) {
    if (at > 0) await nextTurn();
    pieces.push(encode(spans.slice(at, at + spansPerTurn)));
  }
  return join(pieces);
}
