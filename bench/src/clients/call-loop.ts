/** Makes calls, 16 at a time, and prints the CPU time of one in microseconds; the first calls only warm up. */
export async function runCallLoop(call: () => Promise<unknown>): Promise<void> {
  await callMany(call, 20_000);
  const before = process.cpuUsage();
  const calls = 60_000;
  await callMany(call, calls);
  const { user, system } = process.cpuUsage(before);
  console.log((user + system) / calls);
}

async function callMany(call: () => Promise<unknown>, count: number): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: 16 }, lane));
}
