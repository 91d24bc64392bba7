import { type FSWatcher, realpathSync, statSync, unwatchFile, watch, watchFile } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { extensions, joinLayers, parseDocument } from "./document.ts";
import { directoryEmpty, fileMissing, fileUnreadable, formatUnknown } from "./errors.ts";
import type { Layer, Source } from "./source.ts";

/**
 * A file in YAML or JSON (.yaml, .yml, .json), or a folder of such files, which are read in the order of their names, the last
 * winning; hidden files and other endings in it are left out. It is watched, also where it is replaced by renaming or, as
 * Kubernetes mounts a ConfigMap, by a symbolic link.
 */
export function file(path: string): Source {
  const fullPath = resolve(path);
  return { name: path, load: () => load(path, fullPath), watch: (onChange) => watchPath(fullPath, onChange) };
}

async function load(path: string, fullPath: string): Promise<Layer> {
  try {
    if (!(await stat(fullPath)).isDirectory()) {
      // The format is checked first: what is in a file of another kind does not matter.
      if (!isConfigName(path)) throw formatUnknown(path, extensions);
      return parseDocument(path, await readFile(fullPath, "utf8"));
    }
    const names = (await readdir(fullPath)).filter((name) => isConfigName(name) && !name.startsWith(".")).sort();
    if (names.length === 0) throw directoryEmpty(path, extensions);
    const texts = await Promise.all(names.map((name) => readFile(join(fullPath, name), "utf8")));
    return joinLayers(names.map((name, index) => parseDocument(join(path, name), texts[index]!)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw fileMissing(path, fullPath, error);
    if (code?.startsWith("CLEW_")) throw error;
    throw fileUnreadable(path, error);
  }
}

function isConfigName(name: string): boolean {
  return extensions.some((ending) => name.toLowerCase().endsWith(ending));
}

/** How often a file is looked at where the system cannot tell of changes. */
const pollMs = 2_000;

/**
 * Calls `onChange` after each event that may concern the path. The folder is watched, not the file: editors and deployments
 * put a new file in its place, and a watch on the old one would see no more.
 */
function watchPath(path: string, onChange: () => void): () => void {
  const watchers: FSWatcher[] = [];
  let isClosed = false;
  let isPolled = false;

  // inotify may be used up or missing (network mounts): then the file is looked at now and then.
  const poll = (): void => {
    if (isClosed || isPolled) return;
    isPolled = true;
    watchFile(path, { interval: pollMs, persistent: false }, onChange);
  };
  const watchFolder = (folder: string, concerns: (name: string) => boolean): void => {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || concerns(name)) onChange();
      });
      watcher.on("error", poll);
      watchers.push(watcher);
    } catch {
      poll();
    }
  };

  // "..data" is the link that Kubernetes swaps when a mounted ConfigMap changes.
  watchFolder(dirname(path), (name) => name === basename(path) || name === "..data");
  try {
    const target = realpathSync(path);
    if (statSync(target).isDirectory()) watchFolder(target, (name) => isConfigName(name) || name === "..data");
    else if (target !== path) watchFolder(dirname(target), (name) => name === basename(target));
  } catch {
    // There is nothing yet: load() tells.
  }

  return () => {
    isClosed = true;
    for (const watcher of watchers) watcher.close();
    if (isPolled) unwatchFile(path, onChange);
  };
}
