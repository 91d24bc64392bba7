// What a traced request is made of: CPU time of a server whose requests are traced in turns, see servers/http-clew-parts.ts.
//
//     node bench/src/parts.ts
import { cases, node } from "./cases.ts";
import { median, sendRequests } from "./load.ts";
import { startServerProcess } from "./server-process.ts";

/** What a request cost in each block of requests that were traced in one way, in microseconds of CPU time. */
export interface Part {
  readonly name: string;
  readonly costs: number[];
}

export const requestsPerBlock = 3000;

// How code and data come to lie differs from process to process, as everywhere here.
const processes = 3;
const blocksToWarmUp = 5;
const blocks = 25;

async function measureParts(): Promise<readonly Part[]> {
  const { name, command } = node("Clew, traced in turns", "http-clew-parts.ts");
  const server = await startServerProcess(name, command());
  try {
    // The first answer tells how many ways there are.
    const ways = await server.ask<readonly Part[]>("parts");
    await sendRequests(cases[0]!, server, (blocksToWarmUp + blocks) * ways.length * requestsPerBlock);
    const parts = await server.ask<readonly Part[]>("parts");
    return parts.map(({ name, costs }) => ({ name, costs: costs.slice(blocksToWarmUp) }));
  } finally {
    await server.stop();
  }
}

if (import.meta.main) {
  const runs: (readonly Part[])[] = [];
  for (let made = 0; made < processes; made++) runs.push(await measureParts());
  console.log("| a request | CPU us | more than one that is not traced |\n| --- | ---: | ---: |");
  for (const [way, { name }] of runs[0]!.entries()) {
    const costs = runs.flatMap((parts) => parts[way]!.costs);
    const added = runs.flatMap((parts) => parts[way]!.costs.map((cost, block) => cost - parts[0]!.costs[block]!));
    console.log(`| ${name} | ${median(costs).toFixed(1)} | ${median(added).toFixed(2)} |`);
  }
}
