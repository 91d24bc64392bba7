// How long a server takes from being started to listening: the median of eleven starts, every server in turns. Started from
// JavaScript, as it is deployed, with and without Node's compile cache (NODE_COMPILE_CACHE), and from TypeScript, whose types Node
// strips: that alone takes a third of the time, of any server.
//
//     node bench/src/cold-start.ts
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { median } from "./load.ts";

const starts = 11;
const servers = { "node:http, bare": "http-node", Fastify: "http-fastify", Clew: "http-hello" };
const sources = join(import.meta.dirname, "servers");

/** The servers' own files as JavaScript, one for each server; what they import from packages stays there. */
async function build(folder: string): Promise<void> {
  const input = Object.values(servers).map((name) => join(sources, `${name}.ts`));
  const isForeign = (id: string): boolean => !id.startsWith(".") && !id.startsWith("/");
  const bundle = await rolldown({ input, platform: "node", external: isForeign });
  await bundle.write({ dir: folder, format: "esm" });
  await bundle.close();
}

/** Ends a process the way on which Node writes its compile cache, which it does not when a signal kills it. */
const endOnSignal = 'data:text/javascript,process.on("SIGTERM",()=>process.exit())';

async function measure(file: string, env: NodeJS.ProcessEnv, flags: string[] = []): Promise<number> {
  const startMs = performance.now();
  const child = spawn(process.execPath, [...flags, file], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_ENV: "production", ...env },
  });
  await once(child.stdout, "data");
  const tookMs = performance.now() - startMs;
  child.kill();
  await once(child, "exit");
  return tookMs;
}

// Inside of the repository, so that packages are found from there.
const folder = mkdtempSync(join(import.meta.dirname, "..", ".built-"));
try {
  await build(folder);
  const cache = { NODE_COMPILE_CACHE: join(folder, "cache") };
  const ways: [way: string, file: (name: string) => string, env: NodeJS.ProcessEnv][] = [
    ["JavaScript", (name) => join(folder, `${name}.js`), {}],
    ["JavaScript, compile cache", (name) => join(folder, `${name}.js`), cache],
    ["TypeScript", (name) => join(sources, `${name}.ts`), {}],
  ];
  console.log("| server | started from | ms to listening | min-max |\n| --- | --- | ---: | ---: |");
  for (const [way, fileOf, env] of ways) {
    const times = new Map(Object.keys(servers).map((name): [string, number[]] => [name, []]));
    // The first start fills the caches, the disk's and Node's.
    for (const file of Object.values(servers)) await measure(fileOf(file), env, ["--import", endOnSignal]);
    for (let start = 0; start < starts; start++) {
      for (const [name, file] of Object.entries(servers)) times.get(name)!.push(await measure(fileOf(file), env));
    }
    for (const [name, ms] of times) {
      const range = `${Math.min(...ms).toFixed(0)}-${Math.max(...ms).toFixed(0)}`;
      console.log(`| ${name} | ${way} | ${median(ms).toFixed(0)} | ${range} |`);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
