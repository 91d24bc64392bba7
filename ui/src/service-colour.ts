/** How many colours the style sheet has: .service-0, .service-1 ... */
export const colourCount = 12;

const given = new Map<string, number>();
const taken = new Set<number>();

/**
 * The colour of a service, as a number below {@link colourCount}. It follows from the name, so it stays the same from visit
 * to visit, unless another service seen earlier has taken it: then the next free one, while there are any.
 */
export function colourOf(service: string): number {
  let colour = given.get(service);
  if (colour !== undefined) return colour;
  colour = hashOf(service) % colourCount;
  if (taken.size < colourCount) while (taken.has(colour)) colour = (colour + 1) % colourCount;
  taken.add(colour);
  given.set(service, colour);
  return colour;
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
