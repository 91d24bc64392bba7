// Go Kratos and Clew call each other, over HTTP and gRPC; compares what failed with known-failures.txt.
//
//     node conformance/kratos/run.mjs               everything
//     node conformance/kratos/run.mjs kratos>clew   pairs and cases whose name has these words
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { installJudges } from "../../scripts/install-judges.mjs";
import { cases } from "./cases.ts";
import { startPeer } from "./peers.mjs";
import { wireCases } from "./wire-cases.ts";

const here = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), "kratos-"));
const peers = [];
try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  for (const peer of peers) peer.close();
  rmSync(folder, { recursive: true });
}

async function main(words) {
  const { "kratos-peer": binary } = installJudges("kratos-peer");
  // What every gRPC server has beside its own services: health, reflection, kratos.api.Metadata.
  const descriptors = join(folder, "descriptors.binpb");
  const buf = createRequire(import.meta.url).resolve("@bufbuild/buf/bin/buf");
  execFileSync(process.execPath, [buf, "build", "proto", "-o", descriptors], { cwd: resolve(here, "../..") });
  peers.push(await startPeer("clew", process.execPath, [join(here, "peer.ts"), descriptors]));
  peers.push(await startPeer("kratos", binary, []));

  const start = performance.now();
  const results = [];
  const run = async (pair, { name, run }) => {
    const result = { pair: pair.name, name, failure: undefined };
    if (!words.every((word) => `${pair.name} ${name}`.includes(word))) return;
    try {
      await run(pair);
    } catch (error) {
      result.failure = String(error.message ?? error)
        .replaceAll(/\s+/g, " ")
        .slice(0, 300);
    }
    results.push(result);
  };
  // A peer with itself is the control: what fails there as well is its own, not between the two.
  for (const client of peers) {
    for (const server of peers) {
      for (const protocol of ["http", "grpc"]) {
        const pair = { name: `${client.name}>${server.name}/${protocol}`, client, server, protocol };
        for (const one of cases) if (one.protocol === undefined || one.protocol === protocol) await run(pair, one);
      }
    }
  }
  for (const server of peers) for (const one of wireCases) await run({ name: `wire>${server.name}`, server }, one);
  if (results.length === 0) throw new Error(`no pair and case has ${words.join(" and ")}`);
  printTable(results);
  console.log(`${results.length} runs of a case in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return compare(results) ? 0 : 1;
}

function printTable(results) {
  const pairs = [...new Set(results.map(({ pair }) => pair))];
  const names = [...new Set(results.map(({ name }) => name))];
  const width = Math.max(...names.map((name) => name.length));
  const row = (name, cells) =>
    console.log([name.padEnd(width), ...cells.map((cell, i) => cell.padEnd(pairs[i].length))].join("  ").trimEnd());
  const byKey = new Map(results.map((result) => [`${result.pair} ${result.name}`, result]));
  row("", pairs);
  for (const name of names) {
    row(
      name,
      pairs.map((pair) => {
        const result = byKey.get(`${pair} ${name}`);
        if (result === undefined) return "-";
        return result.failure === undefined ? "ok" : "FAILED";
      }),
    );
  }
  const counts = pairs.map((pair) => results.filter((result) => result.pair === pair));
  row(
    "passed",
    counts.map((all) => `${all.filter(({ failure }) => failure === undefined).length}/${all.length}`),
  );
}

/** Prints what is not as known-failures.txt says; true when there is nothing. */
function compare(results) {
  const known = new Map();
  for (const line of readFileSync(join(here, "known-failures.txt"), "utf8").split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [pair, name, reason] = line.split(/\s*\|\s*/);
    known.set(`${pair} | ${name}`, reason);
  }
  let isAsKnown = true;
  for (const { pair, name, failure } of results) {
    const isKnown = known.has(`${pair} | ${name}`);
    if (failure !== undefined && !isKnown) console.log(`${pair} | ${name} FAILED ${failure}`);
    else if (failure === undefined && isKnown)
      console.log(`${pair} | ${name} passes: take it out of known-failures.txt`);
    if ((failure !== undefined) !== isKnown) isAsKnown = false;
  }
  const failed = results.filter(({ failure }) => failure !== undefined).length;
  console.log(`${results.length - failed} passed, ${failed} failed${isAsKnown ? ", each known" : ""}`);
  return isAsKnown;
}
