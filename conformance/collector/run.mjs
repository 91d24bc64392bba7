// Our spans, metrics and log lines through the OpenTelemetry Collector and into our collector; what it refuses, and its death; compares
// what failed with known-failures.txt.
//
//     node conformance/collector/run.mjs                   everything
//     node conformance/collector/run.mjs metrics gzip      cases whose name has these words
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installJudges } from "../../scripts/install-judges.mjs";
import { compareWithKnown, runCase } from "../known-failures.mjs";
import { refusalCases } from "./refusals.ts";
import { throughCases } from "./through.ts";

const closers = [];
const folder = mkdtempSync(join(tmpdir(), "collector-"));
try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  for (const close of closers.reverse()) await close();
  rmSync(folder, { recursive: true });
}

async function main(words) {
  const program = installJudges("otel-collector")["otel-collector"];
  const start = performance.now();
  const judge = { program, folder, closers };
  const cases = [...(await throughCases(judge)), ...refusalCases(judge)].filter(({ name }) =>
    words.every((word) => name.includes(word)),
  );
  if (cases.length === 0) throw new Error(`no case has ${words.join(" and ")}`);
  console.log(`started in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  const results = [];
  for (let at = 0; at < cases.length; at += 10) {
    results.push(...(await Promise.all(cases.slice(at, at + 10).map(runCase))));
  }
  console.log(`${results.length} cases in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return compareWithKnown(join(import.meta.dirname, "known-failures.txt"), results, words.length === 0) ? 0 : 1;
}
