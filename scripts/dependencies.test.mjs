// Holds what the README promises of dependencies: installing what users install runs nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";

const lock = JSON.parse(readFileSync(resolve(import.meta.dirname, "../package-lock.json"), "utf8")).packages;

/** Where npm found `name` for the package at `path`: in its own node_modules, or in one further out. */
function find(path, name) {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    const place = folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (lock[place] !== undefined) return lock[place].link ? lock[place].resolved : place;
    if (folder === "") return undefined;
  }
}

/** Every package that comes with the one at `path`, by its place in the lock file; what is optional only where it is there. */
function closureOf(path, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  const { dependencies, peerDependencies, optionalDependencies } = lock[path];
  for (const name of Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies })) {
    const place = find(path, name);
    if (place !== undefined) closureOf(place, found);
  }
  return found;
}

test("nothing that comes with clew has an install script", () => {
  const closure = [...closureOf("packages/clew")];
  assert.ok(closure.includes("packages/rpc") && closure.includes("node_modules/pino"), closure.join());
  assert.deepEqual(
    closure.filter((path) => lock[path].hasInstallScript),
    [],
  );
});
