import { fnv1a32 } from "./hash.ts";

/** The 160 places of each member on the ring: the hash of each place's number, from which the hash of the place continues. */
const places: readonly number[] = Array.from({ length: 160 }, (_, place) => fnv1a32(String(place)));

/**
 * Picks `count` of the members: those that follow the key on a consistent hash ring. The result is always the same for one key,
 * and changes little when members join or leave. All members are picked if there are no more than `count`.
 *
 * It is the ring of Kratos: 160 places for each member, FNV-1a 32 over the place's number and the member's name.
 */
export function pickSubset<T>(
  key: string,
  members: readonly T[],
  nameOf: (member: T) => string,
  count: number,
): readonly T[] {
  if (members.length <= count) return members;
  const named = new Map<string, T>();
  for (const member of members) if (!named.has(nameOf(member))) named.set(nameOf(member), member);
  const ring = new Map<number, string>();
  for (const name of named.keys()) {
    const bytes = Buffer.from(name);
    for (const place of places) ring.set(fnv1a32(bytes, place), name);
  }
  const hashes = Uint32Array.from(ring.keys()).sort();
  const start = fnv1a32(key);
  const first = hashes.findIndex((hash) => hash > start);
  const chosen = new Set<string>();
  // The first place after the key; after the last place the ring begins again.
  for (let step = 0; step < hashes.length && chosen.size < count; step++) {
    chosen.add(ring.get(hashes[(Math.max(0, first) + step) % hashes.length]!)!);
  }
  return Array.from(chosen, (name) => named.get(name)!);
}
