// Runs the code of every README and docs page: each ```ts block is a program of its own. A ```proto block of the same page
// is generated first, and the programs find its code in ./gen.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "..");
const pages = globSync(["README.md", "packages/*/README.md", "examples/*/README.md", "docs/**/*.md"], { cwd: root });

/** The blocks of one language in a page, each with the line it begins on. */
function blocks(text, language) {
  const found = [];
  for (const match of text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))) {
    found.push({ code: match[1], line: text.slice(0, match.index).split("\n").length });
  }
  return found;
}

for (const page of pages) {
  const text = readFileSync(join(root, page), "utf8");
  const programs = blocks(text, "ts");
  const protos = blocks(text, "proto");
  for (const { code, line } of programs) {
    test(`${page}:${line} runs`, async () => {
      // Inside the page's folder, so that imports resolve as they would for a reader's file there.
      const folder = mkdtempSync(join(root, dirname(page), ".readme-"));
      try {
        if (protos.length > 0) generate(folder, protos);
        const run = () =>
          promisify(execFile)(
            process.execPath,
            ["--disable-warning=ExperimentalWarning", "--input-type=module-typescript", "--eval", code],
            { cwd: folder, timeout: 300_000, env: { ...process.env, LOG_LEVEL: "error" } },
          );
        // Deadlines of a page are those of a reader's machine: on one that is busy they pass, and the program is run again.
        const runAgain = (error) => {
          if (!/GATEWAY_TIMEOUT|deadline exceeded/.test(error.stderr)) throw error;
          return run();
        };
        await assert.doesNotReject(run().catch(runAgain).catch(runAgain).catch(runAgain));
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
}

test("the programs of all pages fit the types", () => {
  // One folder for each page, and one compilation of them all.
  const folders = [];
  try {
    for (const page of pages) {
      const text = readFileSync(join(root, page), "utf8");
      const programs = blocks(text, "ts");
      if (programs.length === 0) continue;
      const folder = mkdtempSync(join(root, dirname(page), ".readme-"));
      folders.push(folder);
      const protos = blocks(text, "proto");
      if (protos.length > 0) generate(folder, protos);
      for (const { code, line } of programs) writeFileSync(join(folder, `line-${line}.ts`), code);
    }
    const config = {
      extends: join(root, "tsconfig.tests.json"),
      include: folders.map((folder) => join(folder, "line-*.ts")),
    };
    const project = join(folders[0], "tsconfig.json");
    writeFileSync(project, JSON.stringify(config));
    const { status, stdout } = spawnSync("tsc", ["-p", project], { encoding: "utf8" });
    assert.equal(status, 0, stdout);
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true });
  }
});

function generate(folder, protos) {
  const input = join(folder, "proto");
  mkdirSync(input);
  for (const { code } of protos) {
    const name = /^package (\w+)/m.exec(code)?.[1] ?? "readme";
    writeFileSync(join(input, `${name}.proto`), code);
  }
  const out = join(folder, "gen");
  const opt = ["target=ts", "import_extension=ts", "erasable_syntax=true", "json_types=true"];
  writeFileSync(
    join(folder, "buf.yaml"),
    JSON.stringify({ version: "v2", modules: [{ path: "proto" }, { path: "std" }] }),
  );
  // What a page's definitions import must be in the package that users install.
  cpSync(join(root, "packages/clew/proto"), join(folder, "std"), { recursive: true });
  const template = {
    version: "v2",
    plugins: [{ local: "protoc-gen-es", out, opt, include_imports: true }],
    inputs: [{ directory: "proto" }],
  };
  execFileSync("buf", ["generate", "--template", JSON.stringify(template)], { cwd: folder, stdio: "inherit" });
}
