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

/** How often a file is checked where the system cannot report changes, in milliseconds. */
const pollMs = 2_000;

/**
 * Calls `onChange` after each event that may concern the path. It watches folders instead of the file: editors and deployments put
 * a new file in its place, and a watch on the old file would miss it. Every symbolic link on the way is watched too, because
 * Kubernetes and deployments swap links. A path that does not exist yet, or that disappears and returns, is checked periodically.
 * If the path is a folder, `isPart` says which names in it count.
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
  // inotify may be exhausted or missing (network mounts), or a folder may be gone: then the file is checked
  // periodically.
  const poll = (): void => {
    if (isClosed || isPolled) return;
    isPolled = true;
    watchFile(path, { interval: pollMs, persistent: false }, tell);
  };
  const watchFolder = (folder: string, concerns: (name: string) => boolean): void => {
    try {
      const inode = inodeOf(folder);
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        // When a folder itself is removed, the event carries the folder's own name.
        if (name === null || concerns(name) || inodeOf(folder) !== inode) tell();
      });
      watcher.on("error", poll);
      watchers.push(watcher);
    } catch {
      poll();
    }
  };
  /** Watches the folders and links that lead to the path now. Does nothing when they are unchanged. */
  const arm = (): void => {
    const steps = findSteps(path);
    const target = findFolder(path);
    // The inode tells a folder from a new one of the same name.
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

/** The path itself, and each link on the way to its target. The path need not exist yet. */
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
      // Links may form a circle.
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

/** The folder that the path finally leads to; undefined if it is not a folder. */
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
