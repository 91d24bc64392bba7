// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a configuration look like this
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { type Config, env, file, loadConfig, parseDuration, schemaOf } from "@clew/config";

/** A folder that is gone after the test. */
async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clew-config-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Waits for a condition, up to 10 s. */
async function until(condition: () => boolean): Promise<void> {
  for (let n = 0; !condition(); n += 1) {
    if (n > 1_000) throw new Error(`waited in vain for ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function closing<T>(config: Config<T>, body: (config: Config<T>) => Promise<void>): Promise<void> {
  try {
    await body(config);
  } finally {
    await config.close();
  }
}

test("a file, the environment, placeholders and a schema make one typed snapshot", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "config.yaml");
    await writeFile(
      path,
      "server:\n  http:\n    addr: ${HOST:127.0.0.1}:8000\n    timeout: 1s\n  port: ${PORT:9000}\n",
    );
    const schema = schemaOf({
      server: { http: { addr: "", timeout: (value): number => parseDuration(value ?? "2s") }, port: 0 },
    });
    const variables = { SERVER_HTTP_TIMEOUT: "250ms", HOST: "0.0.0.0" };
    await closing(await loadConfig({ sources: [file(path), env("", { variables })], schema }), async (config) => {
      const timeoutMs: number = config.snapshot.server.http.timeout;
      assert.equal(timeoutMs, 250);
      assert.deepEqual(config.snapshot, { server: { http: { addr: "0.0.0.0:8000", timeout: 250 }, port: 9000 } });
    });
  });
});

test("a file that is written again, replaced by renaming, or edited through a backup is followed", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "config.yml");
    await writeFile(path, "n: 1\n");
    await closing(await loadConfig({ sources: [file(path)] }), async (config) => {
      await writeFile(path, "n: 2\n");
      await until(() => config.snapshot.n === 2);
      for (const n of [3, 4]) {
        await writeFile(`${path}.new`, `n: ${n}\n`);
        await rename(`${path}.new`, path);
        await until(() => config.snapshot.n === n);
      }
      await rename(path, `${path}~`);
      await writeFile(path, "n: 5\n");
      await until(() => config.snapshot.n === 5);
    });
  });
});

test("a mounted ConfigMap, whose link is swapped, is followed", async () => {
  await withFolder(async (folder) => {
    for (const version of ["v1", "v2", "v3"]) {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, "config.yaml"), `version: ${version}\n`);
    }
    await symlink("v1", join(folder, "..data"));
    await symlink(join("..data", "config.yaml"), join(folder, "config.yaml"));
    await closing(await loadConfig({ sources: [file(join(folder, "config.yaml"))] }), async (config) => {
      for (const version of ["v2", "v3"]) {
        await symlink(version, join(folder, "..new"));
        await rename(join(folder, "..new"), join(folder, "..data"));
        await until(() => config.snapshot.version === version);
      }
    });
  });
});

test("a folder's files are read by name, the last winning, and followed; other files are left out", async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, "10-base.yaml"), "a: 1\nb: 1\n");
    await writeFile(join(folder, "20-more.json"), '{"b": 2}');
    await writeFile(join(folder, ".hidden.yaml"), "a: hidden\n");
    await writeFile(join(folder, "notes.txt"), "not: config\n");
    await closing(await loadConfig({ sources: [file(folder)] }), async (config) => {
      assert.deepEqual(config.snapshot, { a: 1, b: 2 });
      await writeFile(join(folder, "30-last.yml"), "b: 3\n");
      await until(() => config.snapshot.b === 3);
      await rm(join(folder, "30-last.yml"));
      await until(() => config.snapshot.b === 2);
    });
  });
});

test("a change that breaks the file is reported with its line; the snapshot stays; a good one is taken again", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "config.yaml");
    await writeFile(path, "n: 1\n");
    const errors: Error[] = [];
    const onError = (error: Error): number => errors.push(error);
    await closing(await loadConfig({ sources: [file(path)], onError }), async (config) => {
      await writeFile(`${path}.new`, "n: 2\nlist: [1\n");
      await rename(`${path}.new`, path);
      await until(() => errors.length > 0);
      assert.match(errors[0]!.message, /config\.yaml:\d+:\d+: not valid YAML/);
      assert.deepEqual(config.snapshot, { n: 1 });
      await rm(path);
      await until(() => errors.some((error) => /does not exist/.test(error.message)));
      assert.deepEqual(config.snapshot, { n: 1 });
      await writeFile(path, "n: 3\n");
      await until(() => config.snapshot.n === 3);
    });
  });
});

test("a missing file, an empty folder, another format: one line that says what would work", async () => {
  await withFolder(async (folder) => {
    const missing = join(folder, "none.yaml");
    await assert.rejects(loadConfig({ sources: [file(missing)] }), {
      code: "CLEW_CONFIG_MISSING",
      message: `config ${missing} does not exist: create it or give another path`,
    });
    await assert.rejects(loadConfig({ sources: [file("none/at/all.yaml")] }), /\(looked for \/.*none\/at\/all\.yaml\)/);
    await assert.rejects(loadConfig({ sources: [file(folder)] }), {
      code: "CLEW_CONFIG_MISSING",
      message: `config ${folder} is a folder without a file that ends in .yaml, .yml, .json, .toml, .env: put one there or give another path`,
    });
    await writeFile(join(folder, "a.ini"), "a = 1\n");
    await assert.rejects(loadConfig({ sources: [file(join(folder, "a.ini"))] }), { code: "CLEW_CONFIG_FORMAT" });
    await writeFile(join(folder, "a.yaml"), "a: 1\n");
    await assert.rejects(loadConfig({ sources: [file(join(folder, "a.yaml", "b.yaml"))] }), {
      code: "CLEW_CONFIG_MISSING",
    });
  });
});

test("the line of an unknown key is named", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "config.yaml");
    await writeFile(path, "server:\n  address: ':1'\n  adress: ':2'\n");
    await assert.rejects(loadConfig({ sources: [file(path)], schema: schemaOf({ server: { address: "" } }) }), {
      code: "CLEW_CONFIG_INVALID",
      message: `${path}:3:3: server.adress is unknown; did you mean address? known here: address`,
    });
  });
});

test("a watched configuration does not keep a process alive", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "config.yaml");
    await writeFile(path, "n: 1\n");
    const program = `import { file, loadConfig } from "@clew/config";
      const config = await loadConfig({ sources: [file(process.argv[1])] });
      console.log(config.snapshot.n);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program, path], {
      cwd: import.meta.dirname,
    });
    const [out, err, [exit]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    assert.deepEqual([out, err, exit], ["1\n", "", 0]);
  });
});
