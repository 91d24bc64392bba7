import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { aBoolean, aText, checkOptions, checkValue, type OptionChecks } from "@clew/options";
import { type DocumentOptions, extensions, findExtension, joinLayers, parseDocument } from "./document.ts";
import { directoryEmpty, fileMissing, fileUnreadable, formatUnknown, optionError } from "./errors.ts";
import { watchPath } from "./file-watch.ts";
import type { Layer, Source } from "./source.ts";

export interface FileOptions extends DocumentOptions {
  /** Treats a missing file as one without values, until it appears. Default: false, a missing file is an error. */
  optional?: boolean;
}

const optionChecks: OptionChecks<FileOptions> = { optional: aBoolean, prefix: aText };

/**
 * Reads one file or a folder of files, and watches it.
 *
 * A file is YAML, JSON or TOML (.yaml, .yml, .json, .toml), or a list of variables (.env). Variables of a .env file are read
 * in the way `env` reads those of the environment; place it before `env` (file < .env < environment < flags). The files of a
 * folder are read in the order of their names, and a later one wins; hidden files and files with other endings are ignored.
 * Changes are seen also when the file is replaced by renaming or, as in a ConfigMap mounted by Kubernetes, by a symbolic
 * link.
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
      // The format is checked before the file is read: the content of an unknown format does not matter.
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

/**
 * Whether a file of a folder is read. Hidden files and what editors leave behind are not (`config.yaml~`,
 * `.config.yaml.swp`).
 */
function isPart(name: string): boolean {
  return !name.startsWith(".") && findExtension(name) !== undefined;
}

/** How long a writer may leave a file empty between truncating and writing it, in milliseconds. */
const emptyMs = 50;

async function readWhole(path: string): Promise<string> {
  const text = await readFile(path, "utf8");
  if (text !== "") return text;
  await sleep(emptyMs);
  return readFile(path, "utf8");
}
