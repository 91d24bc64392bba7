// Runs every test. `npm test -- http` runs the test files whose path contains "http".
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";

const wanted = process.argv.slice(2);
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
// Two at a time: the tests start real servers, browsers and child processes, and a loaded machine makes deadlines lie.
const result = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-concurrency=2", "--test-timeout=120000", ...files],
  { stdio: "inherit" },
);
process.exitCode = result.status ?? 1;
