import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { aBoolean, aText, checkOptions, checkValue, type OptionChecks } from "@clew/options";
import { type DocumentOptions, extensions, findExtension, joinLayers, parseDocument } from "./document.ts";
import { directoryEmpty, fileMissing, fileUnreadable, formatUnknown, optionError } from "./errors.ts";
import { watchPath } from "./file-watch.ts";
import type { Layer, Source } from "./source.ts";

export interface FileOptions extends DocumentOptions {
  /** Whether a file that is not there is one without values, until it comes. Default: false, it is an error. */
  optional?: boolean;
}

const optionChecks: OptionChecks<FileOptions> = { optional: aBoolean, prefix: aText };

/**
 * A file in YAML, JSON or TOML (.yaml, .yml, .json, .toml), one of variables (.env, which is read as `env` reads those of the
 * environment and is to stand before it: file < .env < environment < flags), or a folder of such files, which are read in the
 * order of their names, the last winning; hidden files and other endings in it are left out. It is watched, also where it is
 * replaced by renaming or, as Kubernetes mounts a ConfigMap, by a symbolic link.
 *
 * @throws CLEW_CONFIG_OPTION
 */
export function file(path: string, options: FileOptions = {}): Source {
  checkValue("path", path, aText, optionError);
  checkOptions("file", options, optionChecks, optionError);
  const fullPath = resolve(path);
  return {
    name: path,
    load: () => load(path, fullPath, options),
    watch: (onChange) => watchPath(fullPath, isPart, onChange),
  };
}

async function load(path: string, fullPath: string, options: FileOptions): Promise<Layer> {
  try {
    if (!(await stat(fullPath)).isDirectory()) {
      // The format is checked first: what is in a file of another kind does not matter.
      if (findExtension(path) === undefined) throw formatUnknown(path, extensions);
      return parseDocument(path, await readWhole(fullPath), options);
    }
    const names = (await readdir(fullPath)).filter(isPart).sort();
    if (names.length === 0) throw directoryEmpty(path, extensions);
    const texts = await Promise.all(names.map((name) => readWhole(join(fullPath, name))));
    return joinLayers(names.map((name, index) => parseDocument(join(path, name), texts[index]!, options)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isMissing = code === "ENOENT" || code === "ENOTDIR";
    if (isMissing && options.optional) return joinLayers([]);
    if (isMissing) throw fileMissing(path, fullPath, error);
    if (code?.startsWith("CLEW_")) throw error;
    throw fileUnreadable(path, error);
  }
}

/** Whether a file of a folder is read: not what is hidden, nor what editors leave (`config.yaml~`, `.config.yaml.swp`). */
function isPart(name: string): boolean {
  return !name.startsWith(".") && findExtension(name) !== undefined;
}

/** How long a writer may leave a file empty between emptying and filling it, in milliseconds. */
const emptyMs = 50;

async function readWhole(path: string): Promise<string> {
  const text = await readFile(path, "utf8");
  if (text !== "") return text;
  await sleep(emptyMs);
  return readFile(path, "utf8");
}
