import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLayer, file, type Layer, type Source, type Tree } from "@clew/config";
import { type SourceHarness, testSource } from "@clew/config/contract";
import { stringify as toToml } from "smol-toml";
import { stringify as toYaml } from "yaml";

const writers: Record<string, (values: Tree) => string> = {
  yaml: toYaml,
  json: (values) => JSON.stringify(values),
  toml: toToml,
};

for (const [ending, write] of Object.entries(writers)) {
  for (const isRenamed of [false, true]) {
    testSource(`file, .${ending}, ${isRenamed ? "replaced by renaming" : "written in place"}`, () =>
      openFile(`config.${ending}`, write, isRenamed),
    );
  }
}

async function openFile(name: string, write: (values: Tree) => string, isRenamed: boolean): Promise<SourceHarness> {
  const folder = await mkdtemp(join(tmpdir(), "clew-source-"));
  const path = join(folder, name);
  const put = async (text: string): Promise<void> => {
    await writeFile(isRenamed ? `${path}.new` : path, text);
    if (isRenamed) await rename(`${path}.new`, path);
  };
  return {
    source: file(path),
    set: (values) => put(write(values)),
    spoil: () => put("a: [1\n"),
    close: () => rm(folder, { recursive: true }),
  };
}

/** The smallest source there can be, as the guide shows it. */
class MemorySource implements Source {
  readonly name = "memory";
  #values: Tree | undefined;
  readonly #watchers: Set<() => void> = new Set();

  async load(): Promise<Layer> {
    if (this.#values === undefined) throw new Error("memory holds nothing");
    return createLayer(this.name, this.#values);
  }

  watch(onChange: () => void): () => void {
    // Each watch its own, also when two have the same function.
    const tell = (): void => onChange();
    this.#watchers.add(tell);
    return () => this.#watchers.delete(tell);
  }

  set(values: Tree | undefined): void {
    this.#values = values;
    for (const tell of this.#watchers) tell();
  }
}

testSource("memory", () => {
  const source = new MemorySource();
  return { source, set: (values) => source.set(values), spoil: () => source.set(undefined) };
});
