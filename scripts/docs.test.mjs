// Holds what pages point to: files and headings that links lead to, and the files that READMEs and the two path pages name.
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");
const pages = globSync(
  [
    "*.md",
    "packages/*/*.md",
    "examples/*/*.md",
    "conformance/*.md",
    "conformance/*/*.md",
    "bench/*.md",
    "docs/**/*.md",
    "ui/*.md",
  ],
  { cwd: root },
);
const read = (page) => readFileSync(join(root, page), "utf8");

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page) {
  const titles = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, title]) => title);
  return titles.map((title) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

test("every link leads to a file, and to a heading that is there", () => {
  const lost = [];
  for (const page of pages) {
    const prose = read(page).replace(/^```.*?^```$/gms, "");
    for (const [, link] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path, anchor] = link.split("#");
      const target = path === "" ? page : join(dirname(page), path);
      const isThere = existsSync(join(root, target)) && (anchor === undefined || anchorsOf(target).includes(anchor));
      if (!isThere) lost.push(`${page}: ${link}`);
    }
  }
  assert.deepEqual(lost, []);
});

test("the files that the path pages and the packages' READMEs name are there", () => {
  const sources = globSync("packages/*/{src,test}/**/*.ts", { cwd: root });
  const lost = [];
  const look = (page, names, among) => {
    for (const name of names) if (!among.some((file) => file.endsWith(`/${name}`))) lost.push(`${page}: ${name}`);
  };
  for (const page of globSync("docs/path-of-*.md", { cwd: root })) {
    // `rpc/call.ts` is packages/rpc/src/call.ts.
    const names = [...read(page).matchAll(/[\w./-]*\w\.ts\b/g)].map(([name]) => name);
    look(
      page,
      names,
      sources.map((file) => file.replace("/src/", "/")),
    );
  }
  for (const page of globSync("packages/*/README.md", { cwd: root })) {
    const names = [...read(page).matchAll(/^\| .*?\|/gm)].flatMap(([cell]) => [...cell.matchAll(/`([\w/.-]+\.ts)`/g)]);
    const own = sources.filter((file) => file.startsWith(`${dirname(page)}/`));
    look(
      page,
      names.map(([, name]) => name),
      own,
    );
  }
  assert.deepEqual(lost, []);
});
