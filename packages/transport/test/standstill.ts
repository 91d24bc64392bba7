/** What `read` gives once it no longer changes. */
export async function standstill(read: () => number): Promise<number> {
  let last = -1;
  let same = 0;
  while (same < 20) {
    const now = read();
    same = now === last ? same + 1 : 0;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return last;
}
