// Runs the judges, or those whose folder has one of the given words in its name, and says how long each took.
//
//     npm run conformance                 all
//     npm run conformance -- kratos       conformance/kratos and conformance/kratos-streams
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const words = process.argv.slice(2);
const folder = import.meta.dirname;

/** How the suite of a folder is run; undefined for a folder that is none. */
function commandOf(name) {
  const script = join(folder, name, "run.mjs");
  if (existsSync(script)) return [process.execPath, script];
  const shell = join(folder, name, "run.sh");
  return existsSync(shell) ? ["bash", shell] : undefined;
}

const failed = [];
const table = [];
for (const name of readdirSync(folder).sort()) {
  const command = commandOf(name);
  if (command === undefined || (words.length > 0 && !words.some((word) => name.includes(word)))) continue;
  console.log(`\n== ${name}`);
  const startMs = performance.now();
  const { status } = spawnSync(command[0], command.slice(1), { stdio: "inherit" });
  const seconds = Math.round((performance.now() - startMs) / 1000);
  table.push(`${name.padEnd(16)} ${status === 0 ? "passed" : "FAILED"} in ${seconds} s`);
  if (status !== 0) failed.push(name);
}
console.log(`\n${table.join("\n")}`);
if (table.length === 0) console.error(`no judge has ${words.join(" or ")} in its name`);
process.exitCode = failed.length === 0 && table.length > 0 ? 0 : 1;
