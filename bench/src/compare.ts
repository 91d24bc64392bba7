// The cost of a call here and in another checkout of this repository, side by side. Started by bench/compare.sh.
import { resolve } from "node:path";
import { cases } from "./cases.ts";
import { measure, median, requireLoadTool } from "./load.ts";
import { startServerProcess } from "./server-process.ts";

const rounds = 7;
const base = process.argv[2];
if (base === undefined) {
  console.error("usage: node bench/src/compare.ts CHECKOUT (bench/compare.sh makes one)");
  process.exit(1);
}
const checkouts = { base, here: resolve(import.meta.dirname, "../..") };

requireLoadTool();
for (const one of cases) {
  for (const { name, command } of one.peers.filter(({ name }) => name.startsWith("Clew"))) {
    const cost = { base: [] as number[], here: [] as number[] };
    const memory = { base: [] as number[], here: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      // Who goes first changes with each round.
      const order = round % 2 === 0 ? (["base", "here"] as const) : (["here", "base"] as const);
      for (const side of order) {
        // The same program, of the other checkout.
        const program = command().map((part) => part.replace(checkouts.here, checkouts[side]));
        const server = await startServerProcess(name, program);
        try {
          await measure(one, server, one.requests);
          cost[side].push(await measure(one, server, one.requests));
          memory[side].push(server.peakMiB());
        } finally {
          await server.stop();
        }
      }
    }
    const ratio = median(cost.here.map((value, round) => value / cost.base[round]!));
    console.log(
      `${one.name}, ${name}: ${median(cost.base).toFixed(1)} -> ${median(cost.here).toFixed(1)} us (ratio ${ratio.toFixed(3)}), ` +
        `${median(memory.base).toFixed(0)} -> ${median(memory.here).toFixed(0)} MiB`,
    );
  }
}
