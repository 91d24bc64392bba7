// So many chunks become one.
const mergedCount = 128;

/**
 * Makes one of the last chunks of a body when they are many: a Buffer costs more than the byte that a sender of single bytes puts
 * in it. To be called with each chunk that was added.
 *
 * @param mergedChunks how many of them, from the first on, are merged ones
 * @returns the same from now on
 */
export function mergeChunks(chunks: Buffer[], mergedChunks: number): number {
  if (chunks.length - mergedChunks < mergedCount) return mergedChunks;
  chunks.push(Buffer.concat(chunks.splice(mergedChunks)));
  return mergedChunks + 1;
}
