import { setImmediate as nextTurn } from "node:timers/promises";

/** As many as BatchProcessor hands over at once unless it is told otherwise: one turn. */
const spansPerTurn = 512;

/**
 * Encodes many spans piece by piece, so that a large batch does not hold up the event loop. What is made of the pieces has to be what
 * would be made of the whole.
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
