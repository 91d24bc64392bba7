// Holds the floors: an import points down, type imports included; nothing goes in circles; nobody reaches past a package's doors.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";

/** The floor of each package; an import must lead to a lower one. */
const floors = {
  context: 0,
  http2: 0,
  options: 0,
  rpc: 1,
  trace: 1,
  log: 1,
  config: 1,
  registry: 2,
  middleware: 2,
  store: 2,
  metrics: 2,
  transport: 3,
  app: 4,
  exporter: 4,
  collector: 5,
  agent: 5,
  cli: 6,
  clew: 6,
};

/** Rooms of one package that never import each other. */
const strangers = [
  ["packages/transport/src/http/", "packages/transport/src/grpc/"],
  ["packages/transport/src/http/", "packages/transport/src/memory/"],
  // connect and grpc-web stand on grpc, whose calls they say in other words; it does not know them, nor they each other.
  ["packages/transport/src/http/", "packages/transport/src/connect/"],
  ["packages/transport/src/http/", "packages/transport/src/grpc-web/"],
  ["packages/transport/src/connect/", "packages/transport/src/grpc-web/"],
  ["packages/transport/src/grpc/", "packages/transport/src/memory/"],
];

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s(?:[^;"']*?\sfrom\s*)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** Source files of a folder, without tests and generated code. */
function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== "gen") yield* sources(path);
    } else if (/\.tsx?$/.test(entry.name) && !/\.test\.tsx?$/.test(entry.name)) yield path;
  }
}

const problems = [];
/** File -> the files of the same package that it imports. */
const arrows = new Map();

for (const packageName of readdirSync("packages")) {
  const source = join("packages", packageName, "src");
  if (!existsSync(source)) continue;
  const floor = floors[packageName];
  if (floor === undefined) problems.push(`packages/${packageName} has no floor in scripts/check-imports.mjs`);
  const manifest = JSON.parse(readFileSync(join("packages", packageName, "package.json"), "utf8"));
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
  const unused = new Set(Object.keys(manifest.dependencies ?? {}));

  for (const file of sources(source)) {
    const targets = [];
    arrows.set(normalize(file), targets);
    for (const match of readFileSync(file, "utf8").matchAll(importPattern)) {
      const name = match[1] ?? match[2];
      if (name.startsWith("node:")) continue;
      if (name.startsWith(".")) {
        const target = normalize(join(dirname(file), name));
        if (relative(source, target).startsWith("..")) problems.push(`${file}: ${name} leaves its package`);
        else if (!existsSync(target)) problems.push(`${file}: ${name} does not exist`);
        else if (target === normalize(join(source, "index.ts"))) problems.push(`${file}: imports its own index`);
        else if (!target.includes(`${sep}gen${sep}`)) targets.push(target);
        for (const [one, other] of strangers) {
          const crosses = (a, b) => file.startsWith(normalize(a)) && target.startsWith(normalize(b));
          if (crosses(one, other) || crosses(other, one))
            problems.push(`${file}: ${name} is in a room it must not know`);
        }
        continue;
      }
      const parts = name.split("/");
      const dependency = name.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
      unused.delete(dependency);
      if (declared[dependency] === undefined)
        problems.push(`${file}: ${dependency} is not in package.json's dependencies`);
      if (!dependency.startsWith("@clew/")) continue;
      const target = dependency.slice("@clew/".length);
      if (!(floors[target] < floor)) {
        problems.push(
          `${file}: floor ${floor} (${packageName}) imports ${dependency}, which is on floor ${floors[target]}`,
        );
      }
    }
  }
  for (const name of unused) problems.push(`packages/${packageName}: ${name} is a dependency that nothing imports`);
}

// A circle shows as a file that is reached again while it is still open.
const state = new Map();
function walk(file, path) {
  if (state.get(file) === "done") return;
  if (state.get(file) === "open") {
    problems.push(`circle: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`);
    return;
  }
  state.set(file, "open");
  for (const target of arrows.get(file) ?? []) walk(target, [...path, file]);
  state.set(file, "done");
}
for (const file of arrows.keys()) walk(file, []);

for (const problem of problems) console.error(problem);
const count = [...arrows.values()].reduce((sum, targets) => sum + targets.length, 0);
console.log(`imports: ${arrows.size} files, ${count} arrows inside packages, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
