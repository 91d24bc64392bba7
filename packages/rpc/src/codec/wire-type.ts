/** How a field's value is laid out (https://protobuf.dev/programming-guides/encoding/#structure). */
export const wireType = { varint: 0, bit64: 1, lengthDelimited: 2, startGroup: 3, endGroup: 4, bit32: 5 } as const;

/** What stands before a field's value: its number, and how the value is laid out. */
export function tagOf(number: number, type: number): number {
  return ((number << 3) | type) >>> 0;
}
