import { type Shape, shapeAt } from "./shape.ts";
import type { Path, Tree } from "./tree.ts";

const secretPattern =
  /pass(word|wd|phrase)|passw?d?$|secret|token|api[-_]?key|private[-_]?key|credential|authorization|cookie|(^|[-_.])dsn$/i;

/** Whether a key, or a variable, by its name holds what nobody should read. */
export function isSecretName(name: string | number): boolean {
  return secretPattern.test(String(name));
}

/** Texts that must not be shown. */
export class Secrets {
  readonly #shape: Shape | undefined;
  readonly #texts: Set<string> = new Set();

  /** `shape` tells what else than names says that a value is secret. */
  constructor(shape: Shape | undefined) {
    this.#shape = shape;
  }

  add(value: unknown): void {
    if (typeof value === "string" || typeof value === "number") {
      if (String(value) !== "") this.#texts.add(String(value));
    } else if (Array.isArray(value)) {
      for (const item of value) this.add(item);
    }
  }

  /** Adds every value below a key that is secret by its name or by the schema. */
  addFrom(tree: Tree): void {
    const visit = (value: unknown, known: Shape | undefined, isSecret: boolean): void => {
      if (typeof value !== "object" || value === null) {
        if (isSecret) this.add(value);
        return;
      }
      for (const [key, inner] of Object.entries(value)) {
        const below = shapeAt(known, Array.isArray(value) ? Number(key) : key);
        visit(inner, below, isSecret || below?.isSecret === true || (!Array.isArray(value) && isSecretName(key)));
      }
    };
    visit(tree, this.#shape, false);
  }

  /** The text with *** in place of secrets, and of passwords in URLs. `path` is what the text is about. */
  redact(text: string, path: Path = []): string {
    let safe = text.replace(/\b([a-z][a-z\d+.-]*:\/\/)[^/\s@"']+@/gi, "$1***@");
    const isAboutSecret = this.#isSecret(path);
    // The longest first: one may be part of another.
    for (const secret of [...this.#texts].sort((a, b) => b.length - a.length)) {
      // A short one is part of many a word: it counts where it stands as a value, or where the text is about it.
      if (secret.length >= 6 || isAboutSecret) safe = safe.replaceAll(secret, "***");
      else safe = safe.replaceAll(JSON.stringify(secret), '"***"');
    }
    return safe;
  }

  #isSecret(path: Path): boolean {
    let shape = this.#shape;
    return path.some((key) => {
      shape = shapeAt(shape, key);
      return isSecretName(key) || shape?.isSecret === true;
    });
  }
}
