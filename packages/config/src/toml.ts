import { parse, TomlDate, TomlError } from "smol-toml";
import { syntaxInvalid } from "./errors.ts";
import type { Path, Tree, Value } from "./tree.ts";

export interface TomlDocument {
  readonly tree: Tree;
  /** Returns where a key was written: `config.toml:3`. */
  readonly locate: (path: Path) => string | undefined;
}

/** @throws CLEW_CONFIG_SYNTAX */
export function parseToml(name: string, text: string): TomlDocument {
  let table: unknown;
  try {
    table = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the parser's message quotes the surrounding lines, which may hold a secret. So does the error itself,
    // which is why it is not the cause.
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

// The parser does not report positions. A key begins its line, except in inline tables: their keys get the place of the outer
// key.
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

/** Splits `a."b.c".d` into its keys. */
function splitKey(text: string): string[] {
  const keys = text.matchAll(/"([^"]*)"|'([^']*)'|([^.\s"']+)/g);
  return [...keys].map(([, double, single, bare]) => double ?? single ?? bare!);
}
