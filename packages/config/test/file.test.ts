// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a configuration look like this

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { type Config, env, file, flags, loadConfig, parseDuration, schemaOf } from "@clew/config";
import { until } from "../../http2/test/until.ts";

/** A folder that is gone after the test. */
async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clew-config-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
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
      message: `config ${folder} is a folder that contains no file ending in .yaml, .yml, .json, .toml, .env: add one or give another path`,
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

test("any link on the way may be swapped, and a folder on it be replaced by another", async () => {
  await withFolder(async (folder) => {
    for (const version of ["v1", "v2", "v3"]) {
      await mkdir(join(folder, "releases", version), { recursive: true });
      await writeFile(join(folder, "releases", version, "config.yaml"), `version: ${version}\n`);
    }
    // As a deployment has it: current -> releases/v1, and the program reads current/config.yaml.
    await symlink(join("releases", "v1"), join(folder, "current"));
    await closing(await loadConfig({ sources: [file(join(folder, "current", "config.yaml"))] }), async (config) => {
      for (const version of ["v2", "v3"]) {
        await symlink(join("releases", version), join(folder, "new"));
        await rename(join(folder, "new"), join(folder, "current"));
        await until(() => config.snapshot.version === version);
      }
      // What the link leads to is followed too, also after the swap.
      await writeFile(join(folder, "releases", "v3", "config.yaml"), "version: v3.1\n");
      await until(() => config.snapshot.version === "v3.1");
    });
  });
});

test("a file whose folder goes and comes back is followed again", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "conf", "config.yaml");
    const write = async (n: number): Promise<void> => {
      await mkdir(join(folder, "conf"), { recursive: true });
      await writeFile(path, `n: ${n}\n`);
    };
    await write(1);
    const errors: Error[] = [];
    const onError = (error: Error): number => errors.push(error);
    await closing(await loadConfig({ sources: [file(path)], onError }), async (config) => {
      await rm(join(folder, "conf"), { recursive: true });
      await until(() => errors.length > 0);
      assert.deepEqual(config.snapshot, { n: 1 });
      await write(2);
      await until(() => config.snapshot.n === 2);
      await writeFile(path, "n: 3\n");
      await until(() => config.snapshot.n === 3);
    });
  });
});

test("an optional file may be missing; when it comes it counts", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "local.yaml");
    await closing(await loadConfig({ sources: [file(path, { optional: true })] }), async (config) => {
      assert.deepEqual(config.snapshot, {});
      await writeFile(path, "n: 1\n");
      await until(() => config.snapshot.n === 1);
    });
  });
});

test("what editors leave beside a file changes nothing", async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, "a.yaml"), "n: 1\n");
    await closing(await loadConfig({ sources: [file(folder)] }), async (config) => {
      for (const name of ["a.yaml~", ".a.yaml.swp", ".#a.yaml", "#a.yaml#", "4913", "a.yaml.bak"]) {
        await writeFile(join(folder, name), "n: 2\n");
      }
      await writeFile(join(folder, "b.yaml"), "m: 1\n");
      await until(() => config.snapshot.m === 1);
      assert.deepEqual(config.snapshot, { n: 1, m: 1 });
    });
  });
});

test("file < .env < environment < flags, by the order of the sources; a .env is known by its line", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "config.toml");
    const dotenv = join(folder, ".env");
    await writeFile(path, 'a = 1\nb = 1\nc = 1\nd = 1\nurl = "${HOST}:${PORT}"\n');
    await writeFile(dotenv, '# local\nB=2\nexport C=2\nD=2\nHOST="file"\nPORT=80\n');
    const variables = { C: "3", D: "3", HOST: "real" };
    const sources = [file(path), file(dotenv), env("", { variables }), flags({ args: ["--d=4"] })];
    await closing(await loadConfig({ sources }), async (config) => {
      assert.deepEqual(config.snapshot, { a: 1, b: 2, c: 3, d: 4, url: "real:80" });
      await writeFile(dotenv, "B=5\nHOST=x\nPORT=81\n");
      await until(() => config.snapshot.b === 5);
      assert.deepEqual(config.snapshot, { a: 1, b: 5, c: 3, d: 4, url: "real:81" });
    });
    await writeFile(dotenv, "\nB=x\nBAR=y\n");
    const schema = schemaOf({ a: 0, b: 0, c: 0, d: 0, url: "" });
    await assert.rejects(loadConfig({ sources: [file(dotenv)], schema }), {
      message: `${dotenv}:2: b must be a number, not "x"`,
    });
    await writeFile(join(folder, ".env.local"), "APP_A=7\nA=8\n");
    const config = await loadConfig({ sources: [file(join(folder, ".env.local"), { prefix: "APP_" })], schema });
    assert.equal(config.snapshot.a, 7);
    await config.close();
  });
});

test("a key of a TOML file is known by its line, and what is no TOML too", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "config.toml");
    const schema = schemaOf({ title: "", server: { http: { addr: "" } }, hosts: [] });
    const text = 'title = "x"\n\n[server.http]\nadr = ":1" # no\n\n[[hosts]]\nname = "a"\n[[hosts]]\nname = "b"\n';
    await writeFile(path, text);
    await assert.rejects(loadConfig({ sources: [file(path)], schema }), {
      message: `${path}:4: server.http.adr is unknown; did you mean addr? known here: addr`,
    });
    await writeFile(path, 'a = 1\npassword = "hunter2\nb = 2\n');
    await assert.rejects(loadConfig({ sources: [file(path)] }), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, "CLEW_CONFIG_SYNTAX");
      assert.match(error.message, /config\.toml:\d+:\d+: not valid TOML: /);
      assert.ok(!`${error.stack}`.includes("hunter2"));
      return true;
    });
    await writeFile(path, "at = 2026-01-02T03:04:05Z\nday = 2026-01-02\nbig = 1.5\n");
    const config = await loadConfig({ sources: [file(path)] });
    assert.deepEqual(config.snapshot, { at: "2026-01-02T03:04:05.000Z", day: "2026-01-02", big: 1.5 });
    await config.close();
  });
});
