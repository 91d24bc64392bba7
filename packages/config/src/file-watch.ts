import {
  type FSWatcher,
  lstatSync,
  readlinkSync,
  realpathSync,
  statSync,
  unwatchFile,
  watch,
  watchFile,
} from "node:fs";
import { basename, dirname, join, parse, resolve } from "node:path";

/** How often a file is looked at where the system cannot tell of changes. */
const pollMs = 2_000;

/**
 * Calls `onChange` after each event that may concern the path. Folders are watched, not the file: editors and deployments put a new
 * file in its place, and a watch on the old one would see no more. So is every link on the way, which Kubernetes and deployments
 * swap. What is not there yet, or goes and comes back, is looked at now and then. `isPart` tells which names count, where the path
 * is a folder.
 */
export function watchPath(path: string, isPart: (name: string) => boolean, onChange: () => void): () => void {
  let watchers: FSWatcher[] = [];
  let way = "";
  let isClosed = false;
  let isPolled = false;

  const tell = (): void => {
    if (isClosed) return;
    arm();
    onChange();
  };
  // inotify may be used up or missing (network mounts), or a folder be gone: then the file is looked at now and then.
  const poll = (): void => {
    if (isClosed || isPolled) return;
    isPolled = true;
    watchFile(path, { interval: pollMs, persistent: false }, tell);
  };
  const watchFolder = (folder: string, concerns: (name: string) => boolean): void => {
    try {
      const inode = inodeOf(folder);
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        // A folder that goes tells so by its own name.
        if (name === null || concerns(name) || inodeOf(folder) !== inode) tell();
      });
      watcher.on("error", poll);
      watchers.push(watcher);
    } catch {
      poll();
    }
  };
  /** Watches the way to the path as it is now; nothing when it is the way it was. */
  const arm = (): void => {
    const steps = findSteps(path);
    const target = findFolder(path);
    // The number tells a folder from another of its name that took its place.
    const next = [...steps, target ?? ""].map((one) => `${one} ${inodeOf(dirname(one))}`).join("\n");
    if (next === way) return;
    way = next;
    for (const watcher of watchers.splice(0)) watcher.close();
    for (const step of steps) watchFolder(dirname(step), (name) => name === basename(step));
    if (target !== undefined) watchFolder(target, (name) => isPart(name) || name === "..data");
  };
  arm();

  return () => {
    isClosed = true;
    for (const watcher of watchers) watcher.close();
    watchers = [];
    if (isPolled) unwatchFile(path, tell);
  };
}

/** The path itself, and each link that leads to what it is in the end; also of what is not there yet. */
function findSteps(path: string): string[] {
  const steps = new Set<string>([path]);
  const follow = (from: string, depth: number): void => {
    const { root } = parse(from);
    let at = root;
    const names = from
      .slice(root.length)
      .split(/[\\/]/)
      .filter((name) => name !== "");
    for (const [index, name] of names.entries()) {
      at = join(at, name);
      const target = readLink(at);
      if (target === undefined) continue;
      steps.add(at);
      // Links may lead in a circle.
      if (depth < 20) follow(join(resolve(dirname(at), target), ...names.slice(index + 1)), depth + 1);
      return;
    }
    steps.add(at);
  };
  follow(path, 0);
  return [...steps];
}

function readLink(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

/** The folder that the path is in the end, if it is one. */
function findFolder(path: string): string | undefined {
  try {
    const target = realpathSync(path);
    return statSync(target).isDirectory() ? target : undefined;
  } catch {
    return undefined;
  }
}

function inodeOf(path: string): number {
  try {
    return statSync(path).ino;
  } catch {
    return 0;
  }
}
