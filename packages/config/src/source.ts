import type { Shape } from "./shape.ts";
import type { Path, Tree } from "./tree.ts";

/**
 * A place that configuration is read from. A source only reads; its {@link Layer} and the Config combine its values with
 * those of other sources.
 */
export interface Source {
  /** The name of the source in errors: a path, a URL. */
  readonly name: string;
  /** Reads everything that the source has now. Rejects with an error that names the source and says what would work. */
  load(): Promise<Layer>;
  /**
   * Calls `onChange` whenever {@link load} may return something new, and `onError` when the watching itself fails. Returns a
   * function that ends the watch. A source without this function never changes. A watch does not keep the process alive.
   */
  watch?(onChange: () => void, onError: (error: Error) => void): () => void;
}

/** The values that a source read at one moment. */
export interface Layer {
  /**
   * Merges its values over the tree of the earlier sources and returns the result; the given tree is not changed. `shape` is what
   * the schema knows, for sources whose names or texts do not say it themselves.
   */
  over(tree: Tree, shape?: Shape): Tree;
  /**
   * Returns where the value or key at this path was written, in a form for people: `config.yaml:3:5`. Undefined when this
   * layer does not have it.
   */
  locate(path: Path): string | undefined;
  /** Returns the text for a placeholder whose name is not a key of the tree. */
  lookup?(name: string): string | undefined;
}
