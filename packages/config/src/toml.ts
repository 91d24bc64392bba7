import { parse, TomlDate, TomlError } from "smol-toml";
import { syntaxInvalid } from "./errors.ts";
import type { Path, Tree, Value } from "./tree.ts";

export interface TomlDocument {
  readonly tree: Tree;
  /** Where a key was written: `config.toml:3`. */
  readonly locate: (path: Path) => string | undefined;
}

/** @throws CLEW_CONFIG_SYNTAX */
export function parseToml(name: string, text: string): TomlDocument {
  let table: unknown;
  try {
    table = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Its message goes on with the lines around, which may hold a secret; so does the error itself.
    const reason = error.message.split("\n", 1)[0]!.replace(/^Invalid TOML document: /, "");
    throw syntaxInvalid(`${name}:${error.line}:${error.column}`, "TOML", reason);
  }
  const places = findPlaces(text);
  return {
    tree: toValue(table) as Tree,
    locate: (path) => {
      const line = places.get(JSON.stringify(path));
      return line === undefined ? undefined : `${name}:${line}`;
    },
  };
}

function toValue(value: unknown): Value {
  if (value instanceof TomlDate) return value.toISOString();
  if (Array.isArray(value)) return value.map(toValue);
  if (typeof value !== "object" || value === null) return value as Value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toValue(inner)]));
}

// The parser does not tell where keys are. A key begins its line, but for those of inline tables, which go by their outer key.
function findPlaces(text: string): Map<string, number> {
  const places = new Map<string, number>();
  const counts = new Map<string, number>();
  let table: Path = [];
  const note = (path: Path, line: number): void => {
    const key = JSON.stringify(path);
    if (!places.has(key)) places.set(key, line);
  };
  let closing: string | undefined;
  text.split("\n").forEach((content, index) => {
    const line = index + 1;
    if (closing !== undefined) {
      if (content.includes(closing)) closing = undefined;
      return;
    }
    const header = /^\s*(\[\[?)\s*((?:"[^"]*"|'[^']*'|[^\]"'#])+)\]/.exec(content);
    const pair = /^\s*((?:"[^"]*"|'[^']*'|[\w.\s-])+?)\s*=\s*(.*)$/.exec(content);
    if (header !== null) {
      let keys: Path = splitKey(header[2]!);
      if (header[1] === "[[") {
        const name = JSON.stringify(keys);
        const count = counts.get(name) ?? 0;
        counts.set(name, count + 1);
        note(keys, line);
        keys = [...keys, count];
      }
      table = keys;
      for (let length = 1; length <= keys.length; length += 1) note(keys.slice(0, length), line);
    } else if (pair !== null) {
      const keys = [...table, ...splitKey(pair[1]!)];
      for (let length = table.length + 1; length <= keys.length; length += 1) note(keys.slice(0, length), line);
      const quotes = /^("""|''')/.exec(pair[2]!)?.[1];
      if (quotes !== undefined && !pair[2]!.slice(3).includes(quotes)) closing = quotes;
    }
  });
  return places;
}

/** `a."b.c".d` as its keys. */
function splitKey(text: string): string[] {
  const keys = text.matchAll(/"([^"]*)"|'([^']*)'|([^.\s"']+)/g);
  return [...keys].map(([, double, single, bare]) => double ?? single ?? bare!);
}
