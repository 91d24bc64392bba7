/**
 * How long to wait before connecting again: gRPC's connection back-off (1 s, times 1.6, at most 120 s, plus or minus a fifth).
 */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const ms = Math.min(1000 * 1.6 ** (failures - 1), 120_000);
  return ms * (0.8 + 0.4 * random());
}
