/** The wait after a number of failures: 100 ms, times 1.6 for each further one, at most 30 s, plus or minus a fifth. */
export function backoffMs(failures: number, random: () => number): number {
  const ms = Math.min(100 * 1.6 ** (failures - 1), 30_000);
  return ms * (0.8 + 0.4 * random());
}
