// How long a server takes from being started to listening: the median of eleven starts, every server in turns.
//
//     node bench/src/cold-start.ts
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { median } from "./load.ts";

const starts = 11;
const servers = { "node:http, bare": "http-node.ts", Fastify: "http-fastify.ts", Clew: "http-hello.ts" };

async function measure(file: string): Promise<number> {
  const startMs = performance.now();
  const child = spawn(process.execPath, [join(import.meta.dirname, "servers", file)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  await once(child.stdout, "data");
  const tookMs = performance.now() - startMs;
  child.kill();
  await once(child, "exit");
  return tookMs;
}

const times = new Map(Object.keys(servers).map((name): [string, number[]] => [name, []]));
for (let start = 0; start < starts; start++) {
  for (const [name, file] of Object.entries(servers)) times.get(name)!.push(await measure(file));
}
console.log("| server | ms to listening | min-max |\n| --- | ---: | ---: |");
for (const [name, ms] of times) {
  console.log(`| ${name} | ${median(ms).toFixed(0)} | ${Math.min(...ms).toFixed(0)}-${Math.max(...ms).toFixed(0)} |`);
}
