import type { Shape } from "./shape.ts";
import type { Path, Tree } from "./tree.ts";

/**
 * Where configuration comes from. A source only reads; how what it read fits with that of the others is its {@link Layer}'s
 * and the Config's work.
 */
export interface Source {
  /** Names the source in errors: a path, a URL. */
  readonly name: string;
  /** Reads everything the source has now. Rejects with an error that names the source and what would work. */
  load(): Promise<Layer>;
  /**
   * Calls `onChange` whenever {@link load} may give something new, and `onError` when watching itself fails. Returns a function
   * that ends it. A source without this never changes. A watch does not keep the process alive.
   */
  watch?(onChange: () => void, onError: (error: Error) => void): () => void;
}

/** What a source read at one moment. */
export interface Layer {
  /**
   * Lays its values over the tree of the sources before it, and returns the result; the given tree stays as it was. `shape` is what
   * the schema knows, for sources whose names or texts do not tell it.
   */
  over(tree: Tree, shape?: Shape): Tree;
  /** Where the value or key at this path was written, for people: `config.yaml:3:5`. Undefined when this layer has none. */
  locate(path: Path): string | undefined;
  /** The text for a placeholder whose name is no key of the tree. */
  lookup?(name: string): string | undefined;
}
