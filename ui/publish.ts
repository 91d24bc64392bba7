// Puts the build where the collector serves it from, and holds its budget: the whole UI, gzipped.
import { cpSync, globSync, readFileSync, rmSync } from "node:fs";
import { gzipSync } from "node:zlib";

const budgetBytes = 60 * 1024;

const from = new URL("dist/", import.meta.url);
const to = new URL("../packages/collector/ui/", import.meta.url);

const bytes = globSync("**/*.{html,js,css,svg}", { cwd: from.pathname })
  .map((file) => gzipSync(readFileSync(new URL(file, from))).byteLength)
  .reduce((sum, size) => sum + size, 0);
if (bytes > budgetBytes) {
  console.error(`ui: ${bytes} bytes gzipped; the budget is ${budgetBytes}`);
  process.exit(1);
}
rmSync(to, { recursive: true, force: true });
cpSync(from, to, { recursive: true });
console.log(`ui: ${(bytes / 1024).toFixed(1)} of ${budgetBytes / 1024} KB gzipped`);
